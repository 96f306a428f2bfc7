"""Moderators race with signers and with each other, without the guard and with it."""

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from petitions.counting import tallies
from petitions.models import Petition, Signature
from petitions.moderation import decisions
from petitions.screening.screen import Screening
from petitions.signatures import confirm as confirming
from petitions.signatures import submit
from petitions.signatures.confirm import Outcome
from tests.people import AMINA, DAVID, confirm, sign, sign_and_confirm
from tests.racing import (
    race,
    without_compare_and_set,
    without_mailbox_locks,
    without_row_locks,
)

pytestmark = pytest.mark.django_db(transaction=True)
REASON: dict[str, Any] = {"reason": "false-name", "note": ""}


def _held(petition: Petition) -> Signature:
    suspicious = Screening(verdict=Signature.Verdict.HOLD, signals=("honeypot",))
    held = submit.store(petition=petition, attempt=AMINA, screening=suspicious)
    assert confirm(held) is Outcome.CONFIRMED
    return Signature.objects.get(pk=held)


@pytest.mark.parametrize("guarded", [False, True])
def test_two_concurrent_clean_forms_release_a_held_signature_once(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    held, one, other = _held(petition), sign(petition), sign(petition)
    if not guarded:
        without_mailbox_locks(monkeypatch)
        without_compare_and_set(monkeypatch)

    pressed = race(
        monkeypatch, (confirming, "_judge"), lambda: confirm(one), lambda: confirm(other)
    )

    assert pressed.second_waited is guarded
    assert (pressed.first, pressed.second) == (Outcome.ALREADY, Outcome.ALREADY)
    assert Signature.objects.get(pk=held.pk).state == Signature.State.CONFIRMED
    # Unguarded, both presses count them.
    assert bool(tallies.differences(petition.pk)) is not guarded


@pytest.mark.parametrize("guarded", [False, True])
def test_a_held_signature_removed_during_its_release_stays_removed(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    held, own = _held(petition), sign(petition)
    if not guarded:
        without_compare_and_set(monkeypatch)

    run = race(
        monkeypatch,
        (confirming, "_judge"),
        lambda: confirm(own),
        lambda: _remove(petition, [held.pk], moderator),
    )

    assert run.first is (Outcome.REMOVED if guarded else Outcome.ALREADY)
    state = Signature.objects.get(pk=held.pk).state
    assert state == (Signature.State.REMOVED if guarded else Signature.State.HELD)
    assert tallies.total(petition.pk) == 0


@pytest.mark.parametrize("guarded", [False, True])
def test_a_held_signature_approved_during_its_release_counts_once(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    held, own = _held(petition), sign(petition)
    if not guarded:
        without_compare_and_set(monkeypatch)

    run = race(
        monkeypatch,
        (confirming, "_judge"),
        lambda: confirm(own),
        lambda: decisions.decide(
            kind="approve", petition=petition, ids=[held.pk], **REASON, actor=moderator
        ),
    )

    assert run.first is Outcome.ALREADY
    state = Signature.objects.get(pk=held.pk).state
    assert (state == Signature.State.CONFIRMED) is guarded
    assert bool(tallies.differences(petition.pk)) is not guarded


@pytest.mark.parametrize("guarded", [False, True])
def test_a_signature_removed_while_it_is_being_confirmed_stays_removed(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    signature_id = sign(petition)
    if not guarded:
        without_compare_and_set(monkeypatch)

    run = race(
        monkeypatch,
        (confirming, "_judge"),
        lambda: confirm(signature_id),
        lambda: _remove(petition, [signature_id], moderator),
    )

    expected = Outcome.REMOVED if guarded else Outcome.CONFIRMED
    assert run.first is expected
    state = Signature.objects.get(pk=signature_id).state
    assert state == (Signature.State.REMOVED if guarded else Signature.State.CONFIRMED)
    assert tallies.total(petition.pk) == (0 if guarded else 1)


@pytest.mark.parametrize("guarded", [False, True])
def test_confirming_a_signature_during_its_removal_keeps_the_tally_consistent(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    signature_id = sign(petition)
    if not guarded:
        without_row_locks(monkeypatch)

    run = race(
        monkeypatch,
        (decisions, "_locked"),
        lambda: _remove(petition, [signature_id], moderator),
        lambda: confirm(signature_id),
    )

    assert run.second_waited is guarded
    assert run.second is (Outcome.REMOVED if guarded else Outcome.CONFIRMED)
    assert bool(tallies.differences(petition.pk)) is not guarded


def _remove(petition: Petition, ids: list[UUID], moderator: User) -> decisions.Decided:
    return decisions.decide(kind="remove", petition=petition, ids=ids, actor=moderator, **REASON)


@pytest.mark.parametrize("guarded", [False, True])
def test_two_concurrent_removals_of_the_same_signatures_change_the_tally_once(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    ids = [sign_and_confirm(petition, person).pk for person in (AMINA, DAVID)]
    if not guarded:
        without_row_locks(monkeypatch)

    run = race(
        monkeypatch,
        (decisions, "_locked"),
        lambda: _remove(petition, ids, moderator),
        lambda: _remove(petition, ids[:1], moderator),
    )

    assert run.second_waited is guarded
    if guarded:
        assert (run.first.signatures, run.second.signatures) == (2, 0)
        assert not tallies.differences(petition.pk)
    else:
        # The second took one out; the first then takes it out again.
        assert isinstance(run.first, tallies.TallyBroken)


@pytest.mark.parametrize("guarded", [False, True])
def test_two_concurrent_restorations_change_the_tally_once(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    ids = [sign_and_confirm(petition, person).pk for person in (AMINA, DAVID)]
    _remove(petition, ids, moderator)
    if not guarded:
        without_row_locks(monkeypatch)

    def restore() -> decisions.Decided:
        return decisions.decide(
            kind="restore", petition=petition, ids=ids, actor=moderator, **REASON
        )

    run = race(monkeypatch, (decisions, "_locked"), restore, restore)

    assert run.second_waited is guarded
    assert bool(tallies.differences(petition.pk)) is not guarded
    if guarded:
        assert (run.first.count_change, run.second.count_change) == (2, 0)
