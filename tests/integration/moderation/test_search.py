"""Search: the result of each kind of text, its audit record, and what finds nothing."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.models import AuditRecord, Petition, Place, Signature, Signer
from petitions.moderation import search
from petitions.moderation.search import as_reference
from petitions.screening.screen import Screening
from petitions.signatures import self_service, submit
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.held import LIST
from tests.people import AMINA, DAVID, confirm, sign, sign_and_confirm


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


def found(client: Client, sought: str) -> tuple[str, str]:
    """Return the URL to which a search redirects, and its page."""
    answer = client.post(LIST, {"sought": sought}, follow=True)
    url = answer.redirect_chain[-1][0] if answer.redirect_chain else ""
    return url, answer.content.decode()


@pytest.mark.parametrize(
    "written",
    ["737O-lIAB-41ZT", "reference: 737o 1iab 41zt", "Reference 7370-11AB-41ZT.", "737011AB41ZT"],
)
def test_references_are_normalised_from_every_spelling(written: str) -> None:
    assert as_reference(written) == "737011AB41ZT"


def test_a_reference_search_corrects_letters_that_look_like_digits(
    petition: Petition, mona: Client
) -> None:
    one = sign_and_confirm(petition)
    Signature.objects.filter(pk=one.pk).update(reference="737011AB41ZT")
    assert found(mona, "reference: 737O-IIAB-41ZT")[0] == f"{LIST}{one.pk}/change/"


def test_searching_a_domain_links_to_its_signatures_of_each_day(
    petition: Petition, mona: Client
) -> None:
    today = sign_and_confirm(petition, DAVID)
    for written in ("example.net", "@EXAMPLE.net"):
        url, page = found(mona, written)
        assert f"domain_of={today.pk}" in url
        assert today.spoken_reference in page

    earlier = timezone.now() - timedelta(days=3)
    older = sign_and_confirm(petition, AMINA)
    index = sealing.domain_index(DAVID.email, earlier.date())
    Signer.objects.filter(pk=older.pk).update(domain_ix=index)
    _url, page = found(mona, "example.net")
    for one in (today, older):
        assert f"domain_of={one.pk}" in page


def test_searching_a_constituency_redirects_to_its_signatures(
    petition: Petition, mona: Client
) -> None:
    Place.objects.create(code="E14000001", name="Ynys Test", name_cy="Ynys Prawf")
    assert "place=E14000001" in found(mona, "ynys prawf")[0]


@pytest.mark.parametrize(
    ("sought", "said"),
    [
        ("nobody@example.org", "No signature has that email address."),
        ("0000-0000-0000", "No signature has that reference."),
        ("nowhere.example", "Nobody has signed this petition from that email domain"),
        ("737", "Type the whole reference or postcode: half of one finds nothing."),
        ("51V4-32Q5", "Type the whole reference or postcode: half of one finds nothing."),
        ("reference: 737O", "Type the whole reference or postcode: half of one finds nothing."),
        ("m145", "Type the whole reference or postcode: half of one finds nothing."),
        ("Amina", "a first name or half a name finds nothing."),
        ("Hackn", "the whole name of a person or constituency: a first name or half"),
        ("???", "Nothing was found."),
        ("👍", "Nothing was found."),
    ],
)
def test_a_search_without_results_explains_what_can_be_searched_for(
    petition: Petition, mona: Client, sought: str, said: str
) -> None:
    _url, page = found(mona, sought)
    assert said in page
    assert "You can search for" in page


@pytest.mark.parametrize("sought", ["", "   ", "\u200b"])
def test_an_empty_search_does_not_match_a_place_without_a_welsh_name(
    petition: Petition, mona: Client, sought: str
) -> None:
    Place.objects.create(code="E14000001", name="Aldertest")
    _url, page = found(mona, sought)
    assert "Nothing was found." in page


@pytest.mark.parametrize(
    "written",
    [
        "\u200bamina@example.org", "\u202aamina@example.org\u202c", "<amina@example.org>",
        "Amina Example <amina@example.org>", "mailto:amina@example.org", "amina @example.org",
        "ａｍｉｎａ＠example.org", "(Amina@Example.ORG),",
    ],
)  # fmt: skip
def test_a_pasted_email_address_is_normalised_before_the_search(
    petition: Petition, mona: Client, written: str
) -> None:
    hers = sign_and_confirm(petition)
    theirs = sign_and_confirm(petition, DAVID)
    url, page = found(mona, written)
    assert "mailbox=" in url
    assert hers.spoken_reference in page
    assert theirs.spoken_reference not in page


LEILA = Attempt(
    name="ليلى أحمد", email="l@example.org", postcode="SW1A0AA", language="ar",
    name_use="withheld",
)  # fmt: skip


@pytest.mark.parametrize(
    "written",
    ["Amina Example", "amina example", "  AMINA   EXAMPLE ", "Ámina Éxample", "Amina-Example"],
)
def test_a_name_search_ignores_case_accents_spaces_and_hyphens(
    petition: Petition, mona: Client, written: str
) -> None:
    hers = sign_and_confirm(petition)
    another = sign_and_confirm(petition, replace(AMINA, email="a@example.com"))
    theirs = sign_and_confirm(petition, DAVID)
    url, page = found(mona, written)
    assert "name_of=" in url
    assert "amina" not in url.lower()
    assert hers.spoken_reference in page
    assert another.spoken_reference in page
    assert theirs.spoken_reference not in page


@pytest.mark.parametrize("written", ["ليلى أحمد", "لَيْلَى أَحْمَد", "ليلي احمد", "ليلىأحمد"])
def test_an_arabic_name_is_found_with_and_without_vowel_points(
    petition: Petition, mona: Client, written: str
) -> None:
    hers = sign_and_confirm(petition, LEILA)
    assert hers.spoken_reference in found(mona, written)[1]


@pytest.mark.parametrize("written", ["M14 5RX", "m14 5rx", "m145rx", " M14  5rx", "M١٤ ٥RX"])
def test_a_postcode_search_ignores_case_spaces_and_the_script_of_digits(
    petition: Petition, mona: Client, written: str
) -> None:
    hers = sign_and_confirm(petition)
    theirs = sign_and_confirm(petition, LEILA)
    url, page = found(mona, written)
    assert "postcode_of=" in url
    assert "5rx" not in url.lower()
    assert hers.spoken_reference in page
    assert theirs.spoken_reference not in page


def test_a_name_search_follows_confirmation_correction_and_withdrawal(
    petition: Petition, mona: Client
) -> None:
    pending = sign(petition)
    assert "name_of=" in found(mona, AMINA.name)[0]
    confirm(pending)
    assert "name_of=" in found(mona, AMINA.name)[0]
    recipient = sealing.recipient_of(AMINA.email)
    reference = Signature.objects.get().reference
    self_service.correct_name(recipient=recipient, reference=reference, name="Aminah Example")
    assert "name_of=" not in found(mona, AMINA.name)[0]
    url, _page = found(mona, "Aminah Example")
    assert "name_of=" in url
    self_service.withdraw(recipient=recipient, reference=reference)
    assert "No signature was found under that name" in found(mona, "Aminah Example")[1]
    assert "Nobody has signed a petition here with that postcode" in found(mona, "M14 5RX")[1]
    assert reference not in mona.get(url).content.decode()


@pytest.mark.parametrize("name", ["J.Smith", "Layla Samples", "Elie Hosslin"])
def test_a_name_that_looks_like_a_domain_or_a_reference_is_found(
    petition: Petition, mona: Client, name: str
) -> None:
    sign_and_confirm(petition, replace(AMINA, name=name))
    assert "name_of=" in found(mona, name)[0]


def test_a_name_search_covers_every_petition(petition: Petition, mona: Client) -> None:
    hers = sign_and_confirm(petition)
    Petition.objects.create(slug="newer", state=Petition.State.OPEN)
    answer = mona.post(f"{LIST}?petition=newer", {"sought": AMINA.name}, follow=True)
    assert hers.spoken_reference in answer.content.decode()


def test_the_results_of_a_name_search_are_limited_and_the_page_says_so(
    petition: Petition, mona: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_ALIKE", 2)
    sign_and_confirm(petition, DAVID)
    for n in range(2):
        assert "Very many" not in found(mona, AMINA.name)[1]
        sign_and_confirm(petition, replace(AMINA, email=f"{n}@example.com"))
    sign_and_confirm(petition)
    page = found(mona, AMINA.name)[1]
    assert "Very many people have this name or postcode: the list shows 2 of them." in page
    assert page.count('name="chosen"') == 2


def test_a_refused_attempt_is_not_found_by_name_or_postcode(
    petition: Petition, mona: Client
) -> None:
    submit.store(petition=petition, attempt=AMINA, screening=Screening(is_refused=True))
    for sought in (AMINA.name, "M14 5RX"):
        assert "_of=" not in found(mona, sought)[0]


def test_the_results_of_a_person_search_cannot_be_selected_for_a_bulk_decision(
    petition: Petition, mona: Client
) -> None:
    hers = sign_and_confirm(petition)
    theirs = sign_and_confirm(petition, DAVID)
    url, _page = found(mona, AMINA.name)
    said = {"kind": "remove", "reason": "duplicate", "scope": "all"}
    page = mona.post(f"{url}&state=confirmed", said, follow=True).content.decode()
    assert "Tick the signatures" in page
    assert {one.state for one in Signature.objects.filter(pk__in=[hers.pk, theirs.pk])} == {
        "confirmed"
    }


def test_a_name_search_has_a_constant_query_count(
    petition: Petition, mona: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All groups at once: a name is found in the first ones, or later, by chance.
    monkeypatch.setattr(search, "FIRST_GROUPS", 4 * sealing.SEARCH_GROUPS)
    costs = []
    for number in range(3):
        sign_and_confirm(petition, replace(AMINA, email=f"{number}@example.org"))
        with CaptureQueriesContext(connection) as queries:
            found(mona, AMINA.name)
        costs.append(len(queries))
    assert len(set(costs)) == 1, costs


def test_searches_are_audited_with_actor_and_kind_but_without_the_search_text(
    petition: Petition, mona: Client, moderator: User
) -> None:
    sign_and_confirm(petition)
    for sought in (AMINA.email, "nobody@example.net", AMINA.name, "Nobody Atall", "M14 5RX"):
        url, _page = found(mona, sought)
        assert not re.search("example|amina|nobody|5rx", url.lower())
    records = AuditRecord.objects.filter(action="searched")
    assert {(one.actor_id, one.object_id) for one in records} == {(moderator.pk, str(petition.pk))}
    kinds = [one.why for one in records.order_by("pk")]
    # A list that is found is on record besides, each time that it is read.
    typed = ["address, typed", "address", "address, typed", "name, typed", "name", "name, typed"]
    assert kinds == [*typed, "postcode, typed", "postcode"]


def test_searches_for_addresses_and_domains_have_an_hourly_limit(
    petition: Petition, mona: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reveals have a budget, which guessing addresses by search must not bypass."""
    monkeypatch.setattr(search, "SEARCHES_AN_HOUR", 4)
    one = sign_and_confirm(petition)
    for _ in range(5):
        mona.get(f"{LIST}?domain_of={one.pk}")  # reading a list costs none of it
    for sought in ("a@example.org", "b@example.org", "example.net", "c@example.org"):
        assert "Nothing was searched." not in found(mona, sought)[1]
    tested = [found(mona, sought) for sought in (AMINA.email, "d＠example.org")]
    assert all("Nothing was searched." in page for _url, page in tested)
    assert tested[0][0] == tested[1][0], "nor does the address of the answer tell"
    assert AuditRecord.objects.filter(why__endswith="typed").count() == 4
    assert AuditRecord.objects.filter(action="search-refused").count() == 1
    assert "name_of" in found(mona, AMINA.name)[0], "names stand in the list"

    monkeypatch.setattr(search, "HOUR", timedelta())
    assert "mailbox" in found(mona, AMINA.email)[0]


def test_a_search_text_without_results_stays_in_the_search_box(
    petition: Petition, mona: Client
) -> None:
    """To be corrected; of a signature the page shows nothing."""
    hers = sign_and_confirm(petition)
    _url, page = found(mona, 'Aminah "Example"')
    assert 'value="Aminah &quot;Example&quot;"' in page
    assert hers.spoken_reference not in page
    assert "Back to the list" in page
