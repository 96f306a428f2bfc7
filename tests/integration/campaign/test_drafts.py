"""Previews of drafts in the admin, and secret links to drafts for colleagues without an account."""

import html
import logging
import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaign import draft_links, previews, publishing
from campaign.models import DraftLink, Statement
from petitions.mail import messages
from petitions.models import AuditRecord, Mail, Petition, Signature
from tests.people import typed

LANGUAGES = [code for code, _name in django_settings.LANGUAGES]
MAILS_PAGE = "/admin/campaign/statement/mails/"
Action = AuditRecord.Action


@pytest.fixture
def statement(petition: Petition) -> Statement:
    """A draft in two languages, which leads to a draft in three."""
    Petition.objects.update(state=Petition.State.DRAFT, opens_at=None)
    petition.texts.update(published_at=None)
    statement = Statement.objects.create(slug="words", petition=petition)
    for language, title in (("en", "Our words"), ("ar", "كلماتنا")):
        statement.texts.create(language=language, title=title, body="Body of it")
    return statement


@pytest.fixture
def omar(organiser: User, client: Client) -> Client:
    client.force_login(organiser)
    return client


@pytest.fixture
def link(statement: Statement, organiser: User) -> DraftLink:
    return draft_links.make(of=statement, days=7, actor=organiser, screen="-")


def path_of(link: DraftLink, language: str = "en") -> str:
    path = draft_links.address(link).removeprefix(django_settings.SITE_URL)
    return path.replace("/t/en/", f"/t/{language}/")


def page(answer: Any) -> str:
    return html.unescape(answer.content.decode())


def rows() -> dict[str, int]:
    return {model._meta.label: model._default_manager.count() for model in apps.get_models()}


# --- Secret links ------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["", "petition/"])
def test_a_draft_page_has_no_link_to_the_history(link: DraftLink, browser: Client, of: str) -> None:
    shown = page(browser.get(f"{path_of(link)}{of}"))
    assert "<h1>" in shown
    assert "/history/" not in shown


@pytest.mark.parametrize(
    ("language", "direction", "mark", "title"),
    [
        ("en", "ltr", "DRAFT", "Our words"),
        ("ar", "rtl", "مسودة", "كلماتنا"),
        ("cy", "ltr", "DRAFFT", "Our words"),
    ],
)
def test_a_draft_link_shows_statement_and_petition_marked_as_drafts(
    link: DraftLink, browser: Client, language: str, direction: str, mark: str, title: str
) -> None:
    shown = page(browser.get(path_of(link, language)))
    assert f"<strong>{mark}:</strong>" in shown
    assert f'dir="{direction}"' in shown.splitlines()[1]
    assert title in shown
    assert f'href="{path_of(link, language)}petition/#sign"' in shown
    asked = page(browser.get(f"{path_of(link, language)}petition/"))
    assert f"<strong>{mark}:</strong>" in asked
    assert 'name="email"' in asked
    assert path_of(link, language) in asked


def test_a_draft_link_publishes_nothing_at_public_urls(link: DraftLink, browser: Client) -> None:
    browser.get(path_of(link))
    for path in ("/statements/words/", "/petitions/protect/", "/share/protect.png"):
        assert browser.get(path).status_code == HTTPStatus.NOT_FOUND
    for path in ("/", "/petitions/", "/sitemap.xml", "/feed.atom"):
        assert "words" not in page(browser.get(path)).lower()


def test_the_form_of_a_draft_link_stores_nothing_and_says_so(
    link: DraftLink, browser: Client
) -> None:
    before = rows()
    answer = browser.post(f"{path_of(link)}petition/", typed())
    assert answer.status_code == HTTPStatus.OK
    assert "Nothing was stored, and nobody gets an email" in page(answer)
    assert typed()["email"] not in page(answer)
    assert rows() == before


def test_draft_link_pages_are_uncached_unindexed_and_send_no_referrer(
    link: DraftLink, browser: Client
) -> None:
    for path in (path_of(link), f"{path_of(link)}petition/"):
        answer = browser.get(path)
        assert answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer["X-Robots-Tag"]
        assert not re.search(r"og:|canonical|ld\+json|oembed", page(answer))


