"""Suspicious signatures are held when they are confirmed; their signers see no difference."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from petitions.counting import tallies
from petitions.handover import exports
from petitions.models import Export, Petition, Signature, Signer
from petitions.signatures import confirm as confirming
from petitions.signatures import withdraw
from petitions.signatures.confirm import Outcome
from tests.held import (
    State,
    hold_one,
    link,
    states,
    suspect,
)
from tests.people import AMINA, BASHIR, CARYS, DAVID, confirm, sign, sign_and_confirm


def test_a_suspicious_signature_is_held_when_it_is_confirmed_and_does_not_count(
    petition: Petition,
) -> None:
    held = hold_one(petition)

    assert held.state == State.HELD
    assert held.confirmed_at is not None
    assert held.signer.slot == 1
    assert tallies.total(petition.pk) == 0
    assert not tallies.differences(petition.pk)


def test_held_and_counted_signers_see_the_same_confirmation_page(
    petition: Petition, client: Client
) -> None:
    # The page tells where a signature counts, too.
    like_amina = replace(AMINA, name=DAVID.name, email=DAVID.email)
    pages = []
    # The counted one first, so that both pages tell the same count.
    for signature_id in (sign(petition, like_amina), suspect(petition, AMINA)):
        address = link(signature_id)
        page = client.post(address).content.decode()
        reference = Signature.objects.get(pk=signature_id).spoken_reference
        assert reference in page
        token = address.split("/")[-2]
        for own in (reference, token, DAVID.name, AMINA.name):
            page = page.replace(own, "")
        pages.append(page)

    assert states([signature_id]) == {State.HELD}
    assert "Thank you. Your signature is confirmed." in pages[0]
    assert "Some signatures are checked by a person before they count" in pages[0]
    assert pages[0] == pages[1]


def test_confirming_a_suspicious_signature_twice_holds_it_once(
    petition: Petition, client: Client
) -> None:
    address = link(suspect(petition))
    answers = [client.post(address).content.decode() for _ in range(2)]
    assert all("Thank you. Your signature is confirmed." in answer for answer in answers)
    assert Signature.objects.get().state == State.HELD
    assert tallies.total(petition.pk) == 0


def test_a_held_signature_keeps_its_household_slot(petition: Petition) -> None:
    hold_one(petition, AMINA)
    assert confirm(suspect(petition, AMINA)) is Outcome.ALREADY
    assert confirm(sign(petition, CARYS)) is Outcome.OTHER_HOME
    assert confirm(sign(petition, BASHIR)) is Outcome.CONFIRMED
    assert tallies.total(petition.pk) == 1


@pytest.mark.django_db(transaction=True)
def test_confirming_a_suspicious_signature_has_a_bounded_query_count(petition: Petition) -> None:
    # What is planned once a connection is planned by then.
    sign_and_confirm(petition, DAVID)
    held = suspect(petition)
    with CaptureQueriesContext(connection) as queries:
        assert confirm(held) is Outcome.CONFIRMED
    assert len(queries) <= 6, [q["sql"] for q in queries]


def test_confirming_applies_a_verdict_that_changed_meanwhile(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature_id = sign(petition)
    judge = confirming._judge

    def judge_before(*given: Any) -> confirming.SlotDecision:
        Signature.objects.update(verdict=Signature.Verdict.HOLD)
        return judge(*given)

    monkeypatch.setattr(confirming, "_judge", judge_before)
    assert confirm(signature_id) is Outcome.CONFIRMED
    assert states([signature_id]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_a_held_signature_is_not_exported(petition: Petition) -> None:
    held, counted = hold_one(petition, AMINA), sign_and_confirm(petition, DAVID)
    export = exports.start(
        export=Export(petition=petition, purpose="hand-in", why="a test"), actor=None, screen="test"
    )
    file = b"".join(exports.stream(export)).decode()
    assert counted.spoken_reference in file
    assert held.spoken_reference not in file


def test_a_held_signature_can_be_withdrawn(petition: Petition) -> None:
    held = hold_one(petition)
    assert withdraw.withdraw(signature_id=held.pk)
    assert not Signer.objects.exists()
    assert states([held.pk]) == {State.WITHDRAWN}
    assert not tallies.differences(petition.pk)
