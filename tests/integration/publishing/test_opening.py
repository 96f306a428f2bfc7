"""A petition that opens later: everybody can read it and when it opens, and nobody can sign yet."""

import re
import time
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.shortcuts import render
from django.test import Client, RequestFactory
from django.utils import timezone
from django.utils.http import parse_http_date

from campaign import views
from campaign.pagecache import PageCacheMiddleware
from petitions.models import Petition, Signature, Source
from petitions.publishing import warm_cache
from tests.pages import Visitor
from tests.people import typed

PAGE = "/petitions/protect/"
# In summer, when London is an hour ahead of UTC.
OPENING = datetime(2099, 7, 1, 8, 30, tzinfo=UTC)


@pytest.fixture
def announced(petition: Petition) -> Petition:
    Petition.objects.update(opens_at=OPENING)
    warm_cache.invalidate()
    petition.refresh_from_db()
    return petition


def keep(response: Any) -> str:
    return str(response["Cache-Control"])


@pytest.mark.parametrize(
    ("home", "words"),
    [
        ("/", ["This petition is not open yet", "on 1 July 2099 at 09:30, London time"]),
        ("/ar/", ["1 تموز/يوليو 2099", "الساعة 09:30 بتوقيت لندن"]),
        ("/cy/", ["1 Gorffennaf 2099 am 09:30, amser Llundain"]),
    ],
)
def test_an_announced_petition_shows_its_opening_time_and_no_form(
    announced: Petition, client: Client, home: str, words: list[str]
) -> None:
    response = client.get(f"{home}petitions/protect/")
    page = response.content.decode()

    assert response.status_code == HTTPStatus.OK
    for said in [*words, "Protect people now."]:
        assert said in page
    assert 'method="post"' not in page
    assert 'href="#sign"' not in page
    assert "count-number" not in page
    assert "This petition is closed" not in page
    assert page.count('class="closed-note"') == 1
    assert page.count("This petition is not open yet") == (home == "/"), "once is enough"


@pytest.mark.parametrize("changed", [{}, {"email": "not an address"}])
def test_an_early_submission_is_refused_and_keeps_its_input(
    announced: Petition, browser: Client, changed: dict[str, str]
) -> None:
    sent = {**typed(), **changed}

    answer = browser.post(PAGE, sent)

    page = answer.content.decode()
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "not open yet, so your signature was not taken" in page
    assert "on 1 July 2099 at 09:30, London time" in page
    assert sent["name"] in page
    assert sent["email"] in page
    assert not Signature.objects.exists()


def test_a_draft_with_an_opening_stays_invisible(announced: Petition, client: Client) -> None:
    Petition.objects.update(state=Petition.State.DRAFT)
    for path in (PAGE, f"{PAGE}progress/", "/share/protect.png", "/api/v1/petitions/protect.json"):
        assert client.get(path).status_code == HTTPStatus.NOT_FOUND, path
    assert "protect" not in client.get("/sitemap.xml").content.decode()


def test_a_petition_removed_before_its_opening_shows_the_reason(
    announced: Petition, client: Client
) -> None:
    Petition.objects.update(state=Petition.State.REMOVED, removed_reason="A court told us to.")
    response = client.get(PAGE)
    assert response.status_code == HTTPStatus.GONE
    assert "A court told us to." in response.content.decode()


def test_a_petition_opens_by_itself_at_its_opening_time(
    announced: Petition, browser: Client
) -> None:
    Petition.objects.update(opens_at=timezone.now() - timedelta(seconds=1))
    warm_cache.invalidate()

    page = browser.get(PAGE)

    assert 'method="post"' in page.content.decode()
    assert "Expires" not in page
    assert browser.post(PAGE, typed()).status_code == HTTPStatus.SEE_OTHER


def test_the_statement_shows_the_opening_time_and_no_count(
    announced: Petition, client: Client
) -> None:
    Visitor(announced, "en").publish_statement()
    page = client.get("/").content.decode()
    assert page.count("It opens for signatures on 1 July 2099 at 09:30, London time.") == 2
    assert f'href="{PAGE}"' in page
    assert "#sign" not in page
    assert "count-number" not in page


def test_the_api_returns_announced_and_the_opening_time(
    announced: Petition, client: Client
) -> None:
    told: dict[str, Any] = client.get("/api/v1/petitions/protect.json").json()
    assert told["state"] == "announced"
    assert told["opens_at"] == "2099-07-01T08:30:00Z"
    assert told["opened_at"] is None
    assert told["closed_at"] is None

    Petition.objects.update(opens_at=timezone.now() - timedelta(days=1))
    told = client.get("/api/v1/petitions/protect.json").json()
    assert told["state"] == "open"
    assert told["opens_at"] is None
    assert told["opened_at"]


