"""Share images, Open Graph and JSON-LD tags, oEmbed, embeds, badges and posters.

Front door: `heads` (metadata of a page), `cards` (pictures and posters, set by `typesetting`) and
`embeds` (badge, frame, oEmbed). Knows petitions and their count, and nothing of signers.
"""
