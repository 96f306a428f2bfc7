"""Resend, correct, and the one-time code: what the "check your email" page offers.

The page's only state is the sealed token in its URL. Anybody can type anybody's address, so no
answer here may tell what became of the attempt: still pending, confirmed by the reader of that
mailbox, or refused by a rule. So everything here is constant work (docs/architecture.md).

A correction is a signing like any other, with an id, a link and a code of its own, and a row
that marks the older attempt as replaced. Were the old row rewritten instead, somebody who types
a stranger's address, and corrects it to their own, could tell by the id in the link mailed to
them what had become of it. Were it withdrawn at once, the response time would tell whether
there was anything to withdraw, so the worker does that afterwards.
"""

import time
import unicodedata
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Self
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Max
from django.utils import timezone

from petitions.crypto import tokens, vault
from petitions.identity import typed_text
from petitions.mail.wake_worker import nudge
from petitions.models import Correction, Mail, Resend, Signature, Signer
from petitions.screening import challenge, fraud_signals, rate_limits
from petitions.screening.rate_limits import Act
from petitions.signatures import lifecycle
from petitions.signers import erasing, sealing
from petitions.signers.sealing import Attempt

MAILS_PER_PAGE = 5
CODE_TRIES = 5
# Later only the day of a mail is kept.
NEWER_MAIL_SHOWN_FOR = timedelta(hours=72)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Payload of the page's token: the attempt as typed, how many mails were requested (signing
    requests the first), the fraud signals, and the time of signing in Unix seconds.

    `at` stays the same on the pages that follow: they show what was typed, and a URL found in a
    browser's history must not show it for longer than an hour.
    """

    attempt_id: UUID
    petition: str
    attempt: Attempt
    mails: int = 1
    signals: tuple[str, ...] = ()
    at: int = field(default_factory=lambda: int(time.time()))

    @property
    def has_mails_left(self) -> bool:
        """Whether another mail may be requested from this page."""
        return self.mails < MAILS_PER_PAGE

    def following(self, page: Self) -> Self:
        """This page as the successor of `page`: same expiry, one mail more."""
        return replace(self, mails=page.mails + 1, at=page.at)

    def seal(self) -> str:
        """The page's sealed token: of fixed length, expires an hour after signing."""
        # Only the signals that a correction cannot clear: they are few, so that they fit.
        signals = [
            str(signal)
            for signal in fraud_signals.lasting(self.signals)
            if signal.code not in fraud_signals.OF_RULES
        ]
        page = {"petition": self.petition, "mails": self.mails, "signals": signals}
        return tokens.seal_attempt(self.attempt_id, {**asdict(self.attempt), **page}, at=self.at)

    @classmethod
    def open(cls, token: str) -> Self:
        """The page of a token. Raises `tokens.BadToken`, `tokens.ExpiredToken`."""
        attempt_id, typed, at = tokens.open_attempt(token)
        try:
            petition, mails, signals = (
                typed.pop(name) for name in ("petition", "mails", "signals")
            )
            return cls(attempt_id, petition, Attempt(**typed), mails, tuple(signals), at)
        except (KeyError, TypeError):
            # Sealed by another release: genuine, but not for this version.
            raise tokens.ExpiredToken from None


def request_resend(*, page: Page, is_silenced: bool = False) -> Page:
    """Request a resend of the mail of an attempt, and return the page that follows.

    `is_silenced`, over the rate limit of the mailbox: the same answer, and no mail is sent. Only
    a row is written: the worker finds out whether there is anybody to mail (constant work). An
    earlier URL of the page still opens, so each step is a single-use nonce of the attempt.
    """
    if not page.has_mails_left:
        return page
    step = f"{page.attempt_id} {page.mails}"
    if challenge.consume_nonce("resend", step, tokens.ATTEMPT_SECONDS):
        Resend.objects.create(attempt_id=page.attempt_id, is_silenced=is_silenced)
        nudge()
    return replace(page, mails=page.mails + 1)


