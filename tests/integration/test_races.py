"""Races: each is first shown to go wrong without its guard, and then not with it.

Nothing here hopes for an unlucky moment. The first thread is stopped at the worst one; the
second then runs until it is done, or until it waits for a lock that the first holds; only
then may the first go on. Each thread has a connection of its own.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, models
from django.test import Client
from django.utils import timezone

from petitions import (
    attempts,
    confirming,
    locks,
    moderation,
    retention,
    signing,
    tallies,
    withdrawing,
)
from petitions.confirming import Outcome
from petitions.models import Petition, Rule, Signature, Signer
from petitions.prepared import Statement
from petitions.screening import rules, verdicts
from petitions.screening.verdicts import Screening
from tests.people import AMINA, DAVID, confirm, sign, sign_and_confirm, typed

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20.0
REASON = {"reason": "false-name", "note": ""}
_COMPARE_AND_SET = "AND state = %(from_state)s"
Action = Callable[[], Any]


@dataclass
class Race:
    """What came of two who were at it at once."""

    first: Any = None
    second: Any = None
    # Whether the second had to wait until the first was done.
    second_waited: bool = False
    _stopped: threading.Event = field(default_factory=threading.Event)
    _may_go_on: threading.Event = field(default_factory=threading.Event)


def race(
    monkeypatch: pytest.MonkeyPatch, stop: tuple[Any, str], first: Action, second: Action
) -> Race:
    """Run the second while the first stands still, right after it called what `stop` names.

    If the first confirms, then step by step: at once there is no moment to be stopped at.
    """
    run = Race()
    module, name = stop
    original, at_once = getattr(module, name), confirming._at_once
    threads: dict[str, threading.Thread] = {}

    def second_at_once(signature_id: UUID, epoch: int) -> Signature | None:
        is_first = threading.current_thread() is threads["first"]
        return None if is_first else at_once(signature_id, epoch)

    monkeypatch.setattr(confirming, "_at_once", second_at_once)

    def stopping(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if threading.current_thread() is threads["first"] and not run._stopped.is_set():
            run._stopped.set()
            assert run._may_go_on.wait(PATIENCE)
        return result

    monkeypatch.setattr(module, name, stopping)
    pids: dict[str, int] = {}
    threads["first"] = _thread(run, "first", first, pids)
    threads["second"] = _thread(run, "second", second, pids)
    threads["first"].start()
    try:
        assert run._stopped.wait(PATIENCE), f"it never called {name}: {run.first!r}"
        threads["second"].start()
        run.second_waited = _waits_for_a_lock(threads["second"], pids)
    finally:
        run._may_go_on.set()
        for thread in threads.values():
            if thread.ident:
                thread.join(PATIENCE)
    return run


def _thread(run: Race, name: str, action: Action, pids: dict[str, int]) -> threading.Thread:
    def work() -> None:
        try:
            connection.ensure_connection()
            pids[name] = connection.connection.info.backend_pid
            setattr(run, name, action())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            setattr(run, name, error)
        finally:
            connections.close_all()

    return threading.Thread(target=work, name=name)


def _waits_for_a_lock(thread: threading.Thread, pids: dict[str, int]) -> bool:
    """Whether the thread comes to wait for a lock; False once it is done without."""
    deadline = time.monotonic() + PATIENCE
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s",
                [pids.get("second", 0)],
            )
            if cursor.fetchone() == (True,):
                return True
        assert time.monotonic() < deadline
        thread.join(0.01)
    return False


def without_mailbox_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if confirming and withdrawing waited for nobody."""
    monkeypatch.setattr(confirming, "_LOCK_MAILBOX_OF", Statement("no_lock", "SELECT 1"))
    monkeypatch.setattr(locks, "mailboxes", lambda indexes: None)


