"""Locks that hold behind a connection pooler: advisory locks until commit, and leases in a row.

Never a session's advisory lock (`pg_advisory_lock`): behind a pooler it stays with a connection
that somebody else has by then.

A lease, for periodic work that outlasts a transaction, is a row with an expiry, taken by
compare-and-set in a commit of its own, and renewed by a heartbeat thread. That of a killed process
expires within `LEASE`; one that stalled for longer may find another at the work when it goes on
(there is no fencing). So what must not be done twice has a lock or a constraint of its own, and the
lease only saves work. A worker's claim on single mails is no such row: see `petitions.mail.claims`.
"""

import logging
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import Error, connection, transaction

_NAMED = 7315  # our namespace for these locks, apart from those of mailboxes
LEASE = timedelta(seconds=60)
RENEW_EVERY = 15.0
# Successes are recorded at most this often: mail is looked for at every signing.
NOTED_EVERY = timedelta(seconds=5)

logger = logging.getLogger(__name__)


class StateChanged(Exception):
    """A concurrent change of what was read (optimistic concurrency). Trying again helps."""


def lock_mailboxes(indexes: Iterable[bytes | memoryview]) -> None:
    """Lock mailboxes until commit, against concurrent confirming, withdrawing or comparing.

    A statement of its own: one that both locked and read would read as of before the wait. In
    sorted order, so that two who want several of the same never deadlock.
    """
    numbers = {int.from_bytes(bytes(index)[:8], "big", signed=True) for index in indexes}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) n", [sorted(numbers)]
        )


def lock_named(name: str, *, is_shared: bool = False) -> None:
    """Lock the named work until commit, alone or shared (a read-write lock). A statement of its
    own, too.
    """
    lock = "pg_advisory_xact_lock_shared" if is_shared else "pg_advisory_xact_lock"
    number = zlib.crc32(name.encode()) - 2**31
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(%s, %s)", [_NAMED, number])


@contextmanager
def lease(name: str) -> Iterator[bool]:
    """Hold the lease of the named work within the block; yields False if another process has it.

    A block that ends without an exception is recorded as a success. Raises inside a transaction:
    others would wait for its end, where they are to pass.
    """
    holder = uuid.uuid4()
    if not _take(name, holder):
        yield False
        return
    is_over = threading.Event()
    renewing = threading.Thread(target=_renew_until, args=[is_over, name, holder], daemon=True)
    renewing.start()
    succeeded = False
    try:
        yield True
        succeeded = True
    finally:
        is_over.set()
        renewing.join()
        _run(
            """
            UPDATE petitions_lease SET holder = NULL, expires_at = NULL,
                succeeded_at = CASE WHEN %s THEN now() ELSE succeeded_at END
            WHERE name = %s AND holder = %s
            """,
            [succeeded, name, holder],
        )


def note_success(name: str) -> None:
    """Record a success of work that any number of processes may do at a time, without a lease."""
    _run(
        """
        INSERT INTO petitions_lease (name, started_at, succeeded_at) VALUES (%s, now(), now())
        ON CONFLICT (name) DO UPDATE SET started_at = now(), succeeded_at = now()
        WHERE petitions_lease.succeeded_at IS NULL OR petitions_lease.succeeded_at < now() - %s
        """,
        [name, NOTED_EVERY],
    )


def last_successes(names: Iterable[str]) -> dict[str, timedelta]:
    """Time since each job last succeeded; if never, since it was first asked for here."""
    names = sorted(names)
    _run(
        """
        INSERT INTO petitions_lease (name, succeeded_at)
        SELECT name, now() FROM unnest(%s::text[]) name ORDER BY 1
        ON CONFLICT (name) DO UPDATE SET succeeded_at = now()
        WHERE petitions_lease.succeeded_at IS NULL
        """,
        [names],
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, now() - succeeded_at FROM petitions_lease WHERE name = ANY(%s)", [names]
        )
        return dict(cursor.fetchall())


def _take(name: str, holder: UUID) -> bool:
    # Durable: it raises inside another transaction.
    with transaction.atomic(durable=True):
        return _run(
            """
            INSERT INTO petitions_lease (name, holder, expires_at, started_at)
            VALUES (%s, %s, now() + %s, now())
            ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder,
                expires_at = EXCLUDED.expires_at, started_at = EXCLUDED.started_at
            WHERE petitions_lease.holder IS NULL OR petitions_lease.expires_at < now()
            """,
            [name, holder, LEASE],
        )


def _renew_until(is_over: threading.Event, name: str, holder: UUID) -> None:
    renew = "UPDATE petitions_lease SET expires_at = now() + %s WHERE name = %s AND holder = %s"
    try:
        while not is_over.wait(RENEW_EVERY):
            try:
                if not _run(renew, [LEASE, name, holder]):
                    logger.warning("the lease of %s ran out, and somebody else may be at it", name)
                    return
            except Error as error:
                logger.warning("the lease of %s is not renewed (%s)", name, type(error).__name__)
                connection.close()
    finally:
        connection.close()


def _run(sql: str, values: list[object]) -> bool:
    """Execute a statement; return whether a row was written."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)  # type: ignore[arg-type]
        return bool(cursor.rowcount)