def test_a_draft_link_expires_and_can_be_revoked(
    statement: Statement, link: DraftLink, organiser: User, browser: Client
) -> None:
    other = draft_links.make(of=statement, days=1, actor=organiser, screen="-")
    said: dict[str, Any] = {
        "of": statement,
        "link_id": str(link.pk),
        "actor": organiser,
        "screen": "-",
    }
    assert draft_links.end(**said)
    assert not draft_links.end(**said)
    gone = browser.get(path_of(link))
    assert gone.status_code == HTTPStatus.NOT_FOUND
    assert "expired or was ended" in page(gone)
    assert browser.get(path_of(other)).status_code == HTTPStatus.OK
    DraftLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert browser.get(path_of(other)).status_code == HTTPStatus.NOT_FOUND


def test_a_draft_link_can_be_revoked_after_its_statement_is_published(
    statement: Statement, link: DraftLink, omar: Client
) -> None:
    publishing.publish(statement=statement, actor=None, screen="-")
    browser = Client()
    assert browser.get(f"{path_of(link)}petition/").status_code == HTTPStatus.OK

    path = reverse("admin:campaign_statement_preview", args=[statement.pk])
    shown = page(omar.get(path))
    assert draft_links.address(link) in shown
    assert "Make a link" not in shown
    omar.post(path, {"days": 3})
    assert DraftLink.objects.get() == link

    omar.post(path, {"end": str(link.pk)})
    assert browser.get(f"{path_of(link)}petition/").status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("days", [0, 15, -1])
def test_a_draft_link_is_valid_for_1_to_14_days(
    statement: Statement, organiser: User, omar: Client, days: int
) -> None:
    with pytest.raises(ValueError, match="1 to 14 days"):
        draft_links.make(of=statement, days=days, actor=organiser, screen="-")
    path = reverse("admin:campaign_statement_preview", args=[statement.pk])
    assert "Ensure this value is" in page(omar.post(path, {"days": days}))
    assert not DraftLink.objects.exists()


def test_a_modified_draft_token_returns_404(link: DraftLink, browser: Client) -> None:
    token = path_of(link).split("/")[4]
    other = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    for path in (f"/t/en/draft/{other}/", "/t/en/draft/x/", f"/t/en/confirm/{token}/"):
        assert browser.get(path).status_code == HTTPStatus.NOT_FOUND
    assert str(link.pk) not in path_of(link)


