"""Retention: what is purged, and after how long. Source: storage limitation, UK GDPR 5(1)(e)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import TruncDay
from django.utils import timezone

from petitions.mail import suppression
from petitions.models import (
    Alert,
    BulkDecision,
    Decision,
    Enquiry,
    Mail,
    Objection,
    Petition,
    Signature,
    Signer,
)
from petitions.privacy import erasure_notice
from petitions.screening import single_use
from petitions.signers import erasing
from petitions.staff import audit, logins

BATCH = 5_000
# Ids only: some ten megabytes.
READ_AT_ONCE = 40 * BATCH
KEPT_AFTER_CLOSE = timedelta(days=183)
EXACT_FOR = timedelta(hours=72)
# Networks, mail domains and refusals: moderators and rate limits need only recent ones.
KEPT_OF_ORIGIN = timedelta(days=30)
NOISE_KEPT = timedelta(hours=1)
# Time for staff to requeue what failed, and for a provider to report a complaint.
MAILS_KEPT = timedelta(days=7)
# For follow-up questions: as long as signers are kept after the close.
KEPT_AFTER_ANSWER = timedelta(days=183)
# Long past the deadline to acknowledge it, nobody will answer it.
KEPT_UNANSWERED = timedelta(days=365)


def keep_no_longer() -> None:
    """Purge expired data and truncate old timestamps, in batches. Idempotent."""
    for work in (
        delete_expired_pending,
        erase_after_close,
        delete_noise,
        delete_refused,
        delete_mails_of_nobody,
    ):
        while work() == BATCH:
            pass
    erase_origins()
    delete_old_alerts()
    single_use.delete_expired()
    forget_undeliverable()
    delete_old_enquiries()
    delete_expired_sessions()
    logins.delete_old_failures()
    audit.keep_no_longer(exact_for=EXACT_FOR, network_kept=KEPT_OF_ORIGIN)
    cut_times_to_the_day()
    # Last: it schedules what a later sweep erases, and deletes the schedule of what is erased.
    erasure_notice.schedule(kept=KEPT_AFTER_CLOSE)


def delete_expired_pending() -> int:
    """Delete attempts not confirmed within `PENDING_DAYS`, up to a batch; return how many.

    Also those removed by a moderator, or corrected, before confirmation.
    """
    before = timezone.now() - timedelta(days=settings.PENDING_DAYS)
    states = [Signature.State.PENDING, Signature.State.REMOVED, Signature.State.WITHDRAWN]
    unconfirmed = Signature.objects.filter(state__in=states, confirmed_at=None)
    expired = unconfirmed.filter(created_at__lt=before)
    return _erase(erasing.erase_attempts, expired)


def erase_after_close() -> int:
    """Erase signers of petitions closed for `KEPT_AFTER_CLOSE`, up to a batch; return how many.

    Only after notice, in which an organiser may stop it. The signatures, which are not personal
    data, stay for the totals.
    """
    with transaction.atomic():
        petitions = erasure_notice.due(kept=KEPT_AFTER_CLOSE)
        if not petitions:
            return 0
        kept_too_long = Signature.objects.filter(petition__in=petitions, signer__isnull=False)
        return _erase(erasing.erase_people, kept_too_long)


def delete_noise() -> int:
    """Delete the decoy rows of refused attempts: random bytes, and mails that are never sent.

    They were stored for constant work (docs/architecture.md). Up to a batch; returns how many.
    """
    before = timezone.now() - NOISE_KEPT
    refused = _refused_before(before).filter(signer__isnull=False)
    return _erase(erasing.erase_people, refused)


def delete_refused() -> int:
    """Delete what is left of refused attempts, rule and time, up to a batch; return how many."""
    refused = _refused_before(timezone.now() - KEPT_OF_ORIGIN)
    return _erase(erasing.erase_attempts, refused)


def delete_mails_of_nobody() -> int:
    """Delete settled mails without a signature ("find my signature", or of erased signers) after
    `MAILS_KEPT`. Up to a batch; returns how many.
    """
    old = Mail.objects.filter(signature=None, due_at__lt=timezone.now() - MAILS_KEPT)
    with transaction.atomic():
        ids = _locked(old.exclude(state=Mail.State.QUEUED))
        Mail.objects.filter(pk__in=ids).delete()
    return len(ids)


def _erase(erase: Callable[[list[UUID]], None], signatures: models.QuerySet[Signature]) -> int:
    with transaction.atomic():
        ids = _locked(signatures)
        erase(ids)
    return len(ids)


def _refused_before(moment: datetime) -> models.QuerySet[Signature]:
    # The petitions are named, because the index to use starts with `petition`.
    petitions = list(Petition.objects.values_list("pk", flat=True))
    return Signature.objects.filter(
        petition__in=petitions, state=Signature.State.REFUSED, created_at__lt=moment
    )


def erase_origins() -> int:
    """Null the network and mail domain of signers after `KEPT_OF_ORIGIN`; return how many.

    Partial indexes hold only the signers that still have either: where these are few, the
    database reads no others.
    """
    before = timezone.now() - KEPT_OF_ORIGIN
    known = Signer.objects.filter(Q(network_ix__isnull=False) | Q(domain_ix__isnull=False))
    old = known.filter(signature__created_at__lt=before).values_list("pk", flat=True)
    erased = 0
    # Ids are read many at once: a query for each batch would scan them all again.
    while ids := list(old[:READ_AT_ONCE]):
        for first in range(0, len(ids), BATCH):
            erased += _erase_origins(ids[first : first + BATCH])
        if len(ids) < READ_AT_ONCE:
            break
    return erased


@transaction.atomic
def _erase_origins(ids: list[UUID]) -> int:
    # Locked in id order, as everywhere, against deadlocks.
    chosen = Signer.objects.filter(pk__in=ids).select_for_update().order_by("pk")
    locked = list(chosen.values_list("pk", flat=True))
    return Signer.objects.filter(pk__in=locked).update(network_ix=None, domain_ix=None)


def delete_old_alerts() -> int:
    """Delete alerts, with their network index, after `KEPT_OF_ORIGIN`; return how many."""
    before = timezone.now() - KEPT_OF_ORIGIN
    return Alert.objects.filter(created_at__lt=before).delete()[0]


def forget_undeliverable() -> int:
    """Delete suppressions for bounces that have expired; return how many."""
    before = timezone.now() - suppression.UNDELIVERABLE_FOR
    bounced = Objection.objects.filter(reason=Objection.Reason.UNDELIVERABLE)
    return bounced.filter(created_at__lt=before).delete()[0]


def delete_old_enquiries() -> int:
    """Delete enquiries `KEPT_AFTER_ANSWER` after the answer, or unanswered ones after
    `KEPT_UNANSWERED`; return how many.
    """
    today = timezone.localdate()
    answered = Q(state=Enquiry.State.ANSWERED, answered_on__lt=today - KEPT_AFTER_ANSWER)
    unanswered = Q(state=Enquiry.State.OPEN, received_on__lt=today - KEPT_UNANSWERED)
    return Enquiry.objects.filter(answered | unanswered).delete()[0]


def delete_expired_sessions() -> int:
    """Delete expired admin sessions, as Django's `clearsessions` does; return how many."""
    return Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]


