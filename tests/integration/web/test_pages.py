"""The pages about the site itself: what they say is what the code does, in every language."""

import re
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import translation

from petitions.mail import enquiries, suppression
from petitions.models import Organisation, Petition
from petitions.privacy import retention
from petitions.publishing import organisation as organisation_cache
from petitions.web import long_pages

LANGUAGES = [code for code, _name in settings.LANGUAGES]
EVERY_PAGE = pytest.mark.parametrize(
    ("name", "language"), [(name, code) for name in long_pages.NAMES for code in LANGUAGES]
)
EVERY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)
# Numbers that the code does not decide: of articles, guidelines, screens, other sites, years,
# of the signatures in an example, and of the items of a list.
OF_NOBODY = {"6", "9", "1", "2", "2.2", "320", "10,000", "3.0", "2026"}


def source(name: str, language: str) -> str:
    return long_pages.written(name, language)


def path(name: str, language: str) -> str:
    with translation.override(language):
        return reverse(f"petitions:{name}")


def words(html: str) -> str:
    """What an article says, without its mark-up."""
    article = re.search(r"<article.*</article>", html, re.DOTALL)
    assert article
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", article[0])).split())


@EVERY_PAGE
def test_every_page_has_a_title_of_its_own_in_every_language(
    organisation: Organisation, client: Client, name: str, language: str
) -> None:
    response = client.get(path(name, language))

    html = response.content.decode()
    assert response.status_code == 200
    assert f'<html lang="{language}"' in html
    title, summary, _body = source(name, language).split("\n\n", 2)
    assert f"<title>{title.removeprefix('# ')} · SBC</title>" in html
    assert html.count("<h1>") == 1
    assert f'<meta name="description" content="{summary}">' in html
    assert "Set-Cookie" not in response
    assert "public" in response["Cache-Control"]
    assert "{{" not in html
    assert "{%" not in html


def test_no_two_pages_have_the_same_title() -> None:
    titles = [source(name, code).split("\n")[0] for name in long_pages.NAMES for code in LANGUAGES]
    assert len(set(titles)) == len(titles) == 15


@pytest.mark.parametrize("name", long_pages.NAMES)
def test_the_long_pages_have_the_same_structure_in_every_language(name: str) -> None:
    """Headings, list items, rows of tables, facts and links: nothing is left out of any."""

    def shape(language: str) -> list[str]:
        text = source(name, language)
        return [re.sub(r"(#+|-|\d\.|\|)?.*", r"\1", line) for line in text.split("\n")]

    def used(language: str) -> list[str]:
        return sorted(re.findall(r"\{[{%].*?[%}]\}", source(name, language)))

    for language in ("ar", "cy"):
        assert shape(language) == shape("en")
        assert used(language) == used("en")


@pytest.mark.parametrize(("language", "wrong"), [("ar", "“”‘’'?;"), ("cy", "«»'")])
def test_the_long_pages_use_the_punctuation_of_their_language(language: str, wrong: str) -> None:
    for name in long_pages.NAMES:
        text = re.sub(r"\{[{%].*?[%}]\}", "", source(name, language))
        assert not set(text) & set(wrong), name


@EVERY_PAGE
def test_every_template_variable_of_a_long_page_is_defined(
    db: None, name: str, language: str
) -> None:
    """A template says nothing of a variable that is not there: it prints nothing."""
    known = set(long_pages.facts()) | {"without_name", "not_me"}
    known |= {"reviewed"} if long_pages.reviewed(name, language) else set()
    assert set(re.findall(r"\{\{ (\w+) \}\}", source(name, language))) <= known
    assert set(re.findall(r"\{% if (\w+) %\}", source(name, language))) <= known


@EVERY_PAGE
def test_the_long_pages_contain_no_hard_coded_numbers_from_settings(
    name: str, language: str
) -> None:
    text = re.sub(r"(?m)^\d\. |\{%.*?%\}", "", source(name, language))
    assert set(re.findall(r"\d[\d.,]*\d|\d", text)) <= OF_NOBODY


