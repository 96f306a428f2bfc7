"""Statements from Word and HTML files: what is kept, what is dropped and told, what is refused."""

import io
import zipfile
from pathlib import Path

import pytest

from campaign import documents, loading
from petitions.formatting.sanitising import render_markdown
from petitions.staff.refusal import Refused

W = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
)
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships'
    '+xml"/><Default Extension="xml" ContentType="application/xml"/></Types>'
)
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships/officeDocument" Target="word/document.xml"/></Relationships>'
)


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str, style: str = "") -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>{"".join(runs)}</w:p>'


def docx(*blocks: str, **parts: bytes | str) -> bytes:
    """A Word file of these blocks, with further parts by their names (`__` for `/`)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", RELATIONS)
        archive.writestr(
            "word/document.xml", f"<w:document {W}><w:body>{''.join(blocks)}</w:body></w:document>"
        )
        for name, contents in parts.items():
            archive.writestr(name.replace("__", "/"), contents)
    return out.getvalue()


TITLE = paragraph(run("Help Ma`rat"), run(" now", "<w:b/>"), style="Title")
BODY = paragraph(run("We ask for "), run("aid", "<w:b/>"), run(" by M_5 * 2."))
DELETED = '<w:del w:id="1" w:author="A"><w:r><w:delText>never</w:delText></w:r></w:del>'
INSERTED = '<w:ins w:id="2" w:author="A"><w:r><w:t>always</w:t></w:r></w:ins>'
PICTURE = "<w:r><w:drawing/></w:r>"
COMMENT = '<w:r><w:commentReference w:id="3"/></w:r>'
CELL = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
TABLE = "<w:tbl>" + "<w:tr>" + CELL.format("Town") + CELL.format("People") + "</w:tr><w:tr>" + (
    CELL.format("Idlib") + CELL.format("1,000,000") + "</w:tr></w:tbl>"
)  # fmt: skip


def test_a_word_file_keeps_its_words_its_emphasis_and_its_tables() -> None:
    read = documents.from_word(docx(TITLE, BODY, TABLE))

    assert read.title == "Help Ma`rat now"
    html = render_markdown(read.body)
    assert "<p>We ask for <strong>aid</strong> by M_5 * 2.</p>" in html
    assert "<td>Idlib</td>" in html
    assert read.dropped == ()


def test_what_is_dropped_from_a_word_file_is_reported() -> None:
    head = f"<w:hdr {W}>{paragraph(run('Draft'))}</w:hdr>"
    changed = paragraph(run("It is "), DELETED, INSERTED, run(" so."), COMMENT)
    read = documents.from_word(
        docx(
            TITLE,
            changed,
            paragraph("<m:oMath/>"),
            word__header1=head,
            **{"word__header1.xml": head},
        )
    )

    assert read.body == "It is always so."
    assert set(read.dropped) == {
        "1 × comment",
        "1 × tracked deletion, as if accepted",
        "1 × tracked insertion, as if accepted",
        "1 × equation",
        "1 × head or foot of a page",
    }


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        pytest.param(b"Title\n\nBody", "is not a Word document", id="text"),
        pytest.param(b"\xd0\xcf\x11\xe0" + bytes(600), "an old Word file", id="doc or password"),
        pytest.param(docx(TITLE, BODY)[:-200], "is not a Word document", id="cut off"),
        pytest.param(
            docx(TITLE, **{"word__vbaProject.bin": b"x"}), "has macros", id="with macros"
        ),
        pytest.param(docx(""), "", id="empty"),
        pytest.param(docx("<w:p>"), "is damaged", id="XML that does not end"),
        pytest.param(
            docx(TITLE, **{"word__media.xml": bytes(21 << 20)}), "would unpack to", id="a bomb"
        ),
        pytest.param(
            docx(TITLE).replace(b"word/document.xml", b"xl/workbook.xmlxx"),
            "is not a Word document",
            id="another kind of zip",
        ),
    ],
)  # fmt: skip
def test_an_invalid_word_document_is_refused_with_a_one_line_error(
    tmp_path: Path, contents: bytes, told: str
) -> None:
    path = tmp_path / "statement.docx"
    path.write_bytes(contents)
    with pytest.raises(Refused, match=told or "there is no text in it") as refused:
        loading.read(path)
    assert "\n" not in str(refused.value)


def test_xml_entity_expansion_is_refused() -> None:
    laughs = '<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><d>&b;</d>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", laughs)
    with pytest.raises(Refused, match="not a document that Word wrote"):
        documents.from_word(out.getvalue())


PAGE = """<!DOCTYPE html><html><head><title>Site</title><style>p{}</style></head><body>
<nav><a href="/">Home</a></nav><script>alert(1)</script>
<main><div><h1>Help <em>Testford</em></h1><p>First <b>aid</b>, M_5 &lt;b&gt;.</p><img src="x.jpg">
<ul><li>one<li>two</ul><p><a href="https://example.org/">more</a> <a href="#f1">[1]</a>
<a href="javascript:alert(1)">bad</a></p><iframe src="https://example.org"></iframe></div></main>
<footer>Imprint</footer></body></html>"""


def test_an_html_page_yields_its_main_content_and_reports_what_is_dropped() -> None:
    read = documents.from_html(PAGE.encode())

    assert read.title == "Help Testford"
    html = render_markdown(read.body)
    assert "<p>First <strong>aid</strong>, M_5 &lt;b&gt;.</p>" in html
    assert "<li>one</li>" in html
    assert 'href="https://example.org/"' in html
    for gone in ("alert", "Home", "Imprint", "img", "#f1", "javascript"):
        assert gone not in read.body
    assert read.dropped == ("1 × picture", "1 × frame")


@pytest.mark.parametrize(
    ("page", "title", "body"),
    [
        ("<p>Title<p>Body", "Title", "Body"),
        ("<div><div><p> </p><p>Title</p></div><p>Body</p></div>", "Title", "Body"),
        ("<article><h2>Title</h2><p>Body</article><article>Other</article>", "Title", "Body"),
        ("<table><tr><td>Title</td></tr></table><p>Body", "Title", "Body"),
    ],
)
def test_the_title_of_a_page_without_a_heading_is_its_first_block(
    page: str, title: str, body: str
) -> None:
    read = documents.from_html(page.encode())
    assert read.title == title
    assert read.body.endswith(body)


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        (b"", "no text in it"),
        (b"<html><body><img src=x></body></html>", "no text in it"),
        ("<p>Títle<p>Body".encode("latin-1"), "not in UTF-8"),
        (b"<h1>T</h1>" + b"<blockquote>" * 100_000 + b"x", "without end"),
        (b"<h1>T</h1>" + b"<p><B>" * 20_000 + b"x", "without end"),
    ],
)
def test_an_empty_or_malformed_html_page_is_refused(
    tmp_path: Path, contents: bytes, told: str
) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(contents)
    with pytest.raises(Refused, match=told):
        loading.read(path)


def test_a_deeply_nested_html_page_is_read() -> None:
    deep = b"<h1>T</h1>" + b"<blockquote>" * 200 + b"x" + b"</blockquote>" * 200
    assert documents.from_html(deep).body.endswith("x")


def test_an_html_page_may_declare_another_encoding(tmp_path: Path) -> None:
    page = '<meta charset="windows-1252"><h1>Títle</h1><p>Café “now”'
    read = documents.from_html(page.encode("cp1252"))
    assert (read.title, read.body) == ("Títle", "Café “now”")


@pytest.mark.parametrize(
    ("begin", "told"),
    [
        (PAGE, "--format html"),
        ("\ufeff \n<HTML lang=en><body>", "--format html"),
        ('<?xml version="1.0"?><office:document>', "is XML"),
        ("{\\rtf1\\ansi Title}", "RTF"),
        ("%PDF-1.4\nTitle", "PDF"),
        ("MIME-Version: 1.0\nContent-Type: multipart/related", "web archive"),
        ("From: <Saved by Blink>\nSnapshot", "web archive"),
    ],
)
@pytest.mark.parametrize("name", ["statement.txt", "statement.md", "statement"])
def test_a_text_file_with_content_of_another_format_is_refused(
    tmp_path: Path, name: str, begin: str, told: str
) -> None:
    path = tmp_path / name
    path.write_text(begin + "\n\nBody", encoding="utf-8")
    with pytest.raises(Refused, match=told):
        loading.read(path)
    assert loading.read(path, loading.Format.PLAIN).title


def test_html_in_a_text_file_is_read_with_the_format_option(tmp_path: Path) -> None:
    path = tmp_path / "statement.txt"
    path.write_text(PAGE)
    assert loading.read(path, loading.Format.HTML).title == "Help Testford"


def test_a_text_of_five_megabytes_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "statement.txt"
    path.write_text("Title\n\n" + "word " * (1 << 20))
    with pytest.raises(Refused, match="has 5,242,880 characters"):
        loading.read(path)


@pytest.mark.parametrize("name", ["statement.txt", "statement.docx", "statement.html"])
def test_an_enormous_file_is_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(Refused, match="larger than 20 MB"):
        loading.read(path)
