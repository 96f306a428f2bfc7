"""Convert Word and HTML files to Markdown with mammoth, Beautiful Soup and markdownify.

Content that the site does not show is dropped, and reported by kind and number.
"""

import io
import re
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

import mammoth
import nh3
from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

from petitions.staff.refusal import Refused

# Maximum unpacked bytes of a Word file without its pictures. A book has 5 MB.
_LARGEST_PARTS = 20 << 20
_MAIN = "word/document.xml"
_HEADS = re.compile(r"word/(?:header|footer)\d*\.xml")
# The first bytes of an old Word file (OLE), or of one with a password.
_OLE = b"\xd0\xcf\x11\xe0"
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"
# Traces in Word's XML of content that mammoth drops, or treats as accepted.
_TRACES = {
    "comment": re.compile(rb"<w:commentReference[ /]"),
    "tracked deletion, as if accepted": re.compile(rb"<w:del [^>]*[^/>]>"),
    "tracked insertion, as if accepted": re.compile(rb"<w:ins [^>]*[^/>]>"),
    "equation": re.compile(rb"<m:oMath[ />]"),
    "merged cell of a table": re.compile(rb"<w:(?:gridSpan|vMerge)[ /]"),
}
_WORDS = re.compile(rb"<w:t[ >]")
_SHOWN = {
    "h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "ul", "ol", "li", "strong", "b", "em", "i", "a",
    "blockquote", "br", "hr", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_BLOCKS = ["h1", "h2", "h3", "h4", "h5", "h6", "p", "li", "td", "div"]
# Elements of a page that are not its text, by the names that an organiser would use.
_DROPPED = {
    "picture": ["img", "svg", "canvas"],
    "film or sound": ["video", "audio", "object"],
    "frame": ["iframe", "frame", "embed"],
    "script": ["script"],
    "form": ["form"],
    "navigation": ["nav"],
    "side column": ["aside"],
    "foot of the page": ["footer"],
}
# Tags of elements that can be nested, and the maximum depth: parsers take quadratic time in it.
_NESTING = re.compile(
    rb"<(/?)(?:a|b|i|u|div|span|font|em|strong|blockquote|section|article|ul|ol|table)[\s>]",
    re.IGNORECASE,
)
_DEEPEST = 200
_SILENT = ["style", "noscript", "template", "head"]


@dataclass(frozen=True, slots=True)
class Document:
    """A title in plain text, a body in Markdown, and what was dropped, such as "2 × picture"."""

    title: str
    body: str
    dropped: tuple[str, ...]


def from_word(contents: bytes) -> Document:
    """Read a .docx file. Raises `Refused`."""
    dropped = _inspect(contents)

    def without_picture(_image: object) -> list[Any]:
        dropped["picture"] += 1
        return []

    try:
        html = mammoth.convert_to_html(
            io.BytesIO(contents),
            style_map=_STYLES,
            convert_image=without_picture,
            include_embedded_style_map=False,
            external_file_access=False,
        ).value
    except Exception:  # noqa: BLE001 - mammoth may raise anything at a damaged file
        raise Refused("the Word file is damaged. Save it again, and load that.") from None
    return _document(BeautifulSoup(html, "html.parser"), dropped)


def from_html(contents: bytes) -> Document:
    """Read an HTML page, or only its article or main element if it has one. Raises `Refused`."""
    _need_shallow(contents)
    try:
        soup = BeautifulSoup(contents.decode("utf-8-sig"), "html.parser")
    except UnicodeDecodeError:
        soup = BeautifulSoup(contents, "html.parser")
        if not soup.declared_html_encoding:
            raise Refused("the page is not in UTF-8. Save it so, and load that.") from None
    whole = soup.find("article") or soup.find("main") or soup.find("body") or soup
    return _document(whole, Counter())


def _need_shallow(contents: bytes) -> None:
    depth = 0
    for end in _NESTING.finditer(contents):
        depth = max(depth + (-1 if end[1] else 1), 0)
        if depth > _DEEPEST:
            raise Refused("parts of the page stand within one another without end.")


def _inspect(contents: bytes) -> Counter[str]:
    """Count what mammoth drops. Raises `Refused` if this is no Word document, or unsafe."""
    if contents.startswith(_OLE):
        raise Refused(
            "this is an old Word file, or one with a password. Save it as .docx without a password."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(contents)) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            _need_document(sizes)
            main = archive.read(_MAIN)
            heads = [archive.read(name) for name in sizes if _HEADS.fullmatch(name)]
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, OSError):
        raise Refused("this is not a Word document (.docx), or it is damaged.") from None
    if b"<!DOCTYPE" in main or b"<!ENTITY" in main:
        raise Refused("this is not a document that Word wrote.")
    counts = Counter({name: len(trace.findall(main)) for name, trace in _TRACES.items()})
    counts["head or foot of a page"] = sum(bool(_WORDS.search(head)) for head in heads)
    return counts


def _need_document(sizes: dict[str, int]) -> None:
    if any("vbaproject" in name.lower() for name in sizes):
        raise Refused("the Word file has macros. Save it as .docx, which has none.")
    if _MAIN not in sizes:
        raise Refused("this is not a Word document. Save the text as .docx.")
    if sum(size for name, size in sizes.items() if "media/" not in name) > _LARGEST_PARTS:
        raise Refused("the Word file would unpack to more than any statement has.")


def _document(whole: BeautifulSoup | Tag, dropped: Counter[str]) -> Document:
    for name, tags in _DROPPED.items():
        found = whole.find_all(tags)
        dropped[name] += len(found)
        for tag in found:
            tag.extract()
    for tag in whole.find_all(_SILENT):
        tag.extract()
    clean = nh3.clean(str(whole), tags=_SHOWN, attributes={"a": {"href"}, "ol": {"start"}})
    soup = BeautifulSoup(clean, "html.parser")
    title = _pop_title(soup)
    for link in soup.find_all("a", href=re.compile("^#")):
        # A link to a footnote, or within the page.
        link.unwrap()
    body = MarkdownConverter(heading_style="ATX", bullets="-").convert_soup(soup)
    kinds = (f"{n:,} × {name}" for name, n in dropped.items() if n)
    return Document(title, re.sub(r"[ \t]+\n", "\n", body).strip(), tuple(kinds))


def _pop_title(soup: BeautifulSoup) -> str:
    """Remove the first heading, or else the first block with text, and return its text."""
    first = soup.find("h1") or next(
        (b for b in soup.find_all(_BLOCKS) if b.get_text().strip()), None
    )
    if first is None:
        return ""
    if inner := first.find(_BLOCKS):
        first = inner if inner.get_text().strip() else first
    first.extract()
    return " ".join(first.get_text().split())
