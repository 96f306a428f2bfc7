"""Loading statements: an organiser's own file, and the campaign that ships."""

from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from campaign import publishing
from campaign.models import Statement, StatementText
from petitions.models import Petition, PetitionText

DOCUMENT = """top of page

Help is needed in Testford

First paragraph with Ma`rat and M5 and <b>no markup</b>.



Second paragraph: 2500 people *asked* for help_now.


bottom of page"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "statement.txt"
    path.write_text(DOCUMENT, encoding="utf-8")
    return path


def load(path: Path, **options: object) -> str:
    out = StringIO()
    call_command("load_statement", path, stdout=out, **options)
    return out.getvalue()


def test_a_plain_text_document_is_loaded_published_and_escaped(
    document: Path, db: None, client: Client
) -> None:
    said = load(document, publish=True)

    assert said.startswith("Created and published “Help is needed in Testford” (en) at http")
    page = client.get("/").content.decode()
    assert page.count("<h1") == 1
    assert "Help is needed in Testford" in page
    assert "<p>First paragraph with Ma`rat and M5 and &lt;b&gt;no markup&lt;/b&gt;.</p>" in page
    assert "<p>Second paragraph: 2500 people *asked* for help_now.</p>" in page
    assert "top of page" not in page
    assert "bottom of page" not in page


def test_loading_again_changes_nothing(document: Path, db: None) -> None:
    load(document, publish=True)
    before = list(StatementText.objects.values())

    assert load(document).startswith("Unchanged:")
    assert list(StatementText.objects.values()) == before


@pytest.mark.parametrize(
    ("body", "said"),
    [(DOCUMENT, "Published “Help"), (DOCUMENT + "\n\nMore.", "Updated and published “")],
)
def test_the_load_command_reports_that_it_published_a_draft(
    document: Path, db: None, body: str, said: str
) -> None:
    load(document)
    document.write_text(body, encoding="utf-8")

    assert load(document, publish=True).startswith(said)

    assert StatementText.objects.get().published_at
    assert load(document, publish=True).startswith("Unchanged:")


def test_loading_html_reports_what_was_dropped(tmp_path: Path, db: None, client: Client) -> None:
    path = tmp_path / "statement.html"
    path.write_text("<h1>Help is needed</h1><p>First <b>aid</b>.<img src=a><img src=b>")

    said = load(path, publish=True)

    assert said.startswith("Created and published “Help is needed”")
    assert "/statements/help-is-needed/, public.\n" in said
    assert "Read as an HTML page.\nDropped, so look at the result: 2 × picture.\n" in said
    assert "<p>First <strong>aid</strong>.</p>" in client.get("/").content.decode()


def test_a_changed_document_updates_the_text_and_keeps_it_published(
    document: Path, db: None
) -> None:
    load(document, publish=True)
    document.write_text(DOCUMENT.replace("2500", "2600"), encoding="utf-8")

    assert load(document).startswith("Updated")
    text = StatementText.objects.get()
    assert "2600" in text.body
    assert text.published_at


def test_publishing_one_language_leaves_the_drafts_of_others_alone(
    document: Path, db: None
) -> None:
    load(document, language="cy", slug="help")
    load(document, language="en", slug="help", publish=True)
    assert StatementText.objects.get(published_at__isnull=False).language == "en"


def test_a_loaded_statement_links_to_the_only_petition_and_shows_its_month(
    document: Path, petition: Petition, client: Client
) -> None:
    said = load(document, publish=True, dated="2020-02")
    assert "It leads to the petition at http" in said
    assert said.endswith("/petitions/protect/.\n")
    page = client.get("/").content.decode()
    assert "/petitions/protect/" in page
    assert "February 2020" in page


def test_without_publish_a_text_is_a_draft_that_nobody_sees(
    document: Path, db: None, client: Client
) -> None:
    assert "a draft" in load(document)
    assert client.get("/statements/help-is-needed-in-testford/").status_code == 404


def test_a_loaded_statement_takes_the_front_page_from_another(
    document: Path, db: None, client: Client
) -> None:
    load(document, publish=True)
    other = document.with_name("other.txt")
    other.write_text("Another title\n\nOther words.")

    said = load(other, publish=True, front_page=True)

    assert said.endswith("The front page shows “Another title”.\n")
    assert "Other words." in client.get("/").content.decode()
    assert Statement.objects.get(is_featured=True).slug == "another-title"


def test_markdown_keeps_its_markup_and_front_matter(tmp_path: Path, db: None) -> None:
    path = tmp_path / "s.md"
    path.write_text(
        "---\nlanguage: cy\ndated: 2020-02\n---\n# Teitl y datganiad\n\nMae **hyn** yn bwysig.\n"
    )

    load(path, slug="datganiad")

    text = StatementText.objects.get()
    assert (text.title, text.language, text.body) == (
        "Teitl y datganiad",
        "cy",
        "Mae **hyn** yn bwysig.",
    )
    assert str(text.dated) == "2020-02-01"


MARKED = "#Testford needs help\n\n# What we ask\n\n* **Aid** for [all](https://example.org/)\n"


@pytest.mark.parametrize(("name", "format_"), [("s.txt", None), ("s.md", "plain")])
def test_plain_text_is_shown_literally_and_reported_as_plain_text(
    tmp_path: Path, db: None, client: Client, name: str, format_: str | None
) -> None:
    (tmp_path / name).write_text(MARKED)
    said = load(tmp_path / name, publish=True, format=format_)

    assert "Read as plain text" in said
    assert "--format markdown" in said
    page = client.get("/").content.decode()
    assert "#Testford needs help</h1>" in page
    assert "<p># What we ask</p>" in page
    assert "<p>* **Aid** for [all](https://example.org/)</p>" in page


@pytest.mark.parametrize(("name", "format_"), [("s.MD", None), ("s.txt", "markdown")])
def test_markdown_is_recognised_by_file_name_or_format_option(
    tmp_path: Path, db: None, client: Client, name: str, format_: str | None
) -> None:
    (tmp_path / name).write_text(MARKED)
    said = load(tmp_path / name, publish=True, format=format_)

    assert "Read as Markdown" in said
    page = client.get("/").content.decode()
    assert "<strong>Aid</strong> for" in page
    assert "* **" not in page


def test_loading_again_as_markdown_replaces_plain_text(tmp_path: Path, db: None) -> None:
    path = tmp_path / "s.txt"
    path.write_text(MARKED)
    load(path, publish=True)
    assert load(path, format="markdown").startswith("Updated")
    assert "* **Aid**" in StatementText.objects.get().body


def test_windows_line_ends_and_a_byte_order_mark_are_understood(tmp_path: Path, db: None) -> None:
    path = tmp_path / "s.txt"
    path.write_bytes("\ufeffA title\r\n\r\nA body.\r\n".encode())
    load(path)
    assert StatementText.objects.get().title == "A title"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such file"),
        (b"", "there is no text in it"),
        (b"  \n\n", "there is no text in it"),
        (b"Only a title\n", "there is no text in it"),
        (b"%PDF-1.4\x00\x01binary", "not a text file"),
        ("Überschrift\n\nText".encode("latin-1"), "not in UTF-8"),
        (b"---\n: [\n---\nTitle\n\nText\n", "front matter"),
        (b"---\nlanguage: xx\n---\nTitle\n\nText\n", "not a language of this site"),
        (b"---\ndated: soon\n---\nTitle\n\nText\n", "dated"),
        ("عنوان\n\nنص\n".encode(), "Give one with --slug"),
        (b"x" * 300 + b"\n\nText\n", "longer than"),
    ],
)
def test_an_unusable_file_is_refused_with_one_line_and_changes_nothing(
    tmp_path: Path, db: None, content: bytes | None, words: str
) -> None:
    path = tmp_path / "s.txt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CommandError, match=words) as refused:
        load(path, publish=True)

    assert "\n" not in str(refused.value)
    assert not Statement.objects.exists()


def test_an_unknown_petition_is_named_in_the_error(document: Path, db: None) -> None:
    with pytest.raises(CommandError, match="no petition 'nonesuch'"):
        load(document, petition="nonesuch")
    assert not Statement.objects.exists()


def test_the_command_links_no_petition_if_several_exist_and_none_is_named(
    document: Path, petition: Petition
) -> None:
    Petition.objects.create(slug="another")
    assert "It leads to no petition; name one with --petition." in load(document)


def test_a_loaded_statement_links_to_the_named_petition(
    document: Path, petition: Petition, client: Client
) -> None:
    load(document, petition="protect", publish=True)
    page = client.get("/").content.decode()
    assert 'href="/petitions/protect/' in page


def test_the_shipped_campaign_is_a_draft_until_published(db: None, client: Client) -> None:
    out = StringIO()
    call_command("load_campaign", stdout=out)
    assert out.getvalue() == "Added 6 texts as drafts.\n"
    assert client.get("/petitions/protect-civilians-in-idlib/").status_code == 404
    assert not StatementText.objects.filter(published_at__isnull=False).exists()


@pytest.mark.parametrize("prefix", ["", "/ar", "/cy"])
def test_the_shipped_campaign_says_in_every_language_that_it_dates_from_2020(
    places: None, client: Client, prefix: str
) -> None:
    said = StringIO()
    call_command("load_campaign", publish=True, stdout=said)
    assert said.getvalue() == "Added 6 texts and published them.\n"
    for path in (
        "/",
        "/statements/protect-civilians-in-idlib/",
        "/petitions/protect-civilians-in-idlib/",
    ):
        page = client.get(prefix + path)
        assert page.status_code == 200
        assert "2020" in page.content.decode()


def test_loading_the_campaign_again_leaves_edits_alone(db: None) -> None:
    call_command("load_campaign", publish=True, stdout=StringIO())
    PetitionText.objects.filter(language="en").update(title="Edited")
    StatementText.objects.filter(language="en").update(title="Edited")
    out = StringIO()

    call_command("load_campaign", publish=True, stdout=out)

    assert out.getvalue() == "Nothing to add.\n"
    assert PetitionText.objects.get(language="en").title == "Edited"
    assert StatementText.objects.get(language="en").title == "Edited"


@pytest.mark.parametrize("is_public", [False, True])
def test_a_text_by_staff_is_replaced_only_with_an_explicit_slug(
    document: Path, organiser: User, is_public: bool
) -> None:
    load(document, publish=is_public)
    text = StatementText.objects.get(language="en")
    text.body = "Written in the admin."
    publishing.save_texts(statement=text.statement, texts=[text], actor=organiser, screen="a form")

    with pytest.raises(CommandError, match=r"Give --slug help-is-needed-in-testford"):
        load(document)
    text.refresh_from_db()
    assert text.body == "Written in the admin."

    assert "Updated" in load(document, slug="help-is-needed-in-testford")
    assert "unchanged" in load(document).lower()


def test_changing_the_linked_petition_is_reported_as_an_update(
    document: Path, petition: Petition
) -> None:
    load(document)
    Petition.objects.create(slug="another")
    assert "Updated" in load(document, petition="another")
