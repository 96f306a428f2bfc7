"""The count, when several people move it at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.db import OperationalError, connections, transaction

from petitions.counting import tallies
from petitions.models import ABROAD, UNKNOWN, Petition

FORWARDS = {(ABROAD, 0): 1, (UNKNOWN, 0): 1}
BACKWARDS = dict(reversed(FORWARDS.items()))


def _move_at_once(petition: Petition, *batches: dict[tuple[str, int], int]) -> list[object]:
    """Move every batch in a transaction and a thread of its own: each one's exception, or None."""

    def move(changes: dict[tuple[str, int], int]) -> None:
        try:
            with transaction.atomic():
                tallies.move(petition.pk, changes)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(batches)) as threads:
        return [future.exception() for future in [threads.submit(move, b) for b in batches]]


def _meeting_after(add: Callable[..., None], patience: float) -> Callable[..., None]:
    """Let two threads meet once both hold a row, if they can; one that waits comes too late."""
    have_met = threading.Event()
    both_hold_one = threading.Barrier(2, action=have_met.set)

    def add_and_meet(*args: object) -> None:
        add(*args)
        if have_met.is_set():
            return
        with suppress(threading.BrokenBarrierError):
            both_hold_one.wait(timeout=patience)

    return add_and_meet


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [False, True])
def test_batches_that_move_the_same_places_deadlock_unless_they_keep_one_order(
    petition: Petition, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tallies.move(petition.pk, FORWARDS)
    # Unguarded they do meet, however busy the machine is.
    patience = 0.5 if guarded else 30
    monkeypatch.setattr(tallies, "_add", _meeting_after(tallies._add, patience))
    if not guarded:
        monkeypatch.setattr(tallies, "sorted", list, raising=False)

    failures = [error for error in _move_at_once(petition, FORWARDS, BACKWARDS) if error]

    if guarded:
        assert failures == []
        assert tallies.total(petition.pk) == 6
    else:
        (failure,) = failures
        assert isinstance(failure, OperationalError)
        assert "deadlock detected" in str(failure)
        assert tallies.total(petition.pk) == 4
