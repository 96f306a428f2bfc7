"""An embargoed text is visible nowhere before its time, and everywhere after it."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from pytest_django import Settings

from campaign.models import Statement, StatementText
from petitions.models import Petition, PetitionText, Signature, Source
from petitions.publishing import opening
from tests.memories import invalidate_all
from tests.people import typed

# Midnight in London, in winter.
HOUR = datetime(2030, 12, 4, tzinfo=UTC)
SECRET = "Zephyr"
SAYS = "on 4 December 2030 at 00:00, London time"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Clock:
    """A clock for the whole process, which tests set."""

    at: datetime = HOUR - timedelta(seconds=1)

    def seconds(self) -> float:
        return self.at.timestamp()

    def strike(self) -> None:
        self.at = HOUR


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.at)
    for name in ("time", "monotonic"):
        monkeypatch.setattr(time, name, clock.seconds)
    return clock


def text_of(petition: Petition, language: str, title: str, **changes: Any) -> PetitionText:
    fields = {"addressee": SECRET, "ask": SECRET, "body": SECRET, "published_at": HOUR, **changes}
    return petition.texts.create(language=language, title=title, **fields)


@pytest.fixture
def embargoed(petition: Petition, clock: Clock) -> Petition:
    """A petition and a statement under an embargo, and a second version of an open petition."""
    before = HOUR - timedelta(days=30)
    PetitionText.objects.update(published_at=before)
    Source.objects.create(code="mosque", name="Mosque", origins=["https://mosque.example"])
    waiting = Petition.objects.create(
        slug="waiting", state=Petition.State.OPEN, publishes_names=True
    )
    for language in ("en", "ar", "cy"):
        text_of(waiting, language, f"{SECRET} petition")
        text_of(petition, language, f"{SECRET} again", version=2)
    for slug, published_at, words in (("old", before, "Old"), ("news", HOUR, SECRET)):
        # Both belong to the petition that is still under an embargo.
        statement = Statement.objects.create(slug=slug, petition=waiting)
        for language in ("en", "ar"):
            statement.texts.create(
                language=language, title=words, body=words, summary=words, published_at=published_at
            )
    Statement.objects.filter(slug="news").update(is_featured=True)
    return waiting


@pytest.fixture(autouse=True)
def _pictures_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def words(template: str, said: dict[str, str]) -> bytes:
        return json.dumps([template, said], ensure_ascii=False).encode()

    monkeypatch.setattr("petitions.sharing.typesetting.png", words)
    monkeypatch.setattr("petitions.sharing.typesetting.pdf", words)


def addresses() -> list[str]:
    """Return every URL of the public site, with every slug that exists for it."""
    found = []
    for route in _routes(get_resolver().url_patterns, ""):
        if "token" in route or route.startswith((django_settings.ADMIN_PATH, "mailbox/")):
            continue
        for slug in ("protect", "waiting", "old", "news"):
            path = route.replace("<slug:slug>", slug).replace("<slug:code>", "mosque")
            path = path.replace("<int:number>", "1")
            found += [f"/{path}", f"/ar/{path}"]
    for slug in ("protect", "waiting"):
        found.append(f"/oembed?url={django_settings.SITE_URL}/petitions/{slug}/")
    return sorted(set(found))


def _routes(patterns: list[Any], before: str) -> Iterator[str]:
    for pattern in patterns:
        # The pattern for languages yields the active one's prefix, which is empty for English.
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def read(path: str) -> tuple[int, str]:
    """Return status and content of a URL, from a process with empty caches."""
    invalidate_all()
    response = Client().get(path)
    return response.status_code, response.content.decode(errors="replace") + repr(response.headers)


def test_an_embargoed_text_is_on_no_public_url_before_its_time_and_on_all_after(
    embargoed: Petition, clock: Clock
) -> None:
    paths = addresses()
    assert len(paths) > 100
    for path in paths:
        status, words = read(path)
        assert SECRET not in words, path
        assert HOUR.strftime("%d %b %Y") not in words, f"{path} tells the hour"
        if "waiting" in path or "news" in path:
            assert status == HTTPStatus.NOT_FOUND, path
        else:
            assert "waiting" not in words, path
            assert "/news/" not in words, path

    clock.strike()

    telling = {path for path in paths if SECRET in read(path)[1]}
    for path in (
        "/", "/ar/", "/petitions/", "/petitions/waiting/", "/petitions/protect/", "/feed.atom",
        "/statements/news/", "/statements/old/", "/share/waiting.png", "/share/protect.png",
        "/share/waiting-poster.pdf", "/share/waiting-leaflets.pdf", "/share/waiting-badge.svg",
        "/share/partner/mosque/", "/share/partner/mosque/waiting/", "/petitions/waiting/progress/",
        "/petitions/waiting/names/", "/petitions/waiting/names/1/",
        "/api/v1/petitions/waiting.json", "/api/v1/petitions/protect.json",
    ):  # fmt: skip
        assert path in telling, path
    assert len([path for path in telling if path.startswith("/oembed")]) == 2
    for path in paths:
        if "waiting" in path and "/statements/" not in path and "/partner/" not in path:
            there = read(path)[0] == HTTPStatus.OK
            # Some URLs do not exist in Arabic.
            assert there or path.startswith("/ar/"), path
    sitemap = read("/sitemap.xml")[1]
    assert "/petitions/waiting/" in sitemap
    assert "/statements/news/" in sitemap, "its lasting address, though it stands on the front page"


def test_an_embargoed_petition_cannot_be_signed(embargoed: Petition, clock: Clock) -> None:
    browser = Client(headers=SAME_ORIGIN)
    assert browser.post("/petitions/waiting/", typed()).status_code == HTTPStatus.NOT_FOUND
    assert not Signature.objects.exists()

    clock.strike()
    invalidate_all()

    assert browser.post("/petitions/waiting/", typed()).status_code == HTTPStatus.SEE_OTHER


def test_a_signature_records_the_version_that_was_shown(embargoed: Petition, clock: Clock) -> None:
    browser = Client(headers=SAME_ORIGIN)
    early = browser.post("/petitions/protect/", typed(text_version="2"))
    assert early.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, "nobody can have seen version 2"
    assert browser.post("/petitions/protect/", typed()).status_code == HTTPStatus.SEE_OTHER
    clock.strike()
    # Somebody who loaded the page before that time signs the version that they read.
    for version in ("1", "2"):
        sent = typed(text_version=version, email=f"person{version}@example.net")
        assert browser.post("/petitions/protect/", sent).status_code == HTTPStatus.SEE_OTHER

    versions = Signature.objects.order_by("created_at").values_list("text_version", flat=True)
    assert list(versions) == [1, 1, 2]


KEPT = [
    "/",
    "/petitions/protect/",
    "/petitions/",
    "/feed.atom",
    "/share/protect.png",
    "/share/partner/mosque/",
    "/api/v1/petitions/protect.json",
    "/oembed?url=SITE/petitions/protect/",
]


@pytest.mark.parametrize("path", KEPT)
def test_a_cached_page_changes_when_the_embargo_ends(
    embargoed: Petition, clock: Clock, settings: Settings, path: str
) -> None:
    settings.PAGE_CACHE_SECONDS = 600
    clock.at = HOUR - timedelta(seconds=40)
    client = Client()
    # The site's port differs between runs, so it must not be part of the test's name.
    path = path.replace("SITE", settings.SITE_URL)
    assert SECRET not in client.get(path).content.decode()
    PetitionText.objects.filter(version=1).update(title="Another", published_at=clock.at)
    StatementText.objects.filter(title="Old").update(title="Another")
    clock.at = HOUR - timedelta(seconds=1)
    assert "Another" not in client.get(path).content.decode(), "it is kept until then"

    clock.strike()

    assert SECRET in client.get(path).content.decode()


def test_the_link_to_an_embargoed_statement_appears_when_the_embargo_ends(
    embargoed: Petition, petition: Petition, clock: Clock
) -> None:
    Statement.objects.filter(slug="old").update(petition=None)
    Statement.objects.filter(slug="news").update(petition=petition, is_featured=False)
    assert "/statements/news/" not in Client().get("/petitions/protect/").content.decode()
    clock.strike()
    assert "/statements/news/" in Client().get("/petitions/protect/").content.decode()


def test_a_statement_has_no_link_to_an_embargoed_petition(
    embargoed: Petition, clock: Clock
) -> None:
    page = Client().get("/statements/old/").content.decode()
    assert "Sign the petition" not in page
    assert "count-number" not in page
    clock.strike()
    assert "Sign the petition" in Client().get("/statements/old/").content.decode()


Post = Callable[..., str]


@pytest.fixture
def post(organiser: User, clock: Clock) -> Post:
    """Submit a form of the admin as an organiser, and return the page that follows."""
    client = Client()
    client.force_login(organiser)

    def send(path: str, **form: str) -> str:
        send_it = client.post if form else client.get
        response = send_it(path, form, follow=True)
        assert response.status_code == HTTPStatus.OK
        return response.content.decode()

    return send


def statement_form(statement: Statement, day: str, hour: str = "00:00") -> dict[str, str]:
    return {
        "slug": "news",
        "texts-TOTAL_FORMS": "1",
        "texts-INITIAL_FORMS": "1",
        "texts-0-id": str(statement.texts.get().pk),
        "texts-0-statement": str(statement.pk),
        "texts-0-published_at_0": day,
        "texts-0-published_at_1": hour,
    }


@pytest.mark.parametrize(
    ("day", "at", "says"),
    [
        ("2030-12-04", HOUR, SAYS),
        # In summer London is an hour ahead of UTC.
        ("2031-07-04", datetime(2031, 7, 3, 23, tzinfo=UTC), "on 4 July 2031 at 00:00, London"),
    ],
)
def test_embargo_times_are_entered_and_shown_in_london_time(
    post: Post, day: str, at: datetime, says: str
) -> None:
    statement = Statement.objects.create(slug="news")
    statement.texts.create(language="en", title="News", body="Words.")
    path = f"/admin/campaign/statement/{statement.pk}/change/"

    said = post(path, **statement_form(statement, day))

    assert StatementText.objects.get().published_at == at
    assert f"“News” (en) appears {says}" in said
    assert "Until then the public does not see it." in said
    assert f"English: appears {says}" in said, "the list says it, too"
    assert f"appears {says}" in post(path), "so does the form"


def test_the_publish_action_keeps_an_embargo(post: Post, clock: Clock, db: None) -> None:
    statement = Statement.objects.create(slug="news")
    statement.texts.create(language="en", title="News", body="Words.", published_at=HOUR)
    chosen = {"action": "publish", "_selected_action": str(statement.pk)}

    said = post("/admin/campaign/statement/", **chosen)

    assert StatementText.objects.get().published_at == HOUR
    assert f"appears {SAYS}" in said
    assert "Published." not in said
    assert "Nothing published yet" in Client().get("/").content.decode()
    clock.strike()
    assert "Words." in Client().get("/").content.decode()


def test_a_petition_with_only_an_embargoed_text_opens_when_it_appears(
    embargoed: Petition, post: Post, clock: Clock
) -> None:
    Petition.objects.filter(pk=embargoed.pk).update(state=Petition.State.DRAFT)

    said = post(f"/admin/petitions/petition/{embargoed.pk}/act/open/", sure="on", reason="Now.")

    embargoed.refresh_from_db()
    assert (embargoed.state, embargoed.opens_at) == (Petition.State.OPEN, HOUR)
    assert "is published with its text. Nobody was emailed." in said
    assert f"appears {SAYS}" in said
    assert read("/petitions/waiting/")[0] == HTTPStatus.NOT_FOUND
    clock.strike()
    assert 'method="post"' in read("/petitions/waiting/")[1]


def test_a_petition_does_not_open_before_its_text_appears(embargoed: Petition, post: Post) -> None:
    opens_at = HOUR - timedelta(days=2)
    Petition.objects.filter(pk=embargoed.pk).update(state=Petition.State.DRAFT, opens_at=opens_at)

    said = post(f"/admin/petitions/petition/{embargoed.pk}/act/open/", sure="on", reason="Now.")

    assert (
        f"It would open before its text appears, {SAYS}. Set “opens” to that time or later" in said
    )
    embargoed.refresh_from_db()
    assert (embargoed.state, embargoed.opens_at) == (Petition.State.DRAFT, opens_at)


def test_a_petition_that_has_another_text_opens_at_once(petition: Petition, clock: Clock) -> None:
    Petition.objects.update(state=Petition.State.DRAFT, opens_at=None)
    PetitionText.objects.update(published_at=None)
    text_of(petition, "en", "Second", version=2)

    opening.open_petition(petition=Petition.objects.get(), actor=None, screen="-", override="Now.")

    assert Petition.objects.get().opens_at == clock.at
    assert PetitionText.objects.get(version=2).published_at == HOUR


def test_the_load_command_reports_the_embargo_of_a_text(
    db: None, clock: Clock, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "news.md"
    file.write_text("# News\n\nWords.\n")
    call_command("load_statement", file)
    StatementText.objects.update(published_at=HOUR)

    call_command("load_statement", file, publish=True)

    assert f", appears {SAYS}." in capsys.readouterr().out
    assert StatementText.objects.get().published_at == HOUR
