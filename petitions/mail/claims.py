"""Claims on mails of the outbox, which last as long as whoever has them lives, and little longer.

A claim is a `due_at` a little past now, so that the database's clock alone ends it, and no
process has to be asked whether it is still there. A thread renews it: sending one mail to a
slow server may take longer than a claim lasts. Whoever is killed renews nothing, and their
mails are due again within `LEASE`. Whoever stood still for longer finds that the claim has
ended, and sends no more of these mails. A whole sweep that one process does at a time has a
lease instead: see `petitions.infra.leases`.
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
# Ten minutes: whoever hangs for longer holds nothing up any more.
MOST_RENEWALS = 60

logger = logging.getLogger(__name__)


class Claim:
    """Up to `limit` mails that are due, leased to this worker; as a block, until it ends.

    Rows that another worker claims at this moment are passed over. The attempt is counted.
    """

    def __init__(self, limit: int) -> None:
        self._held_until = _from_statement_timestamp()
        rows = _claim(limit)
        self.ids: Sequence[UUID] = [mail_id for mail_id, _due_at in rows]
        # What this worker itself has written: who settles a mail or puts it off writes another.
        self._written = {due_at for _mail_id, due_at in rows}
        self._is_over = threading.Event()
        self._renewing = threading.Thread(target=self._renew_until_over, daemon=True, name="claim")

    def is_held(self) -> bool:
        """Whether nobody else can have claimed these mails meanwhile."""
        return time.monotonic() < self._held_until

    def renew(self) -> None:
        """Let the claim last from now on again, for what is still to be sent."""
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
    """When a claim ends that is made now, by the clock of this process, which nobody sets."""
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
    """Push on what is still claimed; what somebody settles at this moment is not waited for."""
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
