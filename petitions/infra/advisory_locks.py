"""PostgreSQL advisory locks of a transaction (`pg_advisory_xact_lock`), released at its end.

Never those of a session: behind a connection pooler such a lock stays with a connection that
somebody else has by then. What lasts longer has a lease: see `petitions.infra.leases`.
"""

import zlib
from collections.abc import Iterable

from django.db import connection

_NAMED = 7315  # our namespace for these locks, apart from those of mailboxes


class StateChanged(Exception):
    """A concurrent change of what was read (optimistic concurrency). Trying again helps."""


def mailboxes(indexes: Iterable[bytes | memoryview]) -> None:
    """Lock mailboxes until commit, against concurrent confirming, withdrawing or comparing.

    A statement of its own: one that both locked and read would read as of before the wait. In
    sorted order, so that two who want several of the same never deadlock.
    """
    numbers = {int.from_bytes(bytes(index)[:8], "big", signed=True) for index in indexes}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) n", [sorted(numbers)]
        )


def named(name: str, *, is_shared: bool = False) -> None:
    """Lock the named work until commit, alone or shared (a read-write lock). A statement of its
    own, too.
    """
    lock = "pg_advisory_xact_lock_shared" if is_shared else "pg_advisory_xact_lock"
    number = zlib.crc32(name.encode()) - 2**31
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(%s, %s)", [_NAMED, number])
