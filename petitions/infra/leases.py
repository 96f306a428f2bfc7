"""Leases for periodic work, so that one process does it at a time, and each job's last success.

A lease is a row with an expiry, taken by compare-and-set in a commit of its own. It needs no
connection and no transaction for as long as the work lasts, so that it holds behind a connection
pooler, and pins no old row against vacuum. A heartbeat thread renews it. That of a killed process
expires within `LEASE`; one that stalled for longer may find another at the work when it goes on
(there is no fencing). So what must not be done twice has a lock or a constraint of its own, and the
lease only saves work. A worker's claim on single mails is no such row: see `petitions.mail.claims`.
"""

import logging
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import Error, connection, transaction

LEASE = timedelta(seconds=60)
RENEW_EVERY = 15.0
# Successes are recorded at most this often: mail is looked for at every signing.
NOTED_EVERY = timedelta(seconds=5)

logger = logging.getLogger(__name__)


@contextmanager
def alone(name: str) -> Iterator[bool]:
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
        _give_back(name, holder, succeeded=succeeded)


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
            VALUES (%(name)s, %(holder)s, now() + %(lasting)s, now())
            ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder,
                expires_at = EXCLUDED.expires_at, started_at = EXCLUDED.started_at
            WHERE petitions_lease.holder IS NULL OR petitions_lease.expires_at < now()
            """,
            {"name": name, "holder": holder, "lasting": LEASE},
        )


def _renew_until(is_over: threading.Event, name: str, holder: UUID) -> None:
    try:
        while not is_over.wait(RENEW_EVERY):
            try:
                if not _renew(name, holder):
                    logger.warning("the lease of %s ran out, and somebody else may be at it", name)
                    return
            except Error as error:
                logger.warning("the lease of %s is not renewed (%s)", name, type(error).__name__)
                connection.close()
    finally:
        connection.close()


def _renew(name: str, holder: UUID) -> bool:
    return _run(
        "UPDATE petitions_lease SET expires_at = now() + %s WHERE name = %s AND holder = %s",
        [LEASE, name, holder],
    )


def _give_back(name: str, holder: UUID, *, succeeded: bool) -> None:
    _run(
        """
        UPDATE petitions_lease SET holder = NULL, expires_at = NULL,
            succeeded_at = CASE WHEN %(succeeded)s THEN now() ELSE succeeded_at END
        WHERE name = %(name)s AND holder = %(holder)s
        """,
        {"name": name, "holder": holder, "succeeded": succeeded},
    )


def _run(sql: str, values: object) -> bool:
    """Execute a statement; return whether a row was written."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)  # type: ignore[arg-type]
        return bool(cursor.rowcount)
