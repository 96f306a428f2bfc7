"""Locks that the database keeps until commit, so that they end with whoever took them.

Never longer than a transaction: behind a connection pooler a lock of the session stays with a
connection that somebody else has by then. What lasts longer has a lease: see
`petitions.infra.leases`.
"""

import zlib
from collections.abc import Iterable

from django.db import connection

_NAMED = 7315  # a number of ours that sets these locks apart from those of mailboxes


class StateChanged(Exception):
    """Somebody else changed what was read at the same moment. Trying again helps."""


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


def named(name: str) -> None:
    """Wait until nobody else does the named work; until commit. A statement of its own, too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [_NAMED, zlib.crc32(name.encode()) - 2**31]
        )
