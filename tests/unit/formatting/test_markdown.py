"""Typed texts are rendered without anything that could run in the reader's browser."""

import re
import time

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from petitions.formatting.sanitising import (
    links_in,
    need_few_marks,
    plain_text,
    render_markdown,
    unparsed_links,
)

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![a](https://tracker.example/x.png)",
    "![a][1]\n\n[1]: https://tracker.example/x.png",
    "<iframe src='https://evil.example'></iframe>",
    "<style>*{display:none}</style>",
    "<form action='https://evil.example'><input name=email></form>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java&#115;cript:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](vbscript:x)",
    "<javascript:alert(1)>",
    "[a](https://example.org \"x' onclick='alert(1)\")",
    '[a](https://example.org"onmouseover="alert(1))',
    "<a href='https://example.org' onclick='alert(1)'>a</a>",
    "| a |\n|:-:|\n| <img src=x> |",
]
ALLOWED = re.compile(
    r"</?(?:p|h2|h3|h4|ul|ol|li|strong|em|blockquote|br|hr|code|table|thead|tbody|tr|th|td)>"
    r'|<ol start="\d+">|</a>|<a(?: href="(?:(?:https?|mailto):|[^":]*)[^"]*")?(?: title="[^"]*")?'
    r' rel="noopener noreferrer nofollow">'
)


@pytest.mark.parametrize("text", HOSTILE)
def test_rendering_hostile_markdown_allows_no_scripts_or_external_content(text: str) -> None:
    html = render_markdown(text)

    assert "<" not in ALLOWED.sub("", html)
    assert 'href="javascript' not in html.lower()
    assert 'href="data' not in html.lower()


@given(st.text(alphabet="<>[]()!\"'`*_#&;:/=| \n\\-1.ahrefscriptjv", max_size=60))
def test_rendering_any_markdown_outputs_only_allowed_tags(text: str) -> None:
    assert "<" not in ALLOWED.sub("", render_markdown(text))


def test_an_h1_in_markdown_becomes_an_h2() -> None:
    assert render_markdown("# Idlib") == "<h2>Idlib</h2>\n"


def test_a_heading_tag_in_a_code_span_is_escaped_unchanged() -> None:
    assert render_markdown("`<h1>`") == "<p><code>&lt;h1&gt;</code></p>\n"


def test_links_have_rel_noopener_noreferrer_nofollow() -> None:
    html = render_markdown("[UN](https://un.example/x)")

    assert html == (
        '<p><a href="https://un.example/x" rel="noopener noreferrer nofollow">UN</a></p>\n'
    )


def test_a_numbered_list_interrupted_by_a_paragraph_keeps_its_numbers() -> None:
    html = render_markdown("1. Stop\n\nBetween.\n\n2. Protect")

    assert '<ol start="2">' in html


def test_markdown_tables_are_rendered() -> None:
    assert "<th>a</th>" in render_markdown("| a |\n|---|\n| b |")


def test_arabic_text_is_left_as_it_is() -> None:
    assert render_markdown("**إدلب** الآن") == "<p><strong>إدلب</strong> الآن</p>\n"


def test_rendered_markdown_is_marked_safe_for_templates() -> None:
    assert render_markdown("a & b").__html__() == "<p>a &amp; b</p>\n"


def test_plain_text_keeps_structure_and_urls_without_markdown_syntax() -> None:
    text = (
        "# News\n\nIt **worked**: [read on](https://example.org/a).\n\n- one\n- *two*\n\n"
        "3. three\n4. four\n\n> quoted\n\n| a | b |\n|---|---|\n| c | d |\n"
    )

    assert plain_text(text) == (
        "News\n\nIt worked: read on <https://example.org/a>.\n\n- one\n- two\n\n"
        "3. three\n4. four\n\n"
        "quoted\n\na  b\nc  d"
    )


MARKS = {
    "pictures": "![" * 30_000,
    "links": "[" * 100_000,
    "links in quotations": "> [a](" * 16_000,
    "lines in a quotation": "> " * 50 + "a\n" * 40_000,
    "headings": "a\n" * 50_000 + "===",
}


@pytest.mark.parametrize("text", MARKS.values(), ids=MARKS)
def test_text_with_too_much_markdown_is_refused_and_still_renders_quickly(text: str) -> None:
    with pytest.raises(ValidationError, match=r"Leave at most 2,000|Shorten it to 5,000"):
        need_few_marks(text)

    started = time.process_time()
    shown = render_markdown(text)
    plain_text(text)
    links_in(text)
    unparsed_links(text)

    assert time.process_time() - started < 1
    assert shown.startswith("<p>")


@pytest.mark.parametrize(
    "text",
    [
        "[a](https://example.org/(b))",
        "`[a](b c)`",
        "as he said [sic] (2020)",
        "![a](https://b.c/d)",
    ],
)
def test_valid_links_and_plain_brackets_are_not_reported_as_broken_links(text: str) -> None:
    assert unparsed_links(text) == []


def test_a_long_text_with_many_links_and_lines_is_accepted() -> None:
    need_few_marks("- [a source](https://example.org/a)\n" * 2_000)
    need_few_marks("line\n" * 4_999)
