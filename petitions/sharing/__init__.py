"""Share images, Open Graph and JSON-LD tags, oEmbed, embeds, badges and posters."""
