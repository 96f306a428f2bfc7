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

# No images: a remote one would tell another site who reads the page.
_TAGS = {
    "p", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "a", "blockquote", "br", "hr",
    "code", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
# Paragraphs alone, for what `need_few_marks` refuses.
_without_marks = MarkdownIt("zero")
# Of a text: far more than people write. A link that is begun takes 20 µs of the processor, and a
# line in a deep quotation 70.
MOST_LINKS = 2_000
MOST_LINES = 5_000
# A link that was begun and became none: its address has a space or no end, or may not be followed.
_NO_LINK = re.compile(r"(?:\[[^\[\]]*)?\](?:\(| +\((?=https?:))[^)]*\)?")
# What follows each kind of token in plain text. A hidden one is a paragraph of a tight list.
_AFTER = {
    "softbreak": "\n", "hardbreak": "\n", "tr_close": "\n", "th_close": "  ", "td_close": "  ",
    "paragraph_close": "\n\n", "heading_close": "\n\n", "fence": "\n\n", "code_block": "\n\n",
    "bullet_list_close": "\n", "ordered_list_close": "\n",
}  # fmt: skip
# XML holds no control characters, and typst shows boxes for them. Bidi overrides would reorder what
# stands beside the text.
_DROPPED = {"Cc", "Cs", "Cn"}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def need_few_marks(text: str) -> None:
    """Raise `ValidationError` for a Markdown text that would take seconds to render."""
    links, lines = text.count("["), text.count("\n") + 1
    if links > MOST_LINKS:
        raise ValidationError(
            f"This text has {links:,} “[”, each of which begins a link. Leave at most "
            f"{MOST_LINKS:,} of them."
        )
    if lines > MOST_LINES:
        raise ValidationError(
            f"This text has {lines:,} lines. Shorten it to {MOST_LINES:,}, or join the lines of "
            "each paragraph."
        )


def _parser(text: str) -> MarkdownIt:
    """The Markdown parser, or that of paragraphs alone for a text of too many marks, which forms
    show again beside what is wrong with it.
    """
    try:
        need_few_marks(text)
    except ValidationError:
        return _without_marks
    return _markdown


@lru_cache(maxsize=128)
def render_markdown(text: str) -> SafeString:
    """Sanitised HTML of a Markdown text, cached: without, a refused form takes 1.18 times as long.

    A first-level heading becomes a second-level one: the page has its own.
    """
    html = _parser(text).render(text).replace("<h1>", "<h2>").replace("</h1>", "</h2>")
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


def plain_text(text: str) -> str:
    """A Markdown text without its marks, for the plain-text part of a mail.

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
            # An inline token's text is that of its children, which follow.
            written.append("" if token.children else token.content)
            after = _AFTER.get(token.type, "")
            written.append(after[:1] if token.hidden else after)
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" +\n", "\n", "".join(written))).strip()


def links_in(text: str) -> list[str]:
    """The addresses of the links of a Markdown text, in order."""
    opened = (token for token in _flat(_parser(text).parse(text)) if token.type == "link_open")
    return [str(token.attrGet("href")) for token in opened]


def unparsed_links(text: str) -> list[str]:
    """What looks like a link of a Markdown text and is none, so that readers see its marks."""
    shown = (token.content for token in _flat(_parser(text).parse(text)) if token.type == "text")
    return [found for part in shown for found in _NO_LINK.findall(part)]


def _flat(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or ())


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
