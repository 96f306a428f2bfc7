"""Pausing: nobody new can sign for a while, and existing signatures are not affected."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.models import Petition, Signature
from petitions.signatures.confirm import Outcome
from tests.integration.conftest import SAME_ORIGIN
from tests.people import confirm, sign, typed


@pytest.fixture
def paused(petition: Petition) -> Petition:
    petition.is_paused = True
    petition.save()
    return petition


def test_the_page_says_that_signing_is_paused_and_has_no_form(
    paused: Petition, client: Client
) -> None:
    page = client.get(paused.get_absolute_url()).content.decode()

    assert "Signing is paused" in page
    assert 'method="post"' not in page
    assert "This petition is closed" not in page


@pytest.mark.parametrize("changed", [{}, {"email": "not an address"}])
def test_a_submission_during_a_pause_is_refused_and_keeps_its_input(
    paused: Petition, client: Client, changed: dict[str, str]
) -> None:
    sent = {**typed(), **changed}

    answer = client.post(paused.get_absolute_url(), sent, headers=SAME_ORIGIN)

    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Signing was paused while you were filling in the form" in page
    assert sent["name"] in page
    assert sent["email"] in page
    assert not Signature.objects.exists()


def test_confirmation_links_keep_working_during_a_pause(petition: Petition) -> None:
    signature_id = sign(petition)
    Petition.objects.update(is_paused=True)

    assert confirm(signature_id) is Outcome.CONFIRMED
    assert tallies.total(petition.pk) == 1


def test_a_closed_petition_is_not_shown_as_paused(paused: Petition, client: Client) -> None:
    paused.closes_at = timezone.now()
    paused.save()

    assert "This petition is closed" in client.get(paused.get_absolute_url()).content.decode()


@pytest.mark.parametrize("is_paused", [True, False])
def test_the_api_returns_the_paused_state(
    petition: Petition, client: Client, is_paused: bool
) -> None:
    Petition.objects.update(is_paused=is_paused)

    told: dict[str, Any] = client.get(f"/api/v1/petitions/{petition.slug}.json").json()

    assert told["state"] == ("paused" if is_paused else "open")
    assert told["closed_at"] is None