def test_draft_tokens_are_in_neither_logs_nor_audit_records(
    link: DraftLink, browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    token = path_of(link).split("/")[4]
    with caplog.at_level(logging.DEBUG):
        browser.get(path_of(link))
        browser.get(f"/t/en/draft/{token}x/")
    assert token not in caplog.text
    assert token not in str(list(AuditRecord.objects.values()))
    assert str(link.pk) not in str(list(AuditRecord.objects.values()))


def test_creating_and_revoking_a_draft_link_are_audited(
    omar: Client, organiser: User, statement: Statement
) -> None:
    path = reverse("admin:campaign_statement_preview", args=[statement.pk])
    shown = page(omar.post(path, {"days": 3}, follow=True))
    link = DraftLink.objects.get()
    assert draft_links.address(link) in shown
    omar.post(path, {"end": str(link.pk)})
    made, ended = AuditRecord.objects.order_by("id")
    assert (made.action, made.actor, made.why) == (
        Action.DRAFT_LINK_MADE,
        organiser,
        "for 3 days",
    )
    assert (ended.action, ended.object_id) == (Action.DRAFT_LINK_ENDED, str(statement.pk))
    assert "had already ended" in page(omar.post(path, {"end": str(link.pk)}, follow=True))


def test_draft_links_are_rate_limited_by_network(
    link: DraftLink, browser: Client, settings: Any
) -> None:
    rate = settings.LIMITS["FORM_NETWORK"]
    settings.LIMITS = {**settings.LIMITS, "FORM_NETWORK": type(rate)(2)}
    answers = [browser.get(path_of(link)).status_code for _ in range(3)]
    assert answers == [HTTPStatus.OK, HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS]


def test_a_draft_link_redirects_to_the_public_page_once_published(
    statement: Statement, link: DraftLink, browser: Client
) -> None:
    publishing.publish_together(statement=statement, actor=None, screen="-", override="Now.")
    assert browser.get(path_of(link, "ar"))["Location"] == "/ar/statements/words/"
    assert browser.get(f"{path_of(link)}petition/")["Location"] == "/petitions/protect/"


def test_a_petition_without_a_statement_can_have_a_draft_link(
    statement: Statement, organiser: User, browser: Client
) -> None:
    petition = Petition.objects.get()
    Statement.objects.all().delete()
    link = draft_links.make(of=petition, days=1, actor=organiser, screen="-")
    assert "Protect people now." in page(browser.get(path_of(link)))


def test_moderators_cannot_create_draft_links(
    moderator: User, client: Client, statement: Statement
) -> None:
    client.force_login(moderator)
    path = reverse("admin:campaign_petition_preview", args=[Petition.objects.get().pk])
    assert client.get(path).status_code == HTTPStatus.OK
    assert client.post(path, {"days": 3}).status_code == HTTPStatus.FORBIDDEN
    assert not DraftLink.objects.exists()


# --- Previews in the admin -----------------------------------------------------------------------


def frames(omar: Client, path: str) -> dict[str, str]:
    """Each frame of a page by its address, each twice: on a telephone and on a computer."""
    answer = omar.get(path)
    assert answer.status_code == HTTPStatus.OK
    assert "frame-src 'self'" in answer["Content-Security-Policy"]
    found = re.findall(r'<iframe src="([^"]+)"', answer.content.decode())
    assert found[::2] == found[1::2]
    shown = {}
    for address in found[::2]:
        framed = omar.get(address)
        policy = framed["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "sandbox" in policy
        assert "allow-scripts" not in policy
        assert "frame-ancestors 'self'" in policy
        assert framed["X-Frame-Options"] == "SAMEORIGIN"
        assert framed["Cache-Control"].find("no-store") >= 0
        shown[address] = page(framed)
    return shown


def test_the_preview_shows_a_statement_in_every_language_and_links_its_petition(
    omar: Client, statement: Statement
) -> None:
    path = reverse("admin:campaign_statement_preview", args=[statement.pk])
    shown = frames(omar, path)
    assert len(shown) == len(LANGUAGES)
    english, arabic, welsh = shown.values()
    assert "Our words" in english
    assert 'href="/petitions/protect/#sign"' in english
    assert 'dir="rtl"' in arabic.splitlines()[1]
    assert "كلماتنا" in arabic
    assert "Our words" in welsh
    assert "<h2>Arabic – draft</h2>" in page(omar.get(path))
    assert "<h2>Welsh – no text: its readers see another language</h2>" in page(omar.get(path))


def test_the_preview_shows_a_petition_with_its_form(omar: Client, statement: Statement) -> None:
    shown = frames(
        omar, reverse("admin:campaign_petition_preview", args=[Petition.objects.get().pk])
    )
    for language, one in zip(LANGUAGES, shown.values(), strict=True):
        assert f'<html lang="{language}"' in one
        assert 'name="email"' in one


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_mail_preview_shows_every_mail_with_its_plain_text(
    omar: Client, organisation: Any, language: str
) -> None:
    shown = frames(omar, f"{MAILS_PAGE}{language}/")
    assert len(shown) == len(previews.MAILS)
    for one in shown.values():
        assert f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}"' in one
    assert page(omar.get(MAILS_PAGE)).count("As plain text") == len(shown)


def test_every_kind_of_mail_has_a_preview() -> None:
    # The same words as `FIND`; and news, whose words are in its own preview.
    left_out = {Mail.Kind.FIND_OTHER, Mail.Kind.NEWS}
    assert set(previews.MAILS) | left_out == set(messages.TEXTS)


def test_previews_store_and_cache_nothing(omar: Client, statement: Statement) -> None:
    messages.invalidate()
    before = rows()
    for path in (
        reverse("admin:campaign_statement_preview", args=[statement.pk]),
        reverse("admin:campaign_petition_preview", args=[Petition.objects.get().pk]),
        MAILS_PAGE,
    ):
        frames(omar, path)
    assert rows() == before
    assert not Signature.objects.exists()
    assert messages._template.cache_info().currsize == 0


def test_unknown_previews_are_404_and_anonymous_users_are_redirected(
    omar: Client, statement: Statement
) -> None:
    for path in (
        reverse("admin:campaign_statement_frame", args=[statement.pk, "fr"]),
        reverse("admin:campaign_statement_preview", args=[0]),
        reverse("admin:campaign_mail_frame", args=["en", "news"]),
        reverse("admin:campaign_mail_frame", args=["fr", "confirm"]),
    ):
        assert omar.get(path).status_code == HTTPStatus.NOT_FOUND
    for path in (
        reverse("admin:campaign_statement_frame", args=[statement.pk, "en"]),
        MAILS_PAGE,
    ):
        assert Client().get(path).status_code == HTTPStatus.FOUND