def test_numbers_on_the_long_pages_follow_the_settings(
    organisation: Organisation, client: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    english = words(client.get("/privacy/").content.decode())
    for said in ("14 days", "183 days", "30 days", "72 hours", "2 hours"):
        assert said in english
    assert "at most 5 messages of one kind a day" in words(client.get("/help/").content.decode())

    settings.PENDING_DAYS, settings.MAILS_PER_MAILBOX_AND_DAY = 15, 7
    monkeypatch.setattr(retention, "KEPT_AFTER_CLOSE", timedelta(days=184))
    monkeypatch.setattr(retention, "KEPT_OF_ORIGIN", timedelta(days=31))
    monkeypatch.setattr(retention, "KEPT_OF_NEWS", timedelta(days=33))
    monkeypatch.setattr(retention, "EXACT_FOR", timedelta(hours=73))
    monkeypatch.setattr(retention, "KEPT_AFTER_ANSWER", timedelta(days=99))
    monkeypatch.setattr(suppression, "ENDS_AFTER", timedelta(days=32))
    monkeypatch.setattr(enquiries, "ANSWER_WITHIN", timedelta(days=29))

    english = words(client.get("/privacy/").content.decode())
    kept = ("15 days", "184 days", "31 days", "33 days", "73 hours", "99 days", "32 days")
    for said in (*kept, "29 days"):
        assert said in english
    assert not re.search(r"\b(14|183|30) days|72 hours", english)
    assert "at most 7 messages of one kind a day" in words(client.get("/help/").content.decode())
    assert "15 يومًا" in words(client.get("/ar/privacy/").content.decode())
    assert "15 diwrnod" in words(client.get("/cy/privacy/").content.decode())


@EVERY_LANGUAGE
def test_the_long_pages_have_no_empty_contact_details_without_an_organisation(
    db: None, client: Client, language: str
) -> None:
    Organisation.objects.all().delete()
    organisation_cache.invalidate()
    for name in long_pages.NAMES:
        html = client.get(path(name, language)).content.decode()
        assert "mailto:" not in html
        assert "****" not in html
        assert "<>" not in unescape(html)
    assert path("contact", language) in client.get(path("privacy", language)).content.decode()


@EVERY_LANGUAGE
def test_the_privacy_notice_names_controller_and_contact(
    organisation: Organisation, client: Client, language: str
) -> None:
    Organisation.objects.update(name="Aid & *Care* [x](y) <b>", website="https://sbc.example")
    organisation_cache.invalidate()

    html = client.get(path("privacy", language)).content.decode()

    # Kept apart from the words around it, which may run the other way.
    assert "<strong>\u2068Aid &amp; *Care* [x](y) &lt;b&gt;\u2069</strong>" in html
    assert 'href="mailto:privacy@example.org"' in html
    assert 'href="https://sbc.example"' in html
    assert 'href="https://ico.org.uk/make-a-complaint/"' in html


@EVERY_LANGUAGE
def test_the_petition_page_and_the_long_pages_link_to_each_long_page(
    petition: Petition, client: Client, language: str
) -> None:
    """Links of the footer, of the pages themselves, of the form's safety note and its details."""
    home = "" if language == "en" else f"/{language}"
    form = client.get(f"{home}/petitions/protect/").content.decode()
    for name in (*long_pages.NAMES, "contact"):
        assert form.count(f'href="{path(name, language)}"') == 1 + (name in {"privacy", "safety"})
    for name in long_pages.NAMES:
        html = client.get(path(name, language)).content.decode()
        for link in set(re.findall(r'href="(/[^"]*)"', html)):
            if not link.startswith("/static/"):
                assert client.get(link).status_code == 200, link


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Last reviewed on 22 November 2026."),
        ("ar", "آخر مراجعة لهذه الصفحة: 22 تشرين الثاني/نوفمبر 2026."),
        ("cy", "Adolygwyd ddiwethaf: 22 Tachwedd 2026."),
    ],
)
def test_the_accessibility_page_shows_its_review_date(
    organisation: Organisation, client: Client, language: str, said: str
) -> None:
    assert long_pages.reviewed("accessibility", language) == date(2026, 11, 22)
    assert said in words(client.get(path("accessibility", language)).content.decode())


def test_every_language_of_the_accessibility_page_has_the_same_review_date() -> None:
    assert len({long_pages.reviewed("accessibility", code) for code in LANGUAGES}) == 1


def test_a_page_without_a_review_date_has_none() -> None:
    assert long_pages.reviewed("help", "en") is None
