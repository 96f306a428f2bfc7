"""Markdown to sanitised HTML: rendered by markdown-it, then cleaned by nh3.

Images are removed: a remote one would tell another site who reads the page.
"""

from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

_TAGS = {
    "p", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "a", "blockquote", "br", "hr",
    "code", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_renderer = MarkdownIt("commonmark", {"html": False}).enable("table")


@lru_cache(maxsize=128)
def render_markdown(text: str) -> SafeString:
    """Sanitised HTML of a Markdown text.

    A first-level heading becomes a second-level one: the page has its own.
    """
    html = _renderer.render(text).replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    clean = nh3.clean(
        html,
        tags=_TAGS,
        # Numbered demands go on counting after a paragraph between them.
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"https", "http", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # noqa: S308 - nh3 has just cleaned it
