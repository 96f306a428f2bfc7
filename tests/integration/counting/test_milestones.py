"""Milestones of a petition on its pages, in the feed and on the progress page."""

import json
import re
from datetime import date, timedelta
from html import unescape
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone, translation

from petitions.counting import tallies
from petitions.models import (
    Milestone,
    MilestoneText,
    Petition,
    PetitionText,
    Region,
    Snapshot,
    SnapshotPart,
)
from petitions.publishing.timeline import Story, story_of
from tests.hostile import TITLES

PAGE = "/petitions/protect/"
HOMES = ("", "/ar", "/cy")
Kind = Milestone.Kind
DAY = timedelta(days=1)
ADMIN = "/admin/petitions/milestone/"
OBLIGES_NOBODY = (
    "The goal is a milestone only. On the UK Parliament’s own petitions site, the Government "
    "responds to petitions with 10,000 signatures. This is a different site: no number here "
    "obliges the Government to respond."
)


def tell(
    petition: Petition,
    kind: Kind,
    day: date | None = None,
    *,
    is_public: bool = True,
    **titles: str,
) -> Milestone:
    """A milestone of today or another day, with a title in some languages."""
    milestone = Milestone.objects.create(
        petition=petition, kind=kind, day=day or timezone.localdate(), is_public=is_public
    )
    for language, title in titles.items():
        milestone.texts.create(language=language, title=title)
    return milestone


def story(language: str = "en") -> Story:
    with translation.override(language):
        text = PetitionText.objects.to_show("protect", language)
        assert text
        return story_of(text)


def read(client: Client, path: str) -> str:
    return unescape(client.get(path).content.decode())


def timeline(page: str) -> list[str]:
    """The titles of the timeline, in their order."""
    found = re.findall(r'<p class="timeline-title">(.*?)</p>', page)
    return [re.sub(r"<.*?>", "", title) for title in found]


def test_milestones_are_shown_on_both_pages_in_chronological_order(
    petition: Petition, client: Client
) -> None:
    today = timezone.localdate()
    tell(petition, Kind.HANDED_IN, today)
    tell(petition, Kind.OTHER, today - 2 * DAY, en="A vigil in Manchester")
    tell(petition, Kind.DEBATE, today + 9 * DAY)
    for path in (PAGE, PAGE + "progress/"):
        page = read(client, path)
        assert timeline(page) == [
            "Opened for signatures",
            "A vigil in Manchester",
            "Handed in",
            "Debate in Parliament",
        ]
        # Only future milestones are announced.
        assert page.count('class="ahead"') == page.count("Announced") == 1


def test_milestone_text_is_markdown_on_pages_and_plain_in_the_feed(
    petition: Petition, client: Client
) -> None:
    told = tell(petition, Kind.OTHER, timezone.localdate() - DAY, en="A vigil")
    words = "In **Manchester**, <b>all</b> day. [Where](https://example.org/)"
    MilestoneText.objects.filter(milestone=told).update(words=words)

    for path in (PAGE, PAGE + "progress/"):
        page = client.get(path).content.decode()
        assert "<strong>Manchester</strong>, &lt;b&gt;all&lt;/b&gt; day." in page
        assert '<a href="https://example.org/" rel="noopener noreferrer nofollow">Where</a>' in page
    # Text in HTML in XML.
    feed = unescape(read(client, "/feed.atom"))
    assert "In Manchester, <b>all</b> day. Where" in feed


def test_a_milestone_that_is_not_public_is_shown_nowhere(
    petition: Petition, client: Client
) -> None:
    tell(petition, Kind.REPLY, is_public=False, en="A draft of the reply")
    Petition.objects.update(closes_at=timezone.now())
    api = "/api/v1/petitions/protect/progress.json"
    for path in (PAGE, PAGE + "progress/", "/feed.atom", api):
        page = read(client, path)
        assert "A draft of the reply" not in page
        assert "The reply came" not in page
    assert story().answered is None