def record_correction(signature_id: UUID) -> None:
    """Record that an attempt is corrected, without reading its row (constant work): it may be
    gone because of what the owner of the address did.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_correction (attempt_id) VALUES (%s)
            ON CONFLICT (attempt_id) DO NOTHING
            """,
            [signature_id],
        )


def link_by_code(*, page: Page, code: str) -> tokens.Link | None:
    """Verify a one-time code: the link that it stands for; None if it is wrong or the tries are
    used up. `code` in ASCII digits.

    Every try is counted and committed before it is compared, so that concurrent guesses count
    too. Where no mail has gone out no code is right, so that the number of guesses at a mailbox
    is bounded by the mails that it may get.
    """
    counted = _count_try(page.attempt_id)
    if counted is None:
        return None
    epoch, is_mailed = counted
    is_right = tokens.is_code(code, page.attempt_id, epoch)
    return tokens.Link(page.attempt_id, epoch) if is_right and is_mailed else None


def _count_try(signature_id: UUID) -> tuple[int, bool] | None:
    """Count one more try; the epoch of the code, and whether it was mailed. None after the last.

    Where nothing is left of an attempt, a correction with a random id is inserted instead, for
    writing nothing would take less time (constant work).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH counted AS (
                UPDATE petitions_signature SET code_tries = code_tries + 1
                WHERE id = %(id)s AND code_tries < %(most)s
                RETURNING id, link_epoch
            ), noted AS (
                INSERT INTO petitions_correction (attempt_id) SELECT gen_random_uuid()
                WHERE NOT EXISTS (SELECT FROM petitions_signature WHERE id = %(id)s)
            )
            SELECT link_epoch, EXISTS (
                SELECT FROM petitions_mail WHERE signature_id = %(id)s AND state = %(sent)s
            ) AND NOT EXISTS (
                SELECT FROM petitions_correction WHERE attempt_id = %(id)s
            ) FROM counted
            """,
            {"id": signature_id, "most": CODE_TRIES, "sent": Mail.State.SENT},
        )
        row: tuple[int, bool] | None = cursor.fetchone()
    return row


def newer_mail(signature_id: UUID) -> datetime | None:
    """When a newer mail that still waits to be used went to the mailbox of an attempt that was
    corrected; None if there is none.

    For who opens an older mail of a thread. Nothing of a confirmed signature is found by it: its
    mails have another blind index (`sealing.Use`).
    """
    mails = Mail.objects.filter(kind=Mail.Kind.CONFIRM).select_related("signature")
    old = mails.filter(signature=signature_id, signature__confirmed_at=None).first()
    if old is None or old.signature is None:
        return None
    waiting = Signature.objects.uncorrected().filter(
        state=Signature.State.PENDING, disowned_at=None
    )
    newer = mails.filter(
        global_mailbox_ix=old.global_mailbox_ix,
        state=Mail.State.SENT,
        created_at__gt=max(old.created_at, timezone.now() - NEWER_MAIL_SHOWN_FOR),
        signature__in=waiting.filter(petition=old.signature.petition_id),
    )
    newest: datetime | None = newer.aggregate(newest=Max("created_at"))["newest"]
    return newest


def digits(typed: str) -> str:
    """Normalise a typed code to ASCII digits: any script, grouped by spaces or dashes, or not.

    Returns "" if it holds anything else, or another number of digits.
    """
    text = typed_text.without_invisible(typed)
    kept = [char for char in text if not char.isspace() and unicodedata.category(char) != "Pd"]
    if len(kept) != tokens.CODE_DIGITS or not all(char.isdecimal() for char in kept):
        return ""
    return "".join(str(unicodedata.decimal(char)) for char in kept)


def settle() -> None:
    """Settle the requests of these pages, in the worker: withdraw corrected attempts, resend."""
    for work in (withdraw_corrected, queue_resends):
        while work() == BATCH:
            pass


