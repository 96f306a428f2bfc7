"""The "check your email" page: resend the mail, correct the form, enter the one-time code.

The page's only state is the sealed token in its URL. Anybody can type anybody's address, so no
response may reveal whether the attempt is pending, confirmed by the mailbox's reader, or refused
by a rule. So everything here is constant work (docs/architecture.md).

A correction is a signing like any other, with its own id, link and code, and a row that marks the
older attempt as replaced. If it rewrote the old row, somebody could type a stranger's address,
correct it to their own, and learn from the id in their link what happened to the first attempt.
If it withdrew the old attempt at once, the response time would reveal whether there was one, so
the worker withdraws it afterwards.
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
from petitions.infra.client_network import Sender
from petitions.mail.wake_worker import nudge
from petitions.models import Correction, Mail, Petition, Resend, Signature, Signer
from petitions.screening import challenge, fraud_signals, rate_limits
from petitions.screening.rate_limits import Act, LimitResult
from petitions.screening.screen import TooMany, check_limits
from petitions.signatures import lifecycle
from petitions.signers import erasing, sealing
from petitions.signers.sealing import Attempt

MAILS_PER_PAGE = 5
CODE_TRIES = 5
# After this time only the day of a mail is stored.
NEWER_MAIL_SHOWN_FOR = timedelta(hours=72)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Payload of the page's token.

    `mails` counts the mails requested, signing's included. `at` is the time of signing in Unix
    seconds. Later pages keep it: they show what was typed, and a URL found in a browser's history
    must not show that for longer than an hour.
    """

    attempt_id: UUID
    petition: str
    attempt: Attempt
    mails: int = 1
    signals: tuple[str, ...] = ()
    at: int = field(default_factory=lambda: int(time.time()))

    @property
    def has_mails_left(self) -> bool:
        """Return whether another mail may be requested from this page."""
        return self.mails < MAILS_PER_PAGE

    def following(self, page: Self) -> Self:
        """Return this page as the successor of `page`: same expiry, one more mail."""
        return replace(self, mails=page.mails + 1, at=page.at)

    def seal(self) -> str:
        """Return the page's sealed token, which has a fixed length and expires after an hour."""
        # Only the signals that a correction cannot clear: they are few enough to fit.
        signals = [
            str(signal)
            for signal in fraud_signals.lasting(self.signals)
            if signal.code not in fraud_signals.OF_RULES
        ]
        page = {"petition": self.petition, "mails": self.mails, "signals": signals}
        return tokens.seal_attempt(self.attempt_id, {**asdict(self.attempt), **page}, at=self.at)

    @classmethod
    def open(cls, token: str) -> Self:
        """Return the page of a token. Raises `tokens.BadToken`, `tokens.ExpiredToken`."""
        attempt_id, typed, at = tokens.open_attempt(token)
        try:
            petition, mails, signals = (
                typed.pop(name) for name in ("petition", "mails", "signals")
            )
            return cls(attempt_id, petition, Attempt(**typed), mails, tuple(signals), at)
        except (KeyError, TypeError):
            # Sealed by another release, with other fields.
            raise tokens.ExpiredToken from None


def request_resend(*, page: Page, petition: Petition, sender: Sender) -> Page | TooMany:
    """Request a resend of an attempt's mail, and return the next page.

    If the mailbox is over its rate limit, no mail is sent, with the same response.
    This only writes a row: the worker finds out whether to send mail (constant work). Earlier URLs
    of the page still open, so each step is a single-use nonce.
    """
    if not page.has_mails_left:
        return page
    limits = _check_limits(Act.RESEND, page, petition, sender)
    if limits.is_refused:
        return TooMany()
    step = f"{page.attempt_id} {page.mails}"
    if challenge.consume_nonce("resend", step, tokens.ATTEMPT_SECONDS):
        Resend.objects.create(attempt_id=page.attempt_id, is_silenced=limits.is_silenced)
        nudge()
    return replace(page, mails=page.mails + 1)


def record_correction(signature_id: UUID) -> None:
    """Record that an attempt is corrected, without reading its row (constant work).

    The row may be gone because of what the owner of the address did.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_correction (attempt_id) VALUES (%s)
            ON CONFLICT (attempt_id) DO NOTHING
            """,
            [signature_id],
        )