@pytest.mark.parametrize(
    ("language", "title", "shown_in"),
    [("cy", "Cyflwynwyd", "cy"), ("ar", "Delivered", "en"), ("en", "Delivered", "en")],
)
def test_a_milestone_title_is_in_the_readers_language_or_marked_with_its_own(
    petition: Petition, client: Client, language: str, title: str, shown_in: str
) -> None:
    tell(petition, Kind.HANDED_IN, en="Delivered", cy="Cyflwynwyd")
    home = "" if language == "en" else f"/{language}"
    page = read(client, home + PAGE)
    assert title in timeline(page)
    assert f'<div lang="{shown_in}" dir="ltr">\n<p class="timeline-title">{title}' in page


@pytest.mark.parametrize("kind", Kind)
def test_without_a_text_the_kind_is_the_title_in_every_language(
    petition: Petition, kind: Kind
) -> None:
    tell(petition, kind)
    titles = {story(language).events[-1].title for language in ("en", "ar", "cy")}
    assert len(titles) == 3


@pytest.mark.parametrize("home", HOMES)
def test_a_closed_petition_says_what_happened_when_and_what_comes_next(
    petition: Petition, client: Client, home: str
) -> None:
    Petition.objects.update(state=Petition.State.CLOSED, closes_at=timezone.now() - DAY)
    said = [closed(client, home)]
    day = timezone.localdate() - 3 * DAY
    for kind in (Kind.HANDED_IN, Kind.REPLY):
        tell(petition, kind, day)
        said.append(closed(client, home))
        assert str(day.day) in said[-1]
    # Closed, handed in and answered petitions have different words about the past and the future.
    assert len({words.split("<h3>")[0] for words in said}) == 3
    assert len({words.split("<h3>")[1] for words in said}) == 3
    assert all(f'href="{home}/find/"' in words for words in said)


@pytest.mark.parametrize(
    ("home", "government"), [("", "Government"), ("/ar", "الحكومة"), ("/cy", "Llywodraeth")]
)
def test_a_petition_to_another_addressee_does_not_mention_the_government(
    petition: Petition, client: Client, home: str, government: str
) -> None:
    Petition.objects.update(state=Petition.State.CLOSED, closes_at=timezone.now() - DAY)
    petition.texts.update(addressee="the Mayor of Leeds")
    for kind in (Kind.HANDED_IN, Kind.REPLY):
        tell(petition, kind)
        assert government not in closed(client, home)
        assert government not in "".join(timeline(read(client, home + PAGE)))
    for page in ("/privacy/", "/safety/"):
        assert government not in read(client, home + page).split("<footer")[0]


def closed(client: Client, home: str) -> str:
    """The content in place of the form."""
    page = read(client, home + PAGE)
    (words,) = re.findall(r'<section id="sign" class="sign closed".*?</section>', page, re.DOTALL)
    return str(words)


def test_a_future_milestone_does_not_count_as_reached(petition: Petition, client: Client) -> None:
    Petition.objects.update(closes_at=timezone.now() - DAY)
    tell(petition, Kind.HANDED_IN, timezone.localdate() + DAY)
    assert story().handed_in is None
    assert "It was handed in" not in closed(client, "")


