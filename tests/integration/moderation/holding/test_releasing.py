"""A signature held by a rule is counted once its signer sends a clean form and confirms it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.models import Petition, Signature, Signer
from petitions.moderation import decisions, rescan
from petitions.publishing import warm_cache
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from tests.held import (
    CHECKED,
    State,
    hold_one,
    link,
    states,
    suspect,
)
from tests.people import AMINA, BASHIR, confirm, sign, sign_and_confirm


@pytest.mark.parametrize("pressed", ["the suspicious one first", "the suspicious one alone", "own"])
def test_a_clean_form_releases_a_signature_held_for_a_form_sent_by_others(
    petition: Petition, pressed: str
) -> None:
    theirs, own = suspect(petition), sign(petition)
    if pressed != "own":
        confirm(theirs)
    if pressed != "the suspicious one alone":
        confirm(own)

    counted = Signature.objects.get(state=State.CONFIRMED)
    assert (counted.verdict, counted.signals) == (Signature.Verdict.PASS, [])
    assert tallies.total(petition.pk) == 1
    assert not tallies.differences(petition.pk)


@pytest.mark.parametrize("pressed", ["the suspicious one first", "the suspicious one alone"])
def test_a_released_signature_has_the_name_of_its_signers_newest_clean_form(
    petition: Petition, client: Client, pressed: str
) -> None:
    theirs = suspect(petition, replace(AMINA, name="“AMÍNA” !!! EXAMPLE 🤡"))
    earlier = sign(petition, replace(AMINA, name="Amina-Example"))
    Signature.objects.filter(pk=earlier).update(created_at=timezone.now() - timedelta(hours=1))
    own = sign(petition)

    page = client.post(link(theirs)).content.decode()
    if pressed == "the suspicious one first":
        client.post(link(own))

    counted = Signer.objects.get(signature__state=State.CONFIRMED)
    assert counted.signature_id == theirs
    assert sealing.unsealed(counted) == sealing.person_of(AMINA)
    assert f"<bdi>{AMINA.name}</bdi>" in page


def test_a_held_signature_that_is_released_later_takes_the_name_of_the_clean_form(
    petition: Petition,
) -> None:
    held = suspect(petition, replace(AMINA, name="AMINA (!) EXAMPLE"))
    confirm(held)
    confirm(sign(petition))

    assert sealing.unsealed(Signer.objects.get(pk=held)) == sealing.person_of(AMINA)
    assert states([held]) == {State.CONFIRMED}


def test_a_signature_that_is_not_released_keeps_its_name(
    petition: Petition, moderator: User
) -> None:
    mine, other = replace(AMINA, name="Amína Example"), replace(BASHIR, name=f"{BASHIR.name} (!)")
    counted = sign_and_confirm(petition, mine)
    decided = hold_one(petition, other)
    for kind in ("remove", "restore"):
        decisions.decide(kind=kind, petition=petition, ids=[decided.pk], **CHECKED, actor=moderator)
    confirm(sign(petition))
    confirm(sign(petition, BASHIR))

    assert sealing.unsealed(Signer.objects.get(pk=counted.pk)) == sealing.person_of(mine)
    assert sealing.unsealed(Signer.objects.get(pk=decided.pk)) == sealing.person_of(other)
    assert states([decided.pk]) == {State.HELD}


def test_a_held_signature_counts_once_its_signer_confirms_a_clean_form(
    petition: Petition, client: Client
) -> None:
    held = hold_one(petition)
    warm_cache.total(petition.pk)

    answer = client.post(link(sign(petition)))

    assert "already" in answer.content.decode()
    assert states([held.pk]) == {State.CONFIRMED}
    assert Signature.objects.filter(state=State.PENDING).count() == 1
    assert tallies.total(petition.pk) == 1
    # Pressed once more it changes nothing.
    client.post(link(held.pk))
    assert tallies.total(petition.pk) == 1
    assert not tallies.differences(petition.pk)


@pytest.mark.django_db(transaction=True)
def test_releasing_a_held_signature_refreshes_the_cached_total(
    petition: Petition, client: Client, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    hold_one(petition)
    assert warm_cache.total(petition.pk) == 0

    client.post(link(sign(petition)))

    assert warm_cache.total(petition.pk) == 1


def test_a_released_signature_is_not_held_by_the_next_rescan(
    petition: Petition, moderator: User
) -> None:
    hold_one(petition)
    confirm(sign(petition))
    assert rescan.rescan(petition=petition, actor=moderator).held == 0
    assert tallies.total(petition.pk) == 1


def test_another_suspicious_form_does_not_release_a_held_signature(petition: Petition) -> None:
    held = hold_one(petition)
    assert confirm(suspect(petition)) is Outcome.ALREADY
    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_a_form_of_another_person_does_not_release_a_held_signature(petition: Petition) -> None:
    held = hold_one(petition, AMINA)
    sign_and_confirm(petition, BASHIR)
    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 1


def test_a_form_does_not_release_a_signature_held_by_a_moderator(
    petition: Petition, moderator: User
) -> None:
    counted = sign_and_confirm(petition)
    decisions.decide(kind="hold", petition=petition, ids=[counted.pk], **CHECKED, actor=moderator)

    assert confirm(sign(petition)) is Outcome.ALREADY

    assert states([counted.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_a_form_does_not_release_a_signature_restored_to_held_by_a_moderator(
    petition: Petition, moderator: User
) -> None:
    held = hold_one(petition)
    decisions.decide(kind="remove", petition=petition, ids=[held.pk], **CHECKED, actor=moderator)
    decisions.decide(kind="restore", petition=petition, ids=[held.pk], **CHECKED, actor=moderator)

    assert confirm(sign(petition)) is Outcome.ALREADY

    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_a_held_signature_without_a_household_slot_is_not_released(petition: Petition) -> None:
    held = hold_one(petition)
    Signer.objects.filter(pk=held.pk).update(slot=None)

    assert confirm(sign(petition)) is Outcome.ALREADY

    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_held_signatures_are_not_released_long_after_the_close(petition: Petition) -> None:
    held = hold_one(petition)
    sign(petition)
    Petition.objects.update(closes_at=timezone.now() - timedelta(days=2))
    warm_cache.invalidate()

    assert confirm(held.pk) is Outcome.ALREADY

    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0
