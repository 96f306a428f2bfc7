"""Signers race: each race goes wrong without its guard, and then not with it."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, models
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.crypto import tokens
from petitions.infra.client_network import NOWHERE
from petitions.models import Mail, Petition, Rule, Signature, Signer
from petitions.privacy import retention
from petitions.screening import rules, screen
from petitions.signatures import change_address, signing_sql, submit, withdraw
from petitions.signatures import confirm as confirming
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from tests.people import AMINA, DAVID, confirm, sign, sign_and_confirm, typed
from tests.racing import (
    race,
    without_compare_and_set,
    without_mailbox_locks,
)

pytestmark = pytest.mark.django_db(transaction=True)


def without_unique_constraints() -> None:
    """As if a person could stand twice. The table is made whole again by the next fixture."""
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX signer_person_once, signer_two_slots_a_mailbox")


@pytest.fixture
def whole_table(petition: Petition) -> Iterable[None]:
    """Puts back the constraints that a test took away."""
    yield
    kept = {"signer_person_once", "signer_two_slots_a_mailbox"}
    Signer.objects.all().delete()
    with connection.schema_editor() as editor, connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'petitions_signer'")
        there = {name for (name,) in cursor.fetchall()}
        for constraint in Signer._meta.constraints:
            if constraint.name in kept - there:
                editor.add_constraint(Signer, constraint)


@pytest.fixture
def count(petition: Petition) -> Callable[[], int]:
    """How many signatures stand, once it is sure that the stored count agrees."""

    def counted() -> int:
        assert not tallies.differences(petition.pk)
        return tallies.total(petition.pk)

    return counted


@pytest.mark.parametrize("guard", ["none", "constraint", "lock"])
def test_a_form_submitted_twice_at_once_counts_one_person(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, whole_table: None, guard: str
) -> None:
    """Both are stored, for a pending signature reserves nothing. Confirming is what counts."""
    submitted = race(
        monkeypatch,
        (submit, "store"),
        lambda: _browser().post("/petitions/protect/", typed()).status_code,
        lambda: _browser().post("/petitions/protect/", typed()).status_code,
    )
    assert (submitted.first, submitted.second) == (303, 303)
    one, other = Signature.objects.values_list("pk", flat=True)
    if guard != "lock":
        without_mailbox_locks(monkeypatch)
    if guard == "none":
        without_unique_constraints()

    pressed = race(
        monkeypatch, (confirming, "_judge"), lambda: confirm(one), lambda: confirm(other)
    )

    assert pressed.second_waited is (guard == "lock")
    assert tallies.total(petition.pk) == (2 if guard == "none" else 1)
    if guard != "none":
        assert {pressed.first, pressed.second} == {Outcome.CONFIRMED, Outcome.ALREADY}


def _browser() -> Client:
    return Client(headers={"Sec-Fetch-Site": "same-origin"})


@pytest.mark.parametrize("guarded", [False, True])
def test_confirming_twice_concurrently_counts_once(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    signature_id = sign(petition)
    if not guarded:
        without_mailbox_locks(monkeypatch)
        without_compare_and_set(monkeypatch)

    pressed = race(
        monkeypatch,
        (confirming, "_judge"),
        lambda: confirm(signature_id),
        lambda: confirm(signature_id),
    )

    assert pressed.second_waited is guarded
    assert tallies.total(petition.pk) == (1 if guarded else 2)
    if guarded:
        assert (pressed.first, pressed.second) == (Outcome.CONFIRMED, Outcome.ALREADY)


@pytest.mark.parametrize("guarded", [False, True])
def test_confirming_a_signature_during_its_expiry_keeps_the_tally_consistent(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    signature_id = sign(petition)
    Signature.objects.update(created_at=timezone.now() - timedelta(days=15))
    # It pressed a moment earlier, by a clock that is a little slow.
    monkeypatch.setattr(confirming, "_is_live", lambda signature, epoch: True)
    if not guarded:
        monkeypatch.setattr(retention, "_locked", _expired_unlocked)

    run = race(
        monkeypatch,
        (retention, "_locked"),
        retention.delete_expired_pending,
        lambda: confirm(signature_id),
    )

    assert run.second_waited is guarded
    assert run.second is (Outcome.GONE if guarded else Outcome.CONFIRMED)
    # Without the lock they are told that they count, and are deleted.
    assert bool(tallies.differences(petition.pk)) is not guarded


def _expired_unlocked(rows: "models.QuerySet[Any]") -> list[UUID]:
    return list(rows.values_list("id", flat=True))


def test_expiry_skips_a_signature_that_is_being_confirmed(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, count: Callable[[], int]
) -> None:
    signature_id = sign(petition)
    Signature.objects.update(created_at=timezone.now() - timedelta(days=15))
    monkeypatch.setattr(confirming, "_is_live", lambda signature, epoch: True)

    run = race(
        monkeypatch,
        (signing_sql, "write"),
        lambda: confirm(signature_id),
        retention.delete_expired_pending,
    )

    assert (run.first, run.second, run.second_waited) == (Outcome.CONFIRMED, 0, False)
    assert count() == 1


@pytest.mark.parametrize("guarded", [False, True])
def test_a_withdrawal_waits_for_a_concurrent_confirmation_in_the_same_mailbox(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    standing = sign_and_confirm(petition)
    sibling = sign(petition)
    if not guarded:
        without_mailbox_locks(monkeypatch)
        # Nor a look whether there is still anybody whose choices could be kept.
        monkeypatch.setattr(confirming, "_merge_choices", lambda *_given, **_options: None)

    run = race(
        monkeypatch,
        (confirming, "_judge"),
        lambda: confirm(sibling),
        lambda: withdraw.withdraw(signature_id=standing.pk),
    )

    # With the lock the withdrawal waits, and what the other is told is true when it is told.
    assert run.second_waited is guarded
    assert (run.first, run.second) == (Outcome.ALREADY, True)
    assert not Signer.objects.exists()
    assert tallies.total(petition.pk) == 0


def test_a_rule_made_during_a_read_takes_effect_at_the_next_read(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules.invalidate()

    run = race(
        monkeypatch,
        (rules, "_read"),
        lambda: _screened(petition),
        lambda: Rule.objects.create(
            kind=Rule.Kind.DOMAIN, action=Rule.Action.BLOCK, pattern="example.org", note="test"
        ),
    )
    assert isinstance(run.second, Rule)
    assert not _screened(petition).is_refused
    monkeypatch.setattr(rules, "SECONDS", 0)  # a moment later
    assert _screened(petition).is_refused


def _screened(petition: Petition) -> screen.Screening:
    with screen.screen(petition=petition, attempt=AMINA, evidence=screen.Evidence()) as (found, _):
        return found


@pytest.mark.parametrize("guard", ["none", "constraint", "lock"])
def test_two_concurrent_moves_to_one_mailbox_do_not_share_its_household_slot(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, whole_table: None, guard: str
) -> None:
    """They are of two homes, so that only one may stand there."""
    new = "family@new.example"
    people = [AMINA, DAVID]
    moves = [_move(sign_and_confirm(petition, one), one.email, new) for one in people]
    if guard != "lock":
        without_mailbox_locks(monkeypatch)
    if guard == "none":
        without_unique_constraints()

    run = race(monkeypatch, (change_address, "_slot"), *moves)

    assert run.second_waited is (guard == "lock")
    moved = [sealing.unsealed(signer)["email"] for signer in Signer.objects.all()]
    assert moved.count(new) == (2 if guard == "none" else 1)
    if guard != "none":
        assert any(isinstance(end, change_address.NoRoom) for end in (run.first, run.second))


def _move(signature: Signature, address: str, new: str) -> Callable[[], None]:
    """What typing the right code does."""
    owner = {"recipient": sealing.recipient_of(address), "reference": signature.reference}
    change_address.request_code(**owner, address=new, language="en", sender=NOWHERE)  # type: ignore[arg-type]
    mail = Mail.objects.get(signature=signature.pk, kind=Mail.Kind.ADDRESS)
    Mail.objects.filter(pk=mail.pk).update(state=Mail.State.SENT)
    code = tokens.code(mail.pk, 0)
    return lambda: change_address.change(**owner, code=code)  # type: ignore[arg-type]