def test_the_sitemap_lists_the_page_and_the_feed_waits_for_the_opening(
    announced: Petition, client: Client
) -> None:
    root = ET.fromstring(client.get("/sitemap.xml").content)  # noqa: S314 - our own
    listed = [str(place.text) for place in root.iter() if place.tag.endswith("}loc")]
    assert [place for place in listed if place.endswith("/petitions/protect/")]
    assert not [place for place in listed if "/progress/" in place]
    assert "<entry" not in client.get("/feed.atom").content.decode()


def test_the_share_image_shows_the_opening_date(
    announced: Petition, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, str]] = []

    def set_it(template: str, words: dict[str, str]) -> bytes:
        said.append(words)
        return b"picture"

    monkeypatch.setattr("petitions.sharing.typesetting.png", set_it)
    assert client.get("/share/protect.png").content == b"picture"
    assert said[0]["call"] == "Opens for signatures on 1 July 2099"


def test_frames_and_badges_say_that_it_is_not_open_yet(announced: Petition, client: Client) -> None:
    Source.objects.create(code="mosque", name="Mosque", origins=["https://mosque.example"])
    frame = client.get("/share/partner/mosque/protect/").content.decode()
    assert "on 1 July 2099 at 09:30, London time" in frame
    assert "Read the petition" in frame
    assert "signatures</p>" not in frame
    assert "not open yet" in client.get("/share/protect-badge.svg").content.decode()
    # There is nothing to sign yet, so there are no embed codes.
    assert "No petition can be signed" in client.get("/share/partner/mosque/").content.decode()


def test_the_timeline_announces_the_opening(announced: Petition, client: Client) -> None:
    page = client.get(PAGE).content.decode()
    assert "Opens for signatures</p>" in page
    assert "Opened for signatures" not in page
    assert f"{PAGE}progress/" not in page
    assert "London time" in client.get(f"{PAGE}progress/").content.decode()


KEPT = [
    "/",
    PAGE,
    f"{PAGE}progress/",
    "/api/v1/petitions/protect.json",
    "/share/protect.png",
    "/share/protect-badge.svg",
    "/share/partner/mosque/protect/",
]


@pytest.mark.parametrize("path", KEPT)
def test_announcement_pages_may_be_cached_only_until_the_opening(
    announced: Petition, path: str, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    Visitor(announced, "en").publish_statement()
    Source.objects.create(code="mosque", name="Mosque", origins=["https://mosque.example"])

    # Each client stands for a process with empty caches.
    far = Client().get(path)
    assert parse_http_date(far["Expires"]) == OPENING.timestamp()
    assert keep(far) == "public, max-age=0, s-maxage=60"

    # A proxy can get a page from us that is up to a minute old.
    Petition.objects.update(opens_at=timezone.now() + timedelta(seconds=80))
    warm_cache.invalidate()
    near = Client().get(path)
    seconds = re.search(r"s-maxage=(\d+)", keep(near))
    assert seconds
    assert 0 < int(seconds[1]) <= 20
    assert "stale" not in keep(near)

    Petition.objects.update(opens_at=timezone.now() + timedelta(seconds=20))
    warm_cache.invalidate()
    assert keep(Client().get(path)) == "public, max-age=0, s-maxage=0"

    Petition.objects.update(opens_at=timezone.now())
    warm_cache.invalidate()
    after = Client().get(path)
    assert "Expires" not in after
    assert "s-maxage=60, stale-while-revalidate=10, stale-if-error=86400" in keep(after)


def test_a_page_rendered_during_the_opening_is_not_cached_beyond_it(
    announced: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cached page still says "not open yet" although the opening passes while it is drawn."""
    Visitor(announced, "en").publish_statement()
    Petition.objects.update(opens_at=timezone.now() + timedelta(seconds=2))
    warm_cache.invalidate()

    def slowly(request: WSGIRequest, *args: Any) -> HttpResponse:
        drawn = render(request, *args)
        now = OPENING.timestamp()
        monkeypatch.setattr("petitions.web.responses.time.time", lambda: now)
        return drawn

    monkeypatch.setattr("campaign.views.render", slowly)
    cache = PageCacheMiddleware(views.front_page)

    response = cache(RequestFactory().get("/"))

    assert "It opens for signatures" in response.content.decode()
    assert keep(response) == "public, max-age=0, s-maxage=0"
    ((entry),) = cache.entries.values()
    assert entry.page.usable_until <= entry.page.fresh_until <= time.monotonic()
