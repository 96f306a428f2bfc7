"""Search: what each kind of words leads to, what is on record of it, and what cannot match."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from petitions.models import AuditRecord, Petition, Place, Signature, Signer
from petitions.moderation.search import as_reference
from petitions.signers import sealing
from tests.held import LIST
from tests.people import AMINA, DAVID, sign_and_confirm


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


def found(client: Client, sought: str) -> tuple[str, str]:
    """Where a search leads, and its page."""
    answer = client.post(LIST, {"sought": sought}, follow=True)
    url = answer.redirect_chain[-1][0] if answer.redirect_chain else ""
    return url, answer.content.decode()


@pytest.mark.parametrize(
    "written",
    ["737O-lIAB-41ZT", "reference: 737o 1iab 41zt", "Reference 7370-11AB-41ZT.", "737011AB41ZT"],
)
def test_a_reference_is_read_however_it_is_written(written: str) -> None:
    assert as_reference(written) == "737011AB41ZT"


def test_a_reference_with_letters_like_digits_finds_its_signature(
    petition: Petition, mona: Client
) -> None:
    one = sign_and_confirm(petition)
    Signature.objects.filter(pk=one.pk).update(reference="737011AB41ZT")
    assert found(mona, "reference: 737O-IIAB-41ZT")[0] == f"{LIST}{one.pk}/change/"


def test_a_domain_leads_to_the_lists_of_its_days(petition: Petition, mona: Client) -> None:
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


def test_a_place_leads_to_its_list(petition: Petition, mona: Client) -> None:
    Place.objects.create(code="E14000001", name="Ynys Test", name_cy="Ynys Prawf")
    assert "place=E14000001" in found(mona, "ynys prawf")[0]


@pytest.mark.parametrize(
    ("sought", "said"),
    [
        ("nobody@example.org", "No signature has that email address."),
        ("0000-0000-0000", "No signature has that reference."),
        ("nowhere.example", "Nobody has signed this petition from that email domain"),
        ("737", "Nothing was found."),
        ("👍", "Nothing was found."),
    ],
)
def test_what_finds_nothing_says_what_can_be_searched_for(
    petition: Petition, mona: Client, sought: str, said: str
) -> None:
    _url, page = found(mona, sought)
    assert said in page
    assert "Search takes" in page


def test_who_searches_is_on_record_and_what_for_is_not(
    petition: Petition, mona: Client, moderator: User
) -> None:
    sign_and_confirm(petition)
    for sought in (AMINA.email, "nobody@example.net"):
        url, _page = found(mona, sought)
        assert "example" not in url
    records = AuditRecord.objects.filter(action="searched")
    assert [(one.actor_id, one.why, one.object_id) for one in records] == [
        (moderator.pk, "address", str(petition.pk))
    ] * 2
