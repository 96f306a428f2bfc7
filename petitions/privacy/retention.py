"""Purge expired data, and define the retention periods. Source: UK GDPR, Article 5(1)(e).

Every large table is read once in each run, by a partial index that has few other rows:
`test_retention` counts the rows read.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import time, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import DateTimeField, F, Func, Q, QuerySet, Value
from django.utils import timezone

from petitions.mail import suppression
from petitions.models import (
    ActivityMinute,
    Alert,
    AlertMail,
    BulkDecision,
    Decision,
    Enquiry,
    Mail,
    News,
    Objection,
    Signature,
    Signer,
)
from petitions.privacy import erasure_notice
from petitions.screening import challenge, rate_limits
from petitions.signatures import change_address, disown
from petitions.signers import erasing
from petitions.staff import audit, logins

BATCH = 5_000
# Only ids are read: about ten megabytes.
MAX_IDS_READ = 40 * BATCH
KEPT_AFTER_CLOSE = timedelta(days=183)
EXACT_FOR = timedelta(hours=72)
# For networks, mail domains and refusals. Moderators and rate limits need only recent ones.
KEPT_OF_ORIGIN = timedelta(days=30)
DECOYS_KEPT = timedelta(hours=1)
# The cockpit shows one day.
KEPT_OF_ACTIVITY = timedelta(hours=25)
# Time for staff to requeue failed mails, and for mail providers to report complaints.
MAILS_KEPT = timedelta(days=7)
# For the list of people who were mailed a piece of news: time for complaints about it.
KEPT_OF_NEWS = timedelta(days=30)
# Time for follow-up questions about an answered enquiry, as long as signers are kept.
KEPT_AFTER_ANSWER = timedelta(days=183)
# Nobody will answer an enquiry this long after it was due.
KEPT_UNANSWERED = timedelta(days=365)


def apply() -> None:
    """Purge expired data and truncate old timestamps, in batches. Idempotent."""
    delete_expired_pending()
    delete_disowned()
    erase_after_close()
    delete_decoys()
    delete_refused()
    forget_new_addresses()
    delete_mails_of_nobody()
    delete_lists_of_news()
    erase_origins()
    delete_small_tables()
    challenge.delete_expired_nonces()
    rate_limits.delete_expired_counts()
    logins.delete_old_failures()
    audit.purge(exact_for=EXACT_FOR, network_kept=KEPT_OF_ORIGIN)
    truncate_timestamps()
    # Last, so that it deletes the schedules of the erasures that this run has done.
    erasure_notice.schedule(kept=KEPT_AFTER_CLOSE)


def delete_expired_pending() -> int:
    """Delete attempts not confirmed within `PENDING_DAYS`; return how many.

    This includes unconfirmed attempts that a moderator removed or the signer corrected.
    """
    states = [Signature.State.PENDING, Signature.State.REMOVED, Signature.State.WITHDRAWN]
    expired = _unconfirmed_for(timedelta(days=settings.PENDING_DAYS)).filter(state__in=states)
    return _in_batches(expired, erasing.erase_attempts)


def delete_disowned() -> int:
    """Delete attempts that the mailbox's owner disowned ("this was not me") more than
    `disown.KEPT_FOR` ago, which can no longer be undone; return how many.
    """
    before = timezone.now() - disown.KEPT_FOR
    # A constraint keeps these unconfirmed. If the query said so, PostgreSQL could choose the index
    # of all unconfirmed rows.
    disowned = Signature.objects.filter(disowned_at__lt=before)
    return _in_batches(disowned, erasing.erase_attempts)


def delete_decoys() -> int:
    """Delete decoy signers of refused attempts and anonymise their mails; return how many.

    They hold random bytes and were stored for constant work (docs/architecture.md).
    """
    refused = _unconfirmed_for(DECOYS_KEPT).filter(state=Signature.State.REFUSED)
    return _in_batches(refused.filter(signer__isnull=False), erasing.erase_people)


def delete_refused() -> int:
    """Delete the signature rows of refused attempts, with rule and time; return how many."""
    refused = _unconfirmed_for(KEPT_OF_ORIGIN).filter(state=Signature.State.REFUSED)
    return _in_batches(refused, erasing.erase_attempts)


def erase_after_close() -> int:
    """Erase signers of petitions closed for `KEPT_AFTER_CLOSE`; return how many.

    This happens only after notice. If an organiser stops it, the remaining batches do nothing.
    The signatures stay for the totals: without signers they are not personal data.
    """
    with transaction.atomic():
        petitions = erasure_notice.due(kept=KEPT_AFTER_CLOSE)

    def erase(ids: list[UUID]) -> None:
        if not set(petitions) <= set(erasure_notice.due(kept=KEPT_AFTER_CLOSE)):
            raise _Stopped
        erasing.erase_people(ids)

    kept_too_long = Signature.objects.filter(petition__in=petitions, signer__isnull=False)
    return _in_batches(kept_too_long, erase)


def forget_new_addresses() -> int:
    """Anonymise mails with a code to a new address once the code has expired; return how many."""
    before = timezone.now() - change_address.CODE_FOR
    asked = Mail.objects.filter(kind=Mail.Kind.ADDRESS, sealed__isnull=False)
    return _in_batches(asked.filter(created_at__lt=before), erasing.erase_mails)


def delete_mails_of_nobody() -> int:
    """Delete settled mails of "Find my signature" or of erased signers; return how many.

    Failed confirmations stay while staff see their number, because a lower number would reveal an
    erasure. The mail of an answer stays with the answer, because it says whether that was sent.
    """
    now = timezone.now()
    in_figures = Q(
        state=Mail.State.FAILED,
        kind=Mail.Kind.CONFIRM,
        created_at__gt=now - timedelta(days=settings.PENDING_DAYS),
    )
    old = Mail.objects.filter(signature=None, answer=None, due_at__lt=now - MAILS_KEPT)
    settled = old.exclude(Q(state=Mail.State.QUEUED) | in_figures)
    return _in_batches(settled, lambda ids: Mail.objects.filter(pk__in=ids).delete())


def delete_lists_of_news() -> int:
    """Delete the mails of news that ended `KEPT_OF_NEWS` ago; return how many.

    They are the list of who was mailed. The text and the counts of the news stay.
    """
    deleted = 0
    for news in News.objects.with_lists_to_delete(timezone.now() - KEPT_OF_NEWS):
        theirs = Mail.objects.filter(news=news, kind=Mail.Kind.NEWS)
        deleted += _in_batches(theirs, lambda ids: Mail.objects.filter(pk__in=ids).delete())
        if not theirs.exists():
            News.objects.filter(pk=news.pk).update(has_list=False)
    return deleted


def erase_origins() -> int:
    """Null the network and mail domain of signers after `KEPT_OF_ORIGIN`; return how many.

    Partial indexes hold only signers that still have one of them.
    """
    known = Signer.objects.filter(Q(network_ix__isnull=False) | Q(domain_ix__isnull=False))
    old = known.filter(signature__created_at__lt=timezone.now() - KEPT_OF_ORIGIN)
    return _in_batches(
        old,
        lambda ids: Signer.objects.filter(pk__in=ids).update(network_ix=None, domain_ix=None),
    )


def delete_small_tables() -> None:
    """Delete expired rows of tables that are small enough to be scanned.

    These are alerts with their network indexes, suppressions for bounces, answered and very old
    enquiries, activity by the minute, and admin sessions (like Django's `clearsessions`).
    """
    now, today = timezone.now(), timezone.localdate()
    Alert.objects.filter(created_at__lt=now - KEPT_OF_ORIGIN).delete()
    Objection.objects.filter(
        reason__in=suppression.ENDING, created_at__lt=now - suppression.ENDS_AFTER
    ).delete()
    # Answers and their mails are deleted with their enquiry.
    Enquiry.objects.finished().filter(answered_on__lt=today - KEPT_AFTER_ANSWER).delete()
    Enquiry.objects.waiting().filter(received_on__lt=today - KEPT_UNANSWERED).delete()
    ActivityMinute.objects.filter(minute__lt=now - KEPT_OF_ACTIVITY).delete()
    Session.objects.filter(expire_date__lt=now).delete()


def truncate_timestamps() -> int:
    """Truncate timestamps older than `EXACT_FOR` to the day; return how many.

    Otherwise somebody who knows the minute in which a person signed could find that person's row.
    """
    BulkDecision.objects.drop_times(timezone.now() - EXACT_FOR)
    before = timezone.now() - EXACT_FOR
    settled = Mail.objects.exclude(state=Mail.State.QUEUED)
    truncated = 0
    for rows, column in (
        (Signature.objects.all(), "created_at"),
        (Signature.objects.all(), "confirmed_at"),
        (settled, "created_at"),
        (settled, "due_at"),
        (Objection.objects.all(), "created_at"),
        (Decision.objects.all(), "created_at"),
        (BulkDecision.objects.all(), "created_at"),
        (BulkDecision.objects.all(), "awaiting_since"),
        (BulkDecision.objects.all(), "started_at"),
        (BulkDecision.objects.all(), "finished_at"),
        (BulkDecision.objects.all(), "mailed_at"),
        (Alert.objects.all(), "created_at"),
        (Alert.objects.all(), "seen_at"),
        (AlertMail.objects.all(), "mailed_at"),
    ):
        # The second condition matches the partial indexes `signature_to_age` and `mail_to_age`.
        exact = rows.filter(**{f"{column}__lt": before, f"{column}__time__gt": time.min})
        truncated += _in_batches(exact, _truncation(rows.model, column))
    return truncated


def _truncation(model: type[Any], column: str) -> Callable[[list[UUID]], object]:
    day = Func(
        Value("day"),
        F(column),
        Value(settings.TIME_ZONE),
        function="date_trunc",
        output_field=DateTimeField(),
    )
    return lambda ids: model.objects.filter(pk__in=ids).update(**{column: day})


def _unconfirmed_for(age: timedelta) -> QuerySet[Signature]:
    """Return unconfirmed attempts older than `age`, by the partial index `signature_to_age`."""
    return Signature.objects.filter(confirmed_at=None, created_at__lt=timezone.now() - age)


class _Stopped(Exception):
    """Raised by `work` of `_in_batches` to leave its batch undone."""


def _in_batches(rows: QuerySet[Any], work: Callable[[list[UUID]], object]) -> int:
    """Call `work` with batches of ids, each in its own transaction; return the number of rows.

    Up to `MAX_IDS_READ` ids are read at once, because a query for each batch would read the same
    rows again. Each batch locks its rows in id order against deadlocks, and checks the conditions
    of `rows` again. Rows locked by others are left to the next run. `work` may raise `_Stopped`.
    """
    done, before = 0, -1
    while done > before and (ids := list(rows.values_list("pk", flat=True)[:MAX_IDS_READ])):
        before = done
        for first in range(0, len(ids), BATCH):
            batch = rows.filter(pk__in=ids[first : first + BATCH]).order_by("pk")
            with suppress(_Stopped), transaction.atomic():
                chosen = _locked(batch)
                work(chosen)
                done += len(chosen)
        if len(ids) < MAX_IDS_READ:
            break
    return done


def _locked(rows: QuerySet[Any]) -> list[UUID]:
    """Lock those of the rows that are not locked yet, and return their ids."""
    free = rows.select_for_update(skip_locked=True, of=("self",))
    return list(free.values_list("pk", flat=True))
