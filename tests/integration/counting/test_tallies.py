"""Tallies under concurrent changes."""

import re
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection, connections, transaction

from petitions.counting import tallies
from petitions.models import ABROAD, UNKNOWN, Petition, Tally

# Without one lock order, each waits for a row that the other holds.
FORWARDS = {(ABROAD, 0): 1, (ABROAD, 1): 1, (UNKNOWN, 0): 1}
BACKWARDS = {(UNKNOWN, 0): 1, (UNKNOWN, 1): 1, (ABROAD, 0): 1}


def _move(petition: Petition, changes: dict[tuple[str, int], int]) -> None:
    try:
        with transaction.atomic():
            tallies.move(petition.pk, changes)
    finally:
        connections.close_all()


def _wait_until_both_wait() -> None:
    deadline = time.monotonic() + 30
    waiting = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone() == (2,):
                return
        time.sleep(0.05)
    raise AssertionError("they do not wait")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("guarded", [False, True])
def test_concurrent_batches_deadlock_without_a_consistent_lock_order(
    petition: Petition, guarded: bool, sign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for batch in (FORWARDS, BACKWARDS):
        tallies.move(petition.pk, dict.fromkeys(batch, 10))
    before = tallies.total(petition.pk)
    if not guarded:
        for name in ("_ADD_ALL", "_LOCK_ALL"):
            # Each begins with its own first place.
            statement = re.sub(
                r'ORDER BY (\S+) COLLATE "C"',
                r"ORDER BY \1 = (%(places)s::text[])[1] DESC",
                getattr(tallies, name),
            )
            monkeypatch.setattr(tallies, name, statement)

    results: list[Future[None]] = []
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            list(Tally.objects.filter(petition=petition, shard=1).select_for_update())
            for batch in (FORWARDS, BACKWARDS):
                changes = {key: sign * n for key, n in batch.items()}
                results.append(threads.submit(_move, petition, changes))
            _wait_until_both_wait()
        failures = [error for one in results if (error := one.exception(30))]

    if guarded:
        assert failures == []
        assert tallies.total(petition.pk) == before + sign * 6
    else:
        (failure,) = failures
        assert isinstance(failure, OperationalError)
        assert "deadlock detected" in str(failure)
        assert tallies.total(petition.pk) == before + sign * 3


@pytest.mark.django_db
def test_a_batch_is_rolled_back_if_a_tally_would_become_negative(petition: Petition) -> None:
    tallies.move(petition.pk, {(ABROAD, 0): 1, (UNKNOWN, 0): 3})

    with pytest.raises(tallies.TallyBroken), transaction.atomic():
        tallies.move(petition.pk, {(ABROAD, 0): -2, (UNKNOWN, 0): -1})

    assert tallies.total(petition.pk) == 4