@transaction.atomic
def withdraw_corrected() -> int:
    """Withdraw one batch of corrected attempts, unless confirmed; return the size of the batch.

    Nothing personal stays of them. Their mails do, for they count towards the rate limit of the
    mailbox that they were meant for. May run concurrently (SKIP LOCKED).
    """
    rows = Correction.objects.select_for_update(skip_locked=True).order_by("attempt_id")
    ids = list(rows.values_list("attempt_id", flat=True)[:BATCH])
    if ids:
        _withdraw(ids)
        Correction.objects.filter(attempt_id__in=ids).delete()
    return len(ids)


def _withdraw(ids: list[UUID]) -> None:
    """Compare-and-set from pending to withdrawn, under row locks taken in id order."""
    corrected = [one for one in _lock(ids) if one.state in lifecycle.CORRECT.sources]
    withdrawn = [one.pk for one in corrected]
    unsent = Mail.objects.filter(signature__in=withdrawn, state=Mail.State.QUEUED)
    _refund_after_commit(list(unsent.values_list("signature", flat=True)))
    unsent.update(state=Mail.State.CANCELLED)
    erasing.erase_senders(withdrawn)
    lifecycle.move(
        corrected,
        lifecycle.targets(lifecycle.CORRECT, corrected),
        **Signature.NO_NEWS,
        link_epoch=F("link_epoch") + 1,
    )


def _refund_after_commit(unmailed: list[UUID]) -> None:
    """Refund the mailboxes' rate limit for attempts without a mail sent, after the commit."""
    for signer in Signer.objects.filter(pk__in=unmailed):
        try:
            address = sealing.unsealed(signer)["email"]
        except vault.CannotOpen:
            # Its key is gone, so the mailbox to refund is unknown.
            continue
        transaction.on_commit(partial(rate_limits.refund, Act.SIGN, address=address))


def _lock(ids: Iterable[UUID]) -> list[Signature]:
    """SELECT FOR UPDATE what is left of these attempts, in id order against deadlocks."""
    return list(Signature.objects.filter(pk__in=ids).select_for_update().order_by("pk"))


@transaction.atomic
def queue_resends() -> int:
    """Queue one batch of resends in the outbox; return the size of the batch.

    A page's own counter is set back by opening an earlier URL of it, so the attempt's mails are
    counted as well. The outbox applies the mailbox's rate limit.
    """
    rows = list(Resend.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH])
    if rows:
        _lock({row.attempt_id for row in rows})
        # Separate statements, so that mails are counted as of after the wait for the locks.
        for row in rows:
            _queue_again(row.attempt_id, row.is_silenced)
        Resend.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def _queue_again(signature_id: UUID, is_silenced: bool) -> None:
    """Insert one more mail of the attempt, withheld (never sent) unless the attempt is pending.

    Also where nothing is left of the attempt: staff see the number of mails (constant work).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_mail (
                id, signature_id, kind, global_mailbox_ix, state, due_at, attempts, code,
                created_at)
            SELECT gen_random_uuid(), s.id, %(kind)s,
                coalesce(earlier.global_mailbox_ix, uuid_send(gen_random_uuid())),
                CASE WHEN s.state = %(pending)s AND s.disowned_at IS NULL AND earlier.n > 0
                    THEN %(wanted)s ELSE %(withheld)s END,
                now(), 0, '', now()
            FROM (
                SELECT (array_agg(global_mailbox_ix))[1] AS global_mailbox_ix, count(*) AS n
                FROM petitions_mail WHERE signature_id = %(id)s AND kind = %(kind)s
            ) earlier LEFT JOIN petitions_signature s ON s.id = %(id)s
            WHERE earlier.n < %(most)s
            """,
            {
                "id": signature_id,
                "kind": Mail.Kind.CONFIRM,
                "pending": Signature.State.PENDING,
                "wanted": Mail.State.WITHHELD if is_silenced else Mail.State.QUEUED,
                "withheld": Mail.State.WITHHELD,
                "most": MAILS_PER_PAGE,
            },
        )
