"""Locks that work behind a connection pooler: transaction-level advisory locks, and leases in rows.

Session-level advisory locks (`pg_advisory_lock`) are not used, because a pooler may give their
connection to another client.

A lease is for periodic work that outlasts a transaction. It is a row with an expiry, taken by
compare-and-set in its own transaction, and renewed by a heartbeat thread. A killed process's lease
expires within `LEASE`. A process that stalls for longer may then run beside another one (there is
no fencing token). So work that must not be done twice has its own lock or constraint, and the lease
only saves work. Workers claim single mails differently: see `petitions.mail.claims`.
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

_NAMESPACE = 7315  # of named locks, which separates them from mailbox locks
LEASE = timedelta(seconds=60)
RENEW_EVERY = 15.0
# Least time between records of a success: mail is delivered after every signing.
NOTED_EVERY = timedelta(seconds=5)

logger = logging.getLogger(__name__)


class StateChanged(Exception):
    """A row was changed after it was read (optimistic locking). Trying again helps."""


def lock_mailboxes(indexes: Iterable[bytes | memoryview]) -> None:
    """Lock mailboxes until commit, against concurrent confirming, withdrawing or reindexing.

    The lock is a separate statement, because one that also read would not see what was committed
    during the wait. The order is sorted, so that concurrent callers do not deadlock.
    """
    numbers = {int.from_bytes(bytes(index)[:8], "big", signed=True) for index in indexes}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(n) FROM unnest(%s::bigint[]) n", [sorted(numbers)]
        )


def lock_named(name: str, *, is_shared: bool = False) -> None:
    """Lock a name until commit, exclusively or shared, by a separate statement as above."""
    lock = "pg_advisory_xact_lock_shared" if is_shared else "pg_advisory_xact_lock"
    number = zlib.crc32(name.encode()) - 2**31
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}(%s, %s)", [_NAMESPACE, number])


@contextmanager
def lease(name: str) -> Iterator[bool]:
    """Hold the named lease during the block. Yield False if another process holds it.

    A block that ends without an exception is recorded as a success. Raises `RuntimeError` inside a
    transaction, because other processes would wait for its end instead of going on.
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
    """Record a success of work that needs no lease, because processes may do it concurrently."""
    _run(
        """
        INSERT INTO petitions_lease (name, started_at, succeeded_at) VALUES (%s, now(), now())
        ON CONFLICT (name) DO UPDATE SET started_at = now(), succeeded_at = now()
        WHERE petitions_lease.succeeded_at IS NULL OR petitions_lease.succeeded_at < now() - %s
        """,
        [name, NOTED_EVERY],
    )


def last_successes(names: Iterable[str]) -> dict[str, timedelta]:
    """Return the time since each task last succeeded, or since this was first called for it."""
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
    # `durable` raises inside another transaction.
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
    """Execute a statement. Return whether a row was written."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)  # type: ignore[arg-type]
        return bool(cursor.rowcount)