def cut_times_to_the_day() -> int:
    """Truncate timestamps older than `EXACT_FOR` to the day; return how many.

    Knowing when a person was at their computer must not identify their row by the minute.
    """
    BulkDecision.objects.drop_times(timezone.now() - EXACT_FOR)
    sent = Mail.objects.exclude(state=Mail.State.QUEUED)
    return sum(
        _cut(rows, name)
        for rows, name in (
            (Signature.objects.all(), "created_at"),
            (Signature.objects.all(), "confirmed_at"),
            (sent, "created_at"),
            (sent, "due_at"),
            (Objection.objects.all(), "created_at"),
            (Decision.objects.all(), "created_at"),
            (BulkDecision.objects.all(), "created_at"),
            (BulkDecision.objects.all(), "started_at"),
            (BulkDecision.objects.all(), "finished_at"),
            (BulkDecision.objects.all(), "mailed_at"),
            (Alert.objects.all(), "created_at"),
            (Alert.objects.all(), "seen_at"),
        )
    )


def _cut(rows: models.QuerySet[Any], name: str) -> int:
    before = timezone.now() - EXACT_FOR
    fine = rows.filter(**{f"{name}__lt": before}).exclude(**{name: TruncDay(name)})
    cut = 0
    while True:
        with transaction.atomic():
            ids = _locked(fine)
            changed: int = rows.model.objects.filter(pk__in=ids).update(**{name: TruncDay(name)})
        cut += changed
        if len(ids) < BATCH:
            return cut


def _locked(rows: models.QuerySet[Any]) -> list[UUID]:
    # In id order, and skipping rows that a confirmation or a moderator has locked.
    chosen = rows.select_for_update(skip_locked=True, of=("self",)).order_by("id")
    return list(chosen.values_list("id", flat=True)[:BATCH])
