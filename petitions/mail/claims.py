"""The rows of the outbox: claim them under a lease, renew it, write outcomes by compare-and-set.

Claiming sets `due_at` a little past now (a visibility timeout), so that the database's clock alone
ends a claim. A thread renews it, because sending one mail to a slow server may take longer than
`LEASE`. A worker that is killed renews nothing, and its mails are due again within `LEASE`. A
worker that stalled for longer finds that its claim has expired and sends no more of these mails.
It cannot overwrite an outcome either: every claim counts an attempt, and outcomes are written by
id and attempt. Sweeps that only one process may run use a lease row instead: see
`petitions.infra.locks`.
"""

import logging
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Self
from uuid import UUID

from django.db import Error, connection, transaction
from django.db.models import F

from petitions.models import Mail

LEASE = timedelta(seconds=30)
RENEW_EVERY = 10.0
# Ten minutes. A worker that hangs for longer stops blocking its mails.
MAX_RENEWALS = 60
FIRST_WAIT = 20
MAX_WAIT = 4 * 3600
# With this backoff that is five days, after which mail servers give up (RFC 5321, 4.5.4.1).
MAX_ATTEMPTS = 40
# The column of `NewsCount` for each outcome.
_NEWS_COLUMNS = {
    Mail.State.SENT: "sent",
    Mail.State.REFUSED: "refused",
    Mail.State.FAILED: "refused",
    Mail.State.WITHHELD: "withheld",
    Mail.State.CANCELLED: "withheld",
}

logger = logging.getLogger(__name__)