def test_an_open_petition_can_be_signed_after_it_was_handed_in(
    petition: Petition, client: Client
) -> None:
    tell(petition, Kind.HANDED_IN)
    assert 'id="id_email"' in read(client, PAGE)


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_both_pages_say_that_no_number_of_signatures_obliges_a_response(
    petition: Petition, client: Client, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    """Beside the goal, which stands there from 25 signatures."""
    monkeypatch.setattr(tallies, "total", lambda petition_id: 25)
    with translation.override(language):
        words = translation.gettext(OBLIGES_NOBODY)
    assert (words == OBLIGES_NOBODY) is (language == "en")
    path = PAGE if language == "en" else f"/{language}{PAGE}"
    assert words in read(client, path)
    assert words in read(client, path + "progress/")


@pytest.mark.parametrize("title", TITLES)
def test_markup_in_milestones_is_escaped(petition: Petition, client: Client, title: str) -> None:
    milestone = tell(petition, Kind.OTHER)
    MilestoneText.objects.create(milestone=milestone, language="en", title=title, words=title)
    for path in (PAGE, PAGE + "progress/"):
        page = client.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", page)
    ET.fromstring(client.get("/feed.atom").content)  # noqa: S314 - our own


def test_a_milestone_link_sends_no_referrer(petition: Petition, client: Client) -> None:
    Milestone.objects.filter(pk=tell(petition, Kind.REPLY).pk).update(
        link="https://www.gov.uk/reply?a=1&b=2"
    )
    page = client.get(PAGE).content.decode()
    link = '<a href="https://www.gov.uk/reply?a=1&amp;b=2" rel="noreferrer">'
    assert link in page


def test_the_feed_contains_past_milestones_only(petition: Petition, client: Client) -> None:
    tell(petition, Kind.REPLY, ar="ردّت الحكومة")
    tell(petition, Kind.DEBATE, timezone.localdate() + DAY)
    news = {
        language: [str(title) for title in re.findall("<title>(.*?)</title>", read(client, path))]
        for language, path in (("en", "/feed.atom"), ("ar", "/ar/feed.atom"))
    }
    assert "ردّت الحكومة: Protect people" in news["en"]
    assert "ردّت الحكومة: احموا الناس" in news["ar"]
    assert not [title for title in news["en"] if "Debate" in title]


def test_the_api_returns_milestones_in_every_language(petition: Petition, client: Client) -> None:
    milestone = tell(petition, Kind.HANDED_IN, date(2026, 3, 1), en="Handed in", cy="Cyflwynwyd")
    told: dict[str, Any] = json.loads(read(client, "/api/v1/petitions/protect/progress.json"))
    assert told["milestones"] == [
        {
            "id": milestone.pk,
            "kind": "handed_in",
            "day": "2026-03-01",
            "link": "",
            "texts": [
                {"language": "cy", "title": "Cyflwynwyd", "words": ""},
                {"language": "en", "title": "Handed in", "words": ""},
            ],
        }
    ]


def test_a_milestone_has_at_most_one_text_per_language(petition: Petition) -> None:
    milestone = tell(petition, Kind.REPLY, en="The reply")
    with pytest.raises(IntegrityError), transaction.atomic():
        milestone.texts.create(language="en", title="Another")


def test_organisers_can_add_milestones_and_moderators_cannot(
    petition: Petition, client: Client, organiser: User, moderator: User
) -> None:
    entered = {
        "petition": petition.pk,
        "kind": "handed_in",
        "day": "2026-03-01",
        "link": "",
        "is_public": "on",
        "texts-TOTAL_FORMS": "1",
        "texts-INITIAL_FORMS": "0",
        "texts-0-language": "cy",
        "texts-0-title": "Cyflwynwyd",
        "texts-0-words": "",
    }
    client.force_login(moderator)
    assert client.get(ADMIN).status_code == 403
    assert client.post(ADMIN + "add/", entered).status_code == 403
    assert not Milestone.objects.exists()

    client.force_login(organiser)
    assert client.post(ADMIN + "add/", entered)["Location"] == ADMIN
    assert "Cyflwynwyd" in timeline(read(Client(), "/cy" + PAGE))
    assert "Handed in" in read(client, ADMIN)


def test_organisers_see_exact_figures_by_region_and_moderators_do_not(
    petition: Petition, client: Client, organiser: User, moderator: User
) -> None:
    day = Snapshot.objects.create(petition=petition, day=date(2026, 3, 1), total=44)
    for group, n in ((Region.WALES, 3), (Region.LONDON, 41)):
        SnapshotPart.objects.create(snapshot=day, group=group, n=n)
    path = f"/admin/petitions/snapshot/{day.pk}/change/"
    client.force_login(moderator)
    assert client.get(path).status_code == 403

    client.force_login(organiser)
    page = read(client, path)
    found = re.findall(r'<td class="field-(?:region|n)">\s*<p>(.*?)</p>', page)
    assert found == ["London", "41", "Wales", "3"]
    assert "do not publish" in page
    assert client.post(path, {"total": "99"}).status_code == 403
    assert read(client, "/admin/petitions/snapshot/")


def test_a_malformed_link_is_refused(petition: Petition, client: Client, organiser: User) -> None:
    client.force_login(organiser)
    entered = {
        "petition": petition.pk,
        "kind": "reply",
        "day": "2026-03-01",
        "link": "javascript:alert(1)",
        "texts-TOTAL_FORMS": "0",
        "texts-INITIAL_FORMS": "0",
    }
    assert client.post(ADMIN + "add/", entered).status_code == 200
    assert not Milestone.objects.exists()
