"""Locks that the database keeps for us, so that they end with the process that took them."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import connection

_SWEEPS = 7315  # a number of ours that sets these locks apart from those of mailboxes


class StateChanged(Exception):
    """Somebody else changed what was read at the same moment. Trying again helps."""


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Whether nobody else does the named work; until the block ends, nobody else will."""
    key = [_SWEEPS, zlib.crc32(name.encode()) - 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        (taken,) = cursor.fetchone()
        try:
            yield taken
        finally:
            if taken:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def mailboxes(indexes: Iterable[bytes | memoryview]) -> None:
    """Wait until nobody else confirms, withdraws or compares for these mailboxes; until commit.

    A statement of its own: one that both locked and read would read as of before the wait. In
    one order, so that two who want several of the same never wait for each other.
    """
    numbers = {int.from_bytes(bytes(index)[:8], "big", signed=True) for index in indexes}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) n", [sorted(numbers)]
        )
