"""The thank-you page shows where the signature counts, and how to write to the MP."""

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from petitions.crypto import tokens
from petitions.models import Petition, Place, PlaceFile, Postcode
from petitions.publishing import warm_cache
from petitions.signers.sealing import Attempt
from tests import published
from tests.people import AMINA, BASHIR, CARYS, DAVID, sign
from tests.published import RUSHOLME

PAGE = "/petitions/protect/"
UNSAID = Attempt(name="Unsaid Example", email="u@example.org", name_use=AMINA.name_use)


@pytest.fixture
def postcodes(petition: Petition, tmp_path: Path) -> None:
    """Create four constituencies, and the postcodes of August 2026."""
    published.import_constituencies(tmp_path)
    call_command("import_postcodes", published.postcodes(tmp_path))


def thanks(client: Client, petition: Petition, who: Attempt, language: str = "en") -> str:
    token = tokens.link(tokens.CONFIRM, sign(petition, who), 0)
    response = client.post(f"/t/{language}/confirm/{token}/")
    assert response.status_code == 200
    return response.content.decode()


def outward_links(page: str) -> list[str]:
    """Return the links to Parliament's site, which must not identify the signer."""
    links: list[str] = re.findall(r'<a href="(https://members[^"]*)" rel="noreferrer">', page)
    assert len(links) == page.count("members.parliament.uk")
    return links


def test_the_thank_you_page_shows_the_constituency_and_a_link_to_its_mp(
    petition: Petition, postcodes: None, client: Client
) -> None:
    page = thanks(client, petition, AMINA)

    assert "Manchester Rusholme</bdi>" in page
    search = "https://members.parliament.uk/members/Commons?SearchText=Manchester+Rusholme"
    assert outward_links(page) == [search]


def test_no_link_on_the_thank_you_page_contains_personal_data(
    petition: Petition, postcodes: None, client: Client
) -> None:
    page = thanks(client, petition, AMINA)
    links = " ".join(re.findall(r'(?:href|src|action)="([^"]*)"', page)).lower()
    # The page's own sealed token is random, so it may contain any letters.
    links = re.sub(r"/t/[^ ]*", "", links)
    assert "members.parliament.uk" in links
    for of_amina in ("m14", "5rx", "amina"):
        assert of_amina not in links


def test_the_cached_thank_you_page_shows_each_signer_their_own_constituency(
    petition: Petition, postcodes: None, client: Client, settings: object
) -> None:
    settings.PAGE_CACHE_SECONDS = 60  # type: ignore[attr-defined]
    neighbour = replace(UNSAID, postcode="M187AA")
    amina, other = thanks(client, petition, AMINA), thanks(client, petition, neighbour)
    assert "Manchester Rusholme" in amina
    assert "Gorton and Denton" not in amina
    assert "Gorton and Denton" in other
    assert "Manchester Rusholme" not in other


@pytest.mark.parametrize("who", [CARYS, UNSAID], ids=["unknown postcode", "no postcode"])
def test_the_thank_you_page_says_if_the_constituency_is_unknown(
    petition: Petition, postcodes: None, client: Client, who: Attempt
) -> None:
    page = thanks(client, petition, who)
    assert "we do not know which constituency you live in" in page
    assert outward_links(page) == ["https://members.parliament.uk/FindYourMP"]


def test_a_signer_abroad_gets_no_link_to_an_mp(
    petition: Petition, postcodes: None, client: Client
) -> None:
    page = thanks(client, petition, DAVID)
    assert "It counts as one from outside the UK." in page
    assert not outward_links(page)
    assert "Member of Parliament" not in page