def link_by_code(
    *, page: Page, code: str, petition: Petition, sender: Sender
) -> tokens.Link | TooMany | None:
    """Verify a one-time code in ASCII digits, and return the link it stands for.

    Return None if the code is wrong or the tries are used up. Each try within the rate limits is
    counted and committed before the code is compared, so that concurrent guesses count too. No code
    is valid until its mail was sent, so that a mailbox's mail limit also bounds the guesses.
    """
    if _check_limits(Act.CODE, page, petition, sender).is_refused:
        return TooMany()
    counted = _count_try(page.attempt_id)
    if counted is None:
        return None
    epoch, is_mailed = counted
    is_right = tokens.is_code(code, page.attempt_id, epoch)
    return tokens.Link(page.attempt_id, epoch) if is_right and is_mailed else None


def _check_limits(act: Act, page: Page, petition: Petition, sender: Sender) -> LimitResult:
    return check_limits(act, sender=sender, address=page.attempt.email, petition=petition.pk)


def _count_try(signature_id: UUID) -> tuple[int, bool] | None:
    """Count a try. Return the code's epoch and whether it was mailed; None if no try is left.

    If no try is counted, a correction with a random id is inserted instead, because writing nothing
    would take less time (constant work). So tries beyond the last one do not show whether the
    attempt is gone.
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
                WHERE NOT EXISTS (SELECT FROM counted)
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
    """Return when the mailbox of an unconfirmed attempt got a newer valid link, or None.

    This helps people who open an older mail of a thread. It reveals no confirmed signature,
    whose mails have another blind index (`sealing.Use`).
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
    """Normalise a typed code to ASCII digits, from any script and without spaces and dashes.

    Return "" if it holds anything else, or another number of digits.
    """
    text = typed_text.without_invisible(typed)
    kept = [char for char in text if not char.isspace() and unicodedata.category(char) != "Pd"]
    if len(kept) != tokens.CODE_DIGITS or not all(char.isdecimal() for char in kept):
        return ""
    return "".join(str(unicodedata.decimal(char)) for char in kept)


def settle() -> None:
    """Process the requests of these pages, in the worker: withdraw corrected attempts, resend."""
    for work in (withdraw_corrected, queue_resends):
        while work() == BATCH:
            pass


@transaction.atomic
def withdraw_corrected() -> int:
    """Withdraw a batch of corrected attempts, unless confirmed. Return the batch's size.

    Their personal data is erased. Their mails stay, because they count towards the mailbox's rate
    limit. May run concurrently (SKIP LOCKED).
    """
    rows = Correction.objects.select_for_update(skip_locked=True).order_by("attempt_id")
    ids = list(rows.values_list("attempt_id", flat=True)[:BATCH])
    if ids:
        _withdraw(ids)
        Correction.objects.filter(attempt_id__in=ids).delete()
    return len(ids)


def _withdraw(ids: list[UUID]) -> None:
    """Move unconfirmed attempts to withdrawn, under row locks, and cancel their mails."""
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
    """Refund the mailboxes' rate limits for attempts whose mail was not sent, after the commit."""
    for signer in Signer.objects.filter(pk__in=unmailed):
        try:
            address = sealing.unsealed(signer)["email"]
        except vault.CannotOpen:
            # The key is gone, so the mailbox is unknown.
            continue
        transaction.on_commit(partial(rate_limits.refund, Act.SIGN, address=address))


def _lock(ids: Iterable[UUID]) -> list[Signature]:
    """Lock the attempts that still exist, in id order to avoid deadlocks."""
    return list(Signature.objects.filter(pk__in=ids).select_for_update().order_by("pk"))


@transaction.atomic
def queue_resends() -> int:
    """Queue a batch of resends in the outbox. Return the batch's size.

    Opening an earlier URL resets the page's own counter, so the attempt's mails are counted too.
    The outbox applies the mailbox's rate limit.
    """
    rows = list(Resend.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH])
    if rows:
        _lock({row.attempt_id for row in rows})
        # Separate statements, so that mails are counted after the wait for the locks.
        for row in rows:
            _queue_again(row.attempt_id, row.is_silenced)
        Resend.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def _queue_again(signature_id: UUID, is_silenced: bool) -> None:
    """Insert another mail of the attempt, even if nobody is to get it (constant work).

    Staff see the number of mails. The outbox sends it only if the attempt is pending, and takes as
    long if not.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_mail (
                id, signature_id, kind, global_mailbox_ix, state, due_at, attempts, code,
                created_at)
            SELECT gen_random_uuid(), s.id, %(kind)s,
                coalesce(earlier.global_mailbox_ix, uuid_send(gen_random_uuid())), %(state)s,
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
                "state": Mail.State.WITHHELD if is_silenced else Mail.State.QUEUED,
                "most": MAILS_PER_PAGE,
            },
        )
