"""Claims: leases on outbox rows, which a heartbeat thread renews while the worker lives.

A claim is a `due_at` a little past now (a visibility timeout), so that the database's clock alone
ends it, and no process has to be asked whether it is alive. A thread renews it: sending one mail to
a slow server may take longer than a claim lasts. A worker that is killed renews nothing, and its
mails are due again within `LEASE`. One that stalled for longer finds that its claim has expired,
and sends no more of these mails. A sweep that one process does at a time has a lease row instead:
see `petitions.infra.locks`.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from django.db import Error, connection

from petitions.models import Mail

LEASE = timedelta(seconds=30)
RENEW_EVERY = 10.0
# Ten minutes: a worker that hangs for longer blocks its mails no more.
MOST_RENEWALS = 60

logger = logging.getLogger(__name__)


class Claim:
    """A lease on up to `limit` due mails (SKIP LOCKED), renewed within its `with` block.

    Rows that another worker is claiming are skipped. The attempt is counted.
    """

    def __init__(self, limit: int) -> None:
        self._held_until = _from_statement_timestamp()
        rows = _claim(limit)
        self.ids: Sequence[UUID] = [mail_id for mail_id, _due_at in rows]
        # Compare-and-set: the `due_at`s that this worker wrote. Deferring a mail writes another.
        self._written = {due_at for _mail_id, due_at in rows}
        self._is_over = threading.Event()
        self._renewing = threading.Thread(target=self._renew_until_over, daemon=True, name="claim")

    def is_held(self) -> bool:
        """Whether the lease has not expired, so that no other worker has these mails."""
        return time.monotonic() < self._held_until

    def renew(self) -> None:
        """Extend the lease to `LEASE` from now, for the mails that are still to be sent."""
        held_until = _from_statement_timestamp()
        if written := _renew(self.ids, self._written):
            self._written |= written
            self._held_until = held_until

    def __enter__(self) -> Self:
        self._renewing.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._renewing.join()

    def _renew_until_over(self) -> None:
        try:
            for _renewal in range(MOST_RENEWALS):
                if self._is_over.wait(RENEW_EVERY) or not self.is_held():
                    return
                try:
                    self.renew()
                except Error as error:
                    logger.warning("a claim on mails is not renewed (%s)", type(error).__name__)
                    connection.close()
        finally:
            connection.close()


def _from_statement_timestamp() -> float:
    """When a lease that is taken now expires, by this process's monotonic clock."""
    return time.monotonic() + LEASE.total_seconds()


def _claim(limit: int) -> list[tuple[UUID, datetime]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS (
                SELECT id FROM petitions_mail WHERE state = %s AND due_at <= statement_timestamp()
                ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
            )
            UPDATE petitions_mail m
            SET due_at = statement_timestamp() + make_interval(secs => %s), attempts = attempts + 1
            FROM due WHERE m.id = due.id RETURNING m.id, m.due_at
            """,
            [Mail.State.QUEUED, limit, LEASE.total_seconds()],
        )
        rows: list[tuple[UUID, datetime]] = cursor.fetchall()
    return rows


def _renew(ids: Sequence[UUID], written: set[datetime]) -> set[datetime]:
    """Extend the lease of rows that are still ours; skip those that are locked (being settled)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH mine AS (
                SELECT id FROM petitions_mail
                WHERE id = ANY(%s) AND state = %s AND due_at = ANY(%s) FOR UPDATE SKIP LOCKED
            )
            UPDATE petitions_mail m SET due_at = statement_timestamp() + make_interval(secs => %s)
            FROM mine WHERE m.id = mine.id RETURNING m.due_at
            """,
            [list(ids), Mail.State.QUEUED, list(written), LEASE.total_seconds()],
        )
        return {due_at for (due_at,) in cursor.fetchall()}