def without_compare_and_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if confirming wrote the new state whatever the old one had become."""
    sql = confirming._WISHES.sql
    assert _COMPARE_AND_SET in sql
    unguarded = Statement("move_without_a_look", sql.replace(_COMPARE_AND_SET, ""))
    monkeypatch.setattr(confirming, "_WISHES", unguarded)


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


# --- Submitting twice -------------------------------------------------------------------------


@pytest.mark.parametrize("guard", ["none", "constraint", "lock"])
def test_a_form_submitted_twice_at_once_counts_one_person(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, whole_table: None, guard: str
) -> None:
    """Both are stored, for a pending signature reserves nothing. Confirming is what counts."""
    submitted = race(
        monkeypatch,
        (signing, "_insert"),
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


# --- Confirming twice -------------------------------------------------------------------------


@pytest.mark.parametrize("guarded", [False, True])
def test_a_button_pressed_twice_at_once_counts_once(
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


# --- Releasing who is held by a machine alone ---------------------------------------------------


def _held(petition: Petition) -> Signature:
    suspicious = Screening(verdict=Signature.Verdict.HOLD, signals=("honeypot",))
    held = signing.sign(petition=petition, attempt=AMINA, screening=suspicious)
    assert confirm(held) is Outcome.CONFIRMED
    return Signature.objects.get(pk=held)


@pytest.mark.parametrize("guarded", [False, True])
def test_two_forms_pressed_at_once_release_who_is_held_once(
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
    state = Signature.objects.get(pk=held.pk).state
    assert (state == Signature.State.CONFIRMED) is guarded
    assert bool(tallies.differences(petition.pk)) is not guarded


@pytest.mark.parametrize("guarded", [False, True])
def test_a_held_signature_removed_while_its_owner_presses_stays_removed(
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
def test_a_held_signature_approved_while_its_owner_presses_counts_once(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    held, own = _held(petition), sign(petition)
    if not guarded:
        without_compare_and_set(monkeypatch)

    run = race(
        monkeypatch,
        (confirming, "_judge"),
        lambda: confirm(own),
        lambda: moderation.approve(petition=petition, ids=[held.pk], **REASON, actor=moderator),
    )

    assert run.first is Outcome.ALREADY
    state = Signature.objects.get(pk=held.pk).state
    assert (state == Signature.State.CONFIRMED) is guarded
    assert bool(tallies.differences(petition.pk)) is not guarded


# --- Confirming and removing ------------------------------------------------------------------


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
def test_a_signature_confirmed_while_it_is_being_removed_leaves_a_count_that_agrees(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    signature_id = sign(petition)
    if not guarded:
        without_row_locks(monkeypatch)

    run = race(
        monkeypatch,
        (moderation, "_locked"),
        lambda: _remove(petition, [signature_id], moderator),
        lambda: confirm(signature_id),
    )

    assert run.second_waited is guarded
    assert run.second is (Outcome.REMOVED if guarded else Outcome.CONFIRMED)
    assert bool(tallies.differences(petition.pk)) is not guarded


def without_row_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if moderators' decisions read signatures without locking them."""

    def unlocked(petition: Petition, ids: Iterable[UUID], states: Any) -> list[Signature]:
        return list(Signature.objects.filter(petition=petition, pk__in=ids, state__in=states))

    monkeypatch.setattr(moderation, "_locked", unlocked)


def _remove(petition: Petition, ids: list[UUID], moderator: User) -> moderation.Decided:
    return moderation.remove(petition=petition, ids=ids, actor=moderator, **REASON)


# --- Confirming and expiring ------------------------------------------------------------------


