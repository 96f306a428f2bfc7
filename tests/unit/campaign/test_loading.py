"""Text files become statements, or one clear line says why not."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from campaign import loading
from campaign.loading import read
from petitions.formatting.sanitising import render_markdown
from petitions.staff.refusal import Refused


def written(folder: Path, content: str | bytes, name: str = "statement.txt") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_first_line_is_the_title_and_the_rest_the_text(tmp_path: Path) -> None:
    text = read(written(tmp_path, "Protect them\n\nFirst.\n\nSecond.\n"))

    assert (text.title, text.body) == ("Protect them", "First.\n\nSecond.\n")


def test_leftovers_of_page_builders_are_dropped(tmp_path: Path) -> None:
    content = "Top of page\nProtect them\n\n\n \n\nFirst.\n\t\n\n\nbottom of page\n"

    assert read(written(tmp_path, content)).body == "First.\n"


def test_the_words_top_of_page_within_a_sentence_stay(tmp_path: Path) -> None:
    content = "Protect them\n\nSee the top of page 3.\n"

    assert "top of page 3" in read(written(tmp_path, content)).body


def test_front_matter_sets_the_title_language_and_date(tmp_path: Path) -> None:
    content = "---\ntitle: Protect them\nlanguage: cy\ndated: 2020-02-29\n---\nFirst.\n"
    text = read(written(tmp_path, content, "statement.md"))

    assert (text.title, text.text("language"), text.text("dated")) == (
        "Protect them", "cy", "2020-02-29",
    )  # fmt: skip
    assert text.text("petition") == ""


def test_a_markdown_title_loses_its_hashes_and_the_body_keeps_its_markup(tmp_path: Path) -> None:
    text = read(written(tmp_path, "# Protect them\n\n**First.**\n", "statement.MD"))

    assert (text.title, text.body) == ("Protect them", "**First.**\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_files_with_any_line_ending_or_byte_order_mark_read_the_same(
    tmp_path: Path, encoding: str, ending: str
) -> None:
    content = "إدلب\n\nAmddiffyn pobl – nawr.\n".replace("\n", ending).encode(encoding)
    text = read(written(tmp_path, content))

    assert (text.title, text.body) == ("إدلب", "Amddiffyn pobl – nawr.\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no text in it"),
        (b" \n\n ", "no text in it"),
        (b"Only a title\n", "no text in it"),
        (b"---\ntitle: Only a title\n---\n", "no text in it"),
        (b"top of page\nOnly a title\nbottom of page", "no text in it"),
        (b"PK\x03\x04\0\0", "not a text file"),
        ("Title\n\nBody".encode("utf-16"), "not a text file"),
        ("Title\n\nCaf\u00e9".encode("latin-1"), "not in UTF-8"),
        (b"---\ntitle: [\n---\nBody", "not valid YAML"),
        (b"---\ntitle: T\ndated: 2020-02-31\n---\nBody", "not valid YAML"),
        (b"---\ntitle: T\ntimes: 2020-02-28 25:61:00\n---\nBody", "not valid YAML"),
        (b"---\ntitle: !!python/object:os.system x\n---\nBody", "not valid YAML"),
        (b"---\n? [a]\n: b\n---\nBody", "not valid YAML"),
    ],
)
def test_an_empty_or_invalid_file_is_refused_with_a_one_line_error(
    tmp_path: Path, content: bytes, said: str
) -> None:
    with pytest.raises(Refused, match=said) as refusal:
        read(written(tmp_path, content))

    assert "\n" not in str(refusal.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        read(tmp_path / "absent.txt")
    with pytest.raises(Refused, match="cannot be read"):
        read(tmp_path)


@pytest.mark.parametrize("front", ["- a\n- b", "just words", "42", ""])
def test_front_matter_without_key_value_pairs_causes_no_error(tmp_path: Path, front: str) -> None:
    text = read(written(tmp_path, f"---\n{front}\n---\nTitle\n\nBody\n"))

    assert text.body.endswith("Body\n")


def shown(plain: str) -> str:
    return render_markdown(loading._escaped(plain))


@pytest.mark.parametrize(
    ("plain", "html"),
    [
        ("Ma`rat and Ma`arat", "<p>Ma`rat and Ma`arat</p>"),
        ("*asked* for help_now_", "<p>*asked* for help_now_</p>"),
        ("[a](https://x.example)", "<p>[a](https://x.example)</p>"),
        ("<b>no markup</b>", "<p>&lt;b&gt;no markup&lt;/b&gt;</p>"),
        ("# no heading", "<p># no heading</p>"),
        ("> no quotation", "<p>&gt; no quotation</p>"),
        ("Text\n====", "<p>Text\n====</p>"),
        ("Text\n----", "<p>Text\n----</p>"),
        ("~~~\nno code", "<p>~~~\nno code</p>"),
        ("    An indented paragraph.", "<p>An indented paragraph.</p>"),
        ("\tAn indented paragraph.", "<p>An indented paragraph.</p>"),
        ("AT&amp;T &copy;", "<p>AT&amp;amp;T &amp;copy;</p>"),
        ("C:\\new", "<p>C:\\new</p>"),
        ("| a |\n|---|\n| b |", "<p>| a |\n|---|\n| b |</p>"),
    ],
)
def test_plain_text_is_shown_as_it_was_typed(plain: str, html: str) -> None:
    assert shown(plain).strip() == html


@pytest.mark.parametrize(
    ("plain", "html"),
    [
        ("- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>"),
        ("1. one\n2. two", "<ol>\n<li>one</li>\n<li>two</li>\n</ol>"),
    ],
)
def test_lists_in_plain_text_become_lists(plain: str, html: str) -> None:
    assert shown(plain).strip() == html


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80))
@example(b"---\n---\n---\n")
@example(b"---\na: &a [*a]\n---\nT\n\nB")
def test_any_file_is_read_or_refused_with_a_one_line_error(tmp_path: Path, content: bytes) -> None:
    said = read_or_refuse(written(tmp_path, content))

    assert said.strip()
    assert "\n" not in said


def read_or_refuse(path: Path) -> str:
    try:
        text = read(path)
    except Refused as refusal:
        return str(refusal)
    return text.body and text.title


@pytest.mark.parametrize(
    ("slug", "language", "title", "said"),
    [
        ("", "en", "إدلب", "--slug"),
        ("Not A Slug", "en", "T", "cannot be an address"),
        ("../etc", "en", "T", "cannot be an address"),
        ("t", "fr", "T", "not a language"),
        ("t", "en", "T" * 1000, "longer than"),
    ],
)
def test_an_invalid_slug_language_or_title_is_refused(
    slug: str, language: str, title: str, said: str
) -> None:
    with pytest.raises(Refused, match=said):
        loading._check(loading.TextFile(title, "b", loading.Format.PLAIN), slug, language)


@pytest.mark.parametrize(("said", "day"), [("2020-02", "2020-02-01"), ("2020-02-29", "2020-02-29")])
def test_a_text_is_dated_by_its_month_or_day(said: str, day: str) -> None:
    assert str(loading._month(said)) == day


@pytest.mark.parametrize("said", ["February 2020", "2020-13", "2021-02-29", "20-02", "2020"])
def test_an_invalid_date_is_refused(said: str) -> None:
    with pytest.raises(Refused, match="should look like"):
        loading._month(said)


def test_a_text_without_a_date_has_none() -> None:
    assert loading._month("") is None