def test_without_imported_postcodes_the_constituency_is_unknown(
    petition: Petition, client: Client
) -> None:
    assert "we do not know which constituency you live in" in thanks(client, petition, AMINA)
    form = client.get(PAGE).content.decode()
    assert "We ask for it to find your constituency, and give it to nobody." in form


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (PAGE, "We use it to find your constituency. We give it to nobody."),
        (f"/ar{PAGE}", "نعرف به دائرتك الانتخابية، ولا نعطيه لأحد."),
        (f"/cy{PAGE}", "Fe’i defnyddiwn i ddod o hyd i’ch etholaeth. Nid ydym yn ei roi i neb."),
    ],
)
def test_with_imported_postcodes_the_form_explains_what_the_postcode_is_used_for(
    petition: Petition, postcodes: None, client: Client, path: str, words: str
) -> None:
    assert words in client.get(path).content.decode()


def test_a_welsh_page_uses_the_welsh_name_and_the_link_the_english_one(
    petition: Petition, postcodes: None, client: Client
) -> None:
    Place.objects.filter(pk=RUSHOLME).update(name="Vale of Glamorgan", name_cy="Bro Morgannwg")

    welsh = thanks(client, petition, AMINA, "cy")

    assert '<bdi lang="cy">Bro Morgannwg</bdi>' in welsh
    assert outward_links(welsh)[0].endswith("SearchText=Vale+of+Glamorgan")


def test_the_arabic_thank_you_page_shows_the_english_constituency_name(
    petition: Petition, postcodes: None, client: Client
) -> None:
    assert '<bdi lang="en">Manchester Rusholme</bdi>' in thanks(client, petition, AMINA, "ar")


def test_an_imported_constituency_name_is_escaped_in_html_and_urls(
    petition: Petition, postcodes: None, client: Client
) -> None:
    Place.objects.filter(pk=RUSHOLME).update(name='<b>"&')
    page = thanks(client, petition, AMINA)
    assert "&lt;b&gt;&quot;&amp;</bdi>" in page
    assert outward_links(page)[0].endswith("SearchText=%3Cb%3E%22%26")


@pytest.mark.django_db(transaction=True)
def test_confirming_makes_no_query_for_the_constituency(
    petition: Petition, postcodes: None, client: Client
) -> None:
    thanks(client, petition, AMINA)
    token = tokens.link(tokens.CONFIRM, sign(petition, BASHIR), 0)
    with CaptureQueriesContext(connection) as queries:
        client.post(f"/t/en/confirm/{token}/")
    assert not [query["sql"] for query in queries if "petitions_place" in query["sql"]]


def test_a_newly_imported_constituency_is_found_once_the_cached_miss_expires(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    Place.objects.constituencies().delete()
    warm_cache.invalidate()
    assert warm_cache.place(RUSHOLME) is None
    place = Place.objects.create(code=RUSHOLME, name="Manchester Rusholme")
    Postcode.objects.create(postcode="M145RX", place=place)
    assert warm_cache.place(RUSHOLME) is None

    monkeypatch.setattr(warm_cache, "_PLACES_FOR_IF_MISSED", -1.0)

    assert warm_cache.place(RUSHOLME) == place


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/about/", "in a list from August 2026"),
        ("/ar/about/", "قائمة تعود إلى آب/أغسطس 2026"),
        ("/cy/about/", "mewn rhestr o Awst 2026"),
    ],
)
def test_the_about_page_names_the_source_and_month_of_the_postcodes(
    petition: Petition, postcodes: None, client: Client, path: str, words: str
) -> None:
    page = client.get(path).content.decode()
    assert words in page
    assert page.count("© ") == 2


def test_the_about_page_names_no_source_without_imported_postcodes(
    petition: Petition, client: Client
) -> None:
    assert "© " not in client.get("/about/").content.decode()


def test_the_cached_date_of_the_postcodes_is_refreshed_when_it_expires(
    petition: Petition, postcodes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert warm_cache.postcodes_of() == date(2026, 8, 1)
    PlaceFile.objects.create(
        kind=PlaceFile.Kind.POSTCODES, edition=date(2026, 11, 1), file_name="x", rows=1
    )
    assert warm_cache.postcodes_of() == date(2026, 8, 1)

    monkeypatch.setattr(warm_cache, "_PLACES_FOR", -1.0)

    assert warm_cache.postcodes_of() == date(2026, 11, 1)