@pytest.mark.parametrize("guarded", [False, True])
def test_a_link_pressed_while_it_expires_is_counted_or_dead_but_not_lost(
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


def test_what_is_being_confirmed_is_passed_over_by_what_expires(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, count: Callable[[], int]
) -> None:
    signature_id = sign(petition)
    Signature.objects.update(created_at=timezone.now() - timedelta(days=15))
    monkeypatch.setattr(confirming, "_is_live", lambda signature, epoch: True)

    run = race(
        monkeypatch,
        (confirming, "_take_slot"),
        lambda: confirm(signature_id),
        retention.delete_expired_pending,
    )

    assert (run.first, run.second, run.second_waited) == (Outcome.CONFIRMED, 0, False)
    assert count() == 1


# --- Withdrawing and a sibling's confirmation -------------------------------------------------


@pytest.mark.parametrize("guarded", [False, True])
def test_nobody_is_told_that_they_stand_after_they_were_erased(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    standing = sign_and_confirm(petition)
    sibling = sign(petition)
    if not guarded:
        without_mailbox_locks(monkeypatch)
        # Nor a look whether there is still anybody whose wishes could be heeded.
        monkeypatch.setattr(confirming, "_heed_wishes", lambda *_given, **_options: None)

    run = race(
        monkeypatch,
        (confirming, "_judge"),
        lambda: confirm(sibling),
        lambda: withdrawing.withdraw(signature_id=standing.pk),
    )

    # With the lock the withdrawal waits, and what the other is told is true when it is told.
    assert run.second_waited is guarded
    assert (run.first, run.second) == (Outcome.ALREADY, True)
    assert not Signer.objects.exists()
    assert tallies.total(petition.pk) == 0


# --- Rules and signing ------------------------------------------------------------------------


@pytest.mark.parametrize("guarded", [False, True])
def test_a_rule_made_while_the_rules_are_being_read_is_not_missed(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """The mark that tells of changes is read before the rules, so it can only be too old."""
    rules.forget()
    if not guarded:
        monkeypatch.setattr(rules, "_look", _look_the_wrong_way_round)

    run = race(
        monkeypatch,
        (rules, "_mark" if guarded else "_read"),
        lambda: _screened(petition),
        lambda: Rule.objects.create(
            kind=Rule.Kind.DOMAIN, action=Rule.Action.BLOCK, pattern="example.org", note="test"
        ),
    )
    assert isinstance(run.second, Rule)
    monkeypatch.setattr(rules._kept, "until", 0.0)  # a moment later

    try:
        assert _screened(petition).is_refused is guarded
    finally:
        rules.forget()


def _screened(petition: Petition) -> verdicts.Screening:
    return verdicts.screen(petition=petition, attempt=AMINA, sender=None)


def _look_the_wrong_way_round() -> rules.Rules:
    kept = rules._kept
    if kept.rules is None:
        kept.rules = rules._read()
        kept.mark = rules._mark()
    elif (mark := rules._mark()) != kept.mark:
        kept.rules, kept.mark = rules._read(), mark
    return kept.rules


# --- Decision and decision --------------------------------------------------------------------


@pytest.mark.parametrize("guarded", [False, True])
def test_two_decisions_over_the_same_signatures_move_the_count_once(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    ids = [sign_and_confirm(petition, person).pk for person in (AMINA, DAVID)]
    if not guarded:
        without_row_locks(monkeypatch)

    run = race(
        monkeypatch,
        (moderation, "_locked"),
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
def test_a_removal_and_a_restoration_at_once_leave_a_count_that_agrees(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    ids = [sign_and_confirm(petition, person).pk for person in (AMINA, DAVID)]
    _remove(petition, ids, moderator)
    if not guarded:
        without_row_locks(monkeypatch)

    def restore() -> moderation.Decided:
        return moderation.restore(petition=petition, ids=ids, actor=moderator, **REASON)

    run = race(monkeypatch, (moderation, "_locked"), restore, restore)

    assert run.second_waited is guarded
    assert bool(tallies.differences(petition.pk)) is not guarded
    if guarded:
        assert (run.first.count_change, run.second.count_change) == (2, 0)


# --- Correcting and confirming ----------------------------------------------------------------


@pytest.mark.parametrize("guarded", [False, True])
def test_what_is_corrected_while_it_is_being_confirmed_stands_once(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """The confirmation wins: the correction then takes nothing back, and is a new signing."""
    signature_id = sign(petition)
    if not guarded:
        monkeypatch.setattr(attempts, "_take_back", _take_back_without_looking)

    run = race(
        monkeypatch,
        (confirming, "_take_slot"),
        lambda: confirm(signature_id),
        lambda: _correct_and_take_back(petition, signature_id),
    )

    assert run.first is Outcome.CONFIRMED
    assert run.second_waited
    stands = Signature.objects.get(pk=signature_id).state == Signature.State.CONFIRMED
    assert stands is guarded
    assert bool(tallies.differences(petition.pk)) is not guarded


def test_what_is_taken_back_while_it_is_being_confirmed_is_not_counted(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The correction wins, in the worst moment: between reading and counting."""
    signature_id = sign(petition)

    run = race(
        monkeypatch,
        (confirming, "_read_under_lock"),
        lambda: confirm(signature_id),
        lambda: _correct_and_take_back(petition, signature_id),
    )

    assert not run.second_waited
    assert run.first is Outcome.GONE
    assert tallies.total(petition.pk) == 0
    assert not tallies.differences(petition.pk)


@pytest.mark.parametrize("guarded", [False, True])
def test_the_link_of_what_was_corrected_is_dead_before_the_worker_has_taken_it_back(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Or the same person would be counted by the link of either mailbox."""
    signature_id = sign(petition)
    if not guarded:
        looks = confirming._READ_MAILBOX_OF.sql
        blind = looks.replace("c.attempt_id = s.id", "false")
        assert blind != looks
        monkeypatch.setattr(confirming, "_READ_MAILBOX_OF", Statement("read_blindly", blind))

    corrected = _correct(petition, signature_id)
    outcomes = [confirm(signature_id), confirm(corrected.attempt_id)]

    first = Outcome.GONE if guarded else Outcome.CONFIRMED
    assert outcomes == [first, Outcome.CONFIRMED]
    assert attempts.take_back_corrected() == 1
    assert tallies.total(petition.pk) == (1 if guarded else 2)
    assert not tallies.differences(petition.pk)


def test_two_workers_that_take_back_at_once_do_it_once(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    _correct(petition, sign(petition))

    run = race(
        monkeypatch,
        (attempts, "_take_back"),
        attempts.take_back_corrected,
        attempts.take_back_corrected,
    )

    assert (run.first, run.second, run.second_waited) == (1, 0, False)


def _correct(petition: Petition, signature_id: UUID) -> attempts.Page:
    page = attempts.Page(signature_id, petition.slug, AMINA)
    return attempts.correct(page=page, petition=petition, attempt=DAVID)


def _correct_and_take_back(petition: Petition, signature_id: UUID) -> None:
    _correct(petition, signature_id)
    attempts.take_back_corrected()


def _take_back_without_looking(ids: list[UUID]) -> None:
    Signature.objects.filter(pk__in=ids).update(state=Signature.State.WITHDRAWN)
    Signer.objects.filter(pk__in=ids).delete()
