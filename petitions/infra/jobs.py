"""Work that one process does at a time, and when each kind of it last succeeded.

A lease is a row with an end, taken by compare-and-set in a commit of its own. It needs no
connection and no transaction of its own for as long as the work lasts, so that it holds behind a
connection pooler, and pins no old row against vacuum. A thread renews it. Of a process that is
killed it runs out within `LEASE`; one that stood still for longer may find somebody else at the
work when it goes on. So what must not be done twice has a lock or a constraint of its own, and
the lease only saves work.
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
# A success is written again when the last one is older: mail is looked for at every signing.
NOTED_EVERY = timedelta(seconds=5)

logger = logging.getLogger(__name__)


@contextmanager
def alone(name: str) -> Iterator[bool]:
    """Whether nobody else does the named work; until the block ends, nobody else will.

    A block that ends without an exception is noted as a success. Never inside a transaction:
    others would wait for its end, where they are to pass.
    """
    lease = uuid.uuid4()
    if not _take(name, lease):
        yield False
        return
    is_over = threading.Event()
    renewing = threading.Thread(target=_renew_until, args=[is_over, name, lease], daemon=True)
    renewing.start()
    succeeded = False
    try:
        yield True
        succeeded = True
    finally:
        is_over.set()
        renewing.join()
        _give_back(name, lease, succeeded=succeeded)


def note_success(name: str) -> None:
    """Note that work which any number of processes may do has come to its end."""
    _run(
        """
        INSERT INTO petitions_job (name, started_at, succeeded_at) VALUES (%s, now(), now())
        ON CONFLICT (name) DO UPDATE SET started_at = now(), succeeded_at = now()
        WHERE petitions_job.succeeded_at IS NULL OR petitions_job.succeeded_at < now() - %s
        """,
        [name, NOTED_EVERY],
    )


def last_successes(names: Iterable[str]) -> dict[str, timedelta]:
    """How long ago each kind of work came to its end; of one that never did, since when it has
    been asked for.
    """
    names = sorted(names)
    _run(
        """
        INSERT INTO petitions_job (name, succeeded_at)
        SELECT name, now() FROM unnest(%s::text[]) name ORDER BY 1
        ON CONFLICT (name) DO UPDATE SET succeeded_at = now()
        WHERE petitions_job.succeeded_at IS NULL
        """,
        [names],
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, now() - succeeded_at FROM petitions_job WHERE name = ANY(%s)", [names]
        )
        return dict(cursor.fetchall())


def _take(name: str, lease: UUID) -> bool:
    # Durable: it raises inside another transaction.
    with transaction.atomic(durable=True):
        return _run(
            """
            INSERT INTO petitions_job (name, lease, leased_until, started_at)
            VALUES (%(name)s, %(lease)s, now() + %(lasting)s, now())
            ON CONFLICT (name) DO UPDATE SET lease = EXCLUDED.lease,
                leased_until = EXCLUDED.leased_until, started_at = EXCLUDED.started_at
            WHERE petitions_job.lease IS NULL OR petitions_job.leased_until < now()
            """,
            {"name": name, "lease": lease, "lasting": LEASE},
        )


def _renew_until(is_over: threading.Event, name: str, lease: UUID) -> None:
    try:
        while not is_over.wait(RENEW_EVERY):
            try:
                if not _renew(name, lease):
                    logger.warning("the lease of %s ran out, and somebody else may be at it", name)
                    return
            except Error as error:
                logger.warning("the lease of %s is not renewed (%s)", name, type(error).__name__)
                connection.close()
    finally:
        connection.close()


def _renew(name: str, lease: UUID) -> bool:
    return _run(
        "UPDATE petitions_job SET leased_until = now() + %s WHERE name = %s AND lease = %s",
        [LEASE, name, lease],
    )


def _give_back(name: str, lease: UUID, *, succeeded: bool) -> None:
    _run(
        """
        UPDATE petitions_job SET lease = NULL, leased_until = NULL,
            succeeded_at = CASE WHEN %(succeeded)s THEN now() ELSE succeeded_at END
        WHERE name = %(name)s AND lease = %(lease)s
        """,
        {"name": name, "lease": lease, "succeeded": succeeded},
    )


def _run(sql: str, values: object) -> bool:
    """Whether a row was written."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)  # type: ignore[arg-type]
        return bool(cursor.rowcount)