class Claim:
    """A lease on up to `limit` due mails (SKIP LOCKED), renewed within its `with` block.

    It holds mails of one news item, or else of all other kinds, so that nothing waits for news.
    Rows that another worker is claiming are skipped. Each claim counts an attempt.
    """

    def __init__(self, limit: int, *, news_id: UUID | None = None) -> None:
        # These are the exact conditions of the two partial indexes.
        which = "kind = 'news' AND news_id = %s" if news_id else "kind <> 'news'"
        self._held_until = time.monotonic() + LEASE.total_seconds()
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH due AS (
                    SELECT id FROM petitions_mail
                    WHERE state = %s AND due_at <= statement_timestamp() AND {which}
                    ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
                )
                UPDATE petitions_mail m
                SET due_at = statement_timestamp() + make_interval(secs => %s),
                    attempts = attempts + 1
                FROM due WHERE m.id = due.id RETURNING m.id, m.due_at
                """,  # noqa: S608 - of this function's constants
                [
                    Mail.State.QUEUED,
                    *([news_id] if news_id else []),
                    limit,
                    LEASE.total_seconds(),
                ],
            )
            rows = cursor.fetchall()
        self.ids: list[UUID] = [mail_id for mail_id, _due_at in rows]
        # Renewing compares with the `due_at`s that this worker wrote: deferring a mail changes it.
        self._written = {due_at for _mail_id, due_at in rows}
        self._is_over = threading.Event()
        self._renewing = threading.Thread(target=self._renew_until_over, daemon=True, name="claim")

    def is_held(self) -> bool:
        """Return whether the lease has not expired, so that no other worker has these mails."""
        return time.monotonic() < self._held_until

    def renew(self) -> None:
        """Extend the lease to `LEASE` from now, for the mails that are still queued.

        Locked rows are skipped, because they are just being settled.
        """
        held_until = time.monotonic() + LEASE.total_seconds()
        with connection.cursor() as cursor:
            cursor.execute(
                """
                WITH mine AS (
                    SELECT id FROM petitions_mail
                    WHERE id = ANY(%s) AND state = %s AND due_at = ANY(%s) FOR UPDATE SKIP LOCKED
                )
                UPDATE petitions_mail m
                SET due_at = statement_timestamp() + make_interval(secs => %s)
                FROM mine WHERE m.id = mine.id RETURNING m.due_at
                """,
                [self.ids, Mail.State.QUEUED, list(self._written), LEASE.total_seconds()],
            )
            written = {due_at for (due_at,) in cursor.fetchall()}
        if written:
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
            for _renewal in range(MAX_RENEWALS):
                if self._is_over.wait(RENEW_EVERY) or not self.is_held():
                    return
                try:
                    self.renew()
                except Error as error:
                    logger.warning("a claim on mails is not renewed (%s)", type(error).__name__)
                    connection.close()
        finally:
            connection.close()


def settle(
    mails: Iterable[Mail], state: Mail.State, code: str = "", *, untried: bool = False
) -> None:
    """Write the outcome of claimed mails by compare-and-set: never after another worker's claim.

    `untried` takes back the attempt that claiming counted, for mails that were never sent.
    `synchronous_commit` is off: if a crash of the database loses an outcome, the mail is due again
    after its claim, as if the worker had crashed.
    """
    by_attempts: defaultdict[int, list[UUID]] = defaultdict(list)
    for mail in mails:
        by_attempts[mail.attempts].append(mail.pk)
    for attempts, ids in by_attempts.items():
        mine = Mail.objects.filter(id__in=ids, attempts=attempts, state=Mail.State.QUEUED)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")
            mine.update(state=state, code=code, attempts=F("attempts") - int(untried))


def settle_news(mails: Sequence[tuple[Mail, str]], state: Mail.State, code: str) -> None:
    """Write the outcome of claimed mails of news and count them by provider, in one statement.

    A mail is counted only if its row was written (compare-and-set as in `settle`), so that the
    counts are exact even after a crash. `mails` are pairs of a mail and its provider.
    """
    if not mails:
        return
    column = _NEWS_COLUMNS[state]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO off")
        cursor.execute(
            f"""
            WITH settled AS (
                UPDATE petitions_mail m SET state = %s, code = %s
                FROM unnest(%s::uuid[], %s::int[], %s::text[]) AS w (id, attempts, provider)
                WHERE m.id = w.id AND m.attempts = w.attempts AND m.state = 'queued'
                RETURNING m.news_id, w.provider
            )
            INSERT INTO petitions_newscount (news_id, provider, {column})
            SELECT news_id, provider, count(*) FROM settled GROUP BY 1, 2 ORDER BY 1, 2
            ON CONFLICT ON CONSTRAINT news_count_once
            DO UPDATE SET {column} = petitions_newscount.{column} + EXCLUDED.{column}
            """,  # noqa: S608 - one of the columns above
            [
                state,
                code,
                [mail.pk for mail, _provider in mails],
                [mail.attempts for mail, _provider in mails],
                [provider for _mail, provider in mails],
            ],
        )


def defer(waits: Iterable[tuple[Mail, float]], code: str, *, tried: bool = False) -> None:
    """Queue claimed mails again in so many seconds. Unless `tried`, take the attempt back."""
    rows = [(mail.pk, mail.attempts, seconds) for mail, seconds in waits]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE petitions_mail m
            SET due_at = now() + w.seconds * interval '1 second', code = %s,
                attempts = m.attempts - 1 + %s
            FROM unnest(%s::uuid[], %s::int[], %s::float[]) AS w (id, attempts, seconds)
            WHERE m.id = w.id AND m.attempts = w.attempts AND m.state = %s
            """,
            [code, int(tried), *map(list, zip(*rows, strict=True)), Mail.State.QUEUED],
        )


def put_back(mail: Mail, code: str) -> None:
    """Queue a tried mail again with exponential backoff and jitter; let it fail after
    `MAX_ATTEMPTS`.
    """
    if mail.attempts >= MAX_ATTEMPTS:
        settle([mail], Mail.State.FAILED, code)
    else:
        wait = min(FIRST_WAIT * 2.0 ** (mail.attempts - 1), MAX_WAIT)
        defer([(mail, wait * jitter())], code, tried=True)


def wait_for_server(mails: Iterable[Mail], code: str) -> None:
    """Queue claimed mails again soon, in an outage of the mail server.

    No attempt is counted, so that no mail fails because of an outage, however long it lasts.
    """
    defer([(mail, FIRST_WAIT * jitter()) for mail in mails], code)


def jitter() -> float:
    """Return a random factor that spreads mails which were deferred together."""
    return random.uniform(0.75, 1.25)
