"""Corrections race with confirming, without the guard and with it."""

from uuid import UUID

import pytest

from petitions.counting import tallies
from petitions.models import Petition, Signature, Signer
from petitions.signatures import check_email, signing_sql
from petitions.signatures.confirm import Outcome
from petitions.signatures.signing_sql import Prepared
from tests.people import AMINA, DAVID, confirm, correct, sign
from tests.racing import (
    race,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("guarded", [False, True])
def test_a_correction_during_confirmation_leaves_the_confirmed_signature(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """The confirmation wins: the correction then takes nothing back, and is a new signing."""
    signature_id = sign(petition)
    if not guarded:
        monkeypatch.setattr(check_email, "_withdraw", _take_back_without_looking)

    run = race(
        monkeypatch,
        (signing_sql, "write"),
        lambda: confirm(signature_id),
        lambda: _correct_and_take_back(petition, signature_id),
    )

    assert run.first is Outcome.CONFIRMED
    assert run.second_waited
    stands = Signature.objects.get(pk=signature_id).state == Signature.State.CONFIRMED
    assert stands is guarded
    assert bool(tallies.differences(petition.pk)) is not guarded


def test_a_signature_withdrawn_by_a_concurrent_correction_is_not_counted(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The correction wins, in the worst moment: between reading and counting."""
    signature_id = sign(petition)

    run = race(
        monkeypatch,
        (signing_sql, "read_under_lock"),
        lambda: confirm(signature_id),
        lambda: _correct_and_take_back(petition, signature_id),
    )

    assert not run.second_waited
    assert run.first is Outcome.GONE
    assert tallies.total(petition.pk) == 0
    assert not tallies.differences(petition.pk)


@pytest.mark.parametrize("guarded", [False, True])
def test_the_link_of_a_corrected_attempt_is_invalid_before_the_worker_withdraws_it(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Or the same person would be counted by the link of either mailbox."""
    signature_id = sign(petition)
    if not guarded:
        looks = signing_sql._READ_MAILBOX.sql
        blind = looks.replace("c.attempt_id = s.id", "false")
        assert blind != looks
        monkeypatch.setattr(signing_sql, "_READ_MAILBOX", Prepared("read_blindly", blind))

    corrected = _correct(petition, signature_id)
    outcomes = [confirm(signature_id), confirm(corrected.attempt_id)]

    first = Outcome.GONE if guarded else Outcome.CONFIRMED
    assert outcomes == [first, Outcome.CONFIRMED]
    assert check_email.withdraw_corrected() == 1
    assert tallies.total(petition.pk) == (1 if guarded else 2)
    assert not tallies.differences(petition.pk)


def test_two_workers_withdraw_a_corrected_attempt_once(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    _correct(petition, sign(petition))

    run = race(
        monkeypatch,
        (check_email, "_withdraw"),
        check_email.withdraw_corrected,
        check_email.withdraw_corrected,
    )

    assert (run.first, run.second, run.second_waited) == (1, 0, False)


def _correct(petition: Petition, signature_id: UUID) -> check_email.Page:
    page = check_email.Page(signature_id, petition.slug, AMINA)
    return correct(page, petition, DAVID)


def _correct_and_take_back(petition: Petition, signature_id: UUID) -> None:
    _correct(petition, signature_id)
    check_email.withdraw_corrected()


def _take_back_without_looking(ids: list[UUID]) -> None:
    Signature.objects.filter(pk__in=ids).update(state=Signature.State.WITHDRAWN)
    Signer.objects.filter(pk__in=ids).delete()
