"""The list of all petitions, and what leads to it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.http import http_date

from petitions.counting import tallies
from petitions.models import UNKNOWN, Petition
from tests.pages import Visitor

PAGE = "/petitions/"
DAY = timedelta(days=1)


def add(slug: str, language: str = "en", **how: Any) -> Petition:
    """Create another petition, whose title is its slug in capitals."""
    other = Petition.objects.create(slug=slug, **{"state": Petition.State.OPEN} | how)
    other.texts.create(
        language=language,
        title=slug.upper(),
        addressee="the Government",
        ask=f"We ask for {slug}.",
        published_at=timezone.now(),
    )
    return other


def read(path: str = PAGE) -> str:
    # A client of its own has a page cache of its own.
    return Client().get(path).content.decode().partition("<main")[2].partition("</main>")[0]


def test_the_petition_list_shows_open_then_announced_then_closed_petitions(
    petition: Petition,
) -> None:
    now = timezone.now()
    add("closed", state=Petition.State.CLOSED)
    add("over", opens_at=now - 9 * DAY, closes_at=now - DAY)
    add("coming", opens_at=now + DAY)
    add("paused", is_paused=True)
    tallies.move(petition.pk, {(UNKNOWN, 0): 1200, (UNKNOWN, 1): 84})

    page = read()

    order = ["Open for signatures", "PAUSED", "Signing is paused", "Protect people", "1,284"]
    order += ["Not open yet", "COMING", "It opens for signatures on"]
    order += ["Closed", "OVER", "It closed on", "CLOSED"]
    places = [page.index(f">{words}" if words.isupper() else words) for words in order]
    assert places == sorted(places)
    assert "Protect people now." in page
    assert page.count("count-number") == 4, "of what has not opened nothing is counted"


def test_the_petition_list_omits_draft_removed_and_unpublished_petitions(
    petition: Petition,
) -> None:
    add("draft", state=Petition.State.DRAFT)
    add("removed", state=Petition.State.REMOVED)
    add("wordless").texts.update(published_at=None)

    page = read()

    assert "Protect people" in page
    for hidden in ("DRAFT", "REMOVED", "WORDLESS"):
        assert hidden not in page


def test_an_untranslated_title_in_the_petition_list_has_its_own_lang_and_dir(
    petition: Petition,
) -> None:
    add("welsh", language="cy")

    page = read("/ar/petitions/")

    assert '<h3 lang="cy" dir="ltr"><a href="/ar/petitions/welsh/">WELSH</a></h3>' in page
    assert '<h3 lang="ar" dir="rtl"><a href="/ar/petitions/protect/">' in page


def test_the_petition_list_has_a_constant_query_count(petition: Petition) -> None:
    read()  # reads the organisation, once for all pages
    costs = []
    for slug in ("second", "third"):
        with CaptureQueriesContext(connection) as queries:
            assert "Protect people" in read()
        costs.append(len(queries))
        add(slug)
    assert costs == [2, 2]


def test_the_petition_list_expires_at_the_next_announced_opening(petition: Petition) -> None:
    assert "Expires" not in Client().get(PAGE)
    opening = timezone.now().replace(microsecond=0) + DAY
    add("later", opens_at=opening + DAY)
    add("sooner", opens_at=opening)
    assert Client().get(PAGE)["Expires"] == http_date(opening.timestamp())


@pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
def test_the_front_page_links_to_the_petition_list_if_there_are_several_petitions(
    petition: Petition, home: str
) -> None:
    Visitor(petition, "en").publish_statement()
    link = f'href="{home}petitions/"'
    assert link not in read(home)
    assert link in Client().get(home).content.decode(), "in the footer"
    add("second")
    assert link in read(home)
