"""Sanitising of organisers' texts: Markdown to HTML, and plain text where HTML is not escaped."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import unescape

import nh3
from django.core.exceptions import ValidationError
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from markdown_it import MarkdownIt
from markdown_it.token import Token

# No images: a remote image would tell another site who reads the page.
_TAGS = {
    "p", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "a", "blockquote", "br", "hr",
    "code", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
# Renders only paragraphs, for texts that `need_few_marks` refuses.
_without_marks = MarkdownIt("zero")
# Limits of a text, far above what people write. Each opening of a link takes 20 µs of CPU time, and
# each line in a deep quotation 70 µs.
MAX_LINKS = 2_000
MAX_LINES = 5_000
# A failed link: its address contains a space, has no end, or has a scheme that is not allowed.
_FAILED_LINK = re.compile(r"(?:\[[^\[\]]*)?\](?:\(| +\((?=https?:))[^)]*\)?")
# What follows each kind of token in plain text. A hidden token is a paragraph in a tight list.
_SUFFIXES = {
    "softbreak": "\n", "hardbreak": "\n", "tr_close": "\n", "th_close": "  ", "td_close": "  ",
    "paragraph_close": "\n\n", "heading_close": "\n\n", "fence": "\n\n", "code_block": "\n\n",
    "bullet_list_close": "\n", "ordered_list_close": "\n",
}  # fmt: skip
# XML allows no control characters, and typst shows boxes for them. Bidi overrides would reorder
# the text beside them.
_DROPPED = {"Cc", "Cs", "Cn"}
_BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def need_few_marks(text: str) -> None:
    """Raise `ValidationError` if a Markdown text would take seconds to render."""
    links, lines = text.count("["), text.count("\n") + 1
    if links > MAX_LINKS:
        raise ValidationError(
            f"This text has {links:,} “[”, each of which begins a link. Leave at most "
            f"{MAX_LINKS:,} of them."
        )
    if lines > MAX_LINES:
        raise ValidationError(
            f"This text has {lines:,} lines. Shorten it to {MAX_LINES:,}, or join the lines of "
            "each paragraph."
        )


def _parser(text: str) -> MarkdownIt:
    """Return the Markdown parser, or one for paragraphs only if the text has too many marks. Forms
    show such a text again beside the error.
    """
    try:
        need_few_marks(text)
    except ValidationError:
        return _without_marks
    return _markdown


@lru_cache(maxsize=128)
def render_markdown(text: str) -> SafeString:
    """Return sanitised HTML of a Markdown text. Without its cache a refused form takes 1.18 times.

    First-level headings become second-level ones, because the page has its own first-level heading.
    """
    html = _parser(text).render(text).replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    clean = nh3.clean(
        html,
        tags=_TAGS,
        # `start` lets a numbered list continue after a paragraph.
        attributes={"a": {"href"}, "ol": {"start"}},
        url_schemes={"https", "http", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # noqa: S308 - nh3 has just cleaned it


def plain(markdown: str) -> str:
    """Return the beginning of a Markdown text as one line of plain text, for feeds and previews."""
    text = unescape(nh3.clean(render_markdown(markdown), tags=set()))
    return Truncator(legible(text)).words(60)


def plain_text(text: str) -> str:
    """Return a Markdown text as plain text, for the plain-text part of a mail.

    Lists keep a dash or their number, and links their address in angle brackets.
    """
    written: list[str] = []
    hrefs: list[str] = []
    for token in _flat(_parser(text).parse(text)):
        if token.type == "link_open":
            hrefs.append(str(token.attrGet("href")))
        elif token.type == "link_close":
            written.append(f" <{hrefs.pop()}>")
        elif token.type == "list_item_open":
            written.append(f"{token.info}. " if token.info else "- ")
        else:
            # The children of an inline token follow and hold its text.
            written.append("" if token.children else token.content)
            after = _SUFFIXES.get(token.type, "")
            written.append(after[:1] if token.hidden else after)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" +\n", "\n", "".join(written))).strip()


def links_in(text: str) -> list[str]:
    """Return the addresses of the links in a Markdown text, in order."""
    opened = (token for token in _flat(_parser(text).parse(text)) if token.type == "link_open")
    return [str(token.attrGet("href")) for token in opened]


def unparsed_links(text: str) -> list[str]:
    """Return parts of a Markdown text that look like links but are shown as they were typed."""
    shown = (token.content for token in _flat(_parser(text).parse(text)) if token.type == "text")
    return [found for part in shown for found in _FAILED_LINK.findall(part)]


def _flat(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or ())


def legible(text: str) -> str:
    """Return text on one line, without control characters, bidi overrides or unassigned codes, for
    images, feeds, SVG and structured data.
    """
    seen = (
        char
        for char in text
        if char.isspace() or (char not in _BIDI and unicodedata.category(char) not in _DROPPED)
    )
    return " ".join("".join(seen).split())
