"""What is deleted by itself, and when. Source: storage limitation, UK GDPR Article 5(1)(e)."""

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
# Ids alone: some ten megabytes.
READ_AT_ONCE = 40 * BATCH
KEPT_AFTER_CLOSE = timedelta(days=183)
EXACT_FOR = timedelta(hours=72)
# What moderators and limits need of a network, a domain, or a refusal, they need soon.
KEPT_OF_ORIGIN = timedelta(days=30)
NOISE_KEPT = timedelta(hours=1)
# Until staff have had the time to send again what failed, and a provider to report a complaint.
MAILS_KEPT = timedelta(days=7)
# Somebody may come back to it: as long as what is kept of signers after the close.
KEPT_AFTER_ANSWER = timedelta(days=183)
# Long after it had to be acknowledged nobody will answer it any more.
KEPT_UNANSWERED = timedelta(days=365)


def keep_no_longer() -> None:
    """Delete and coarsen all that has been kept long enough, a batch at a time."""
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
    # Last: a sweep schedules what a later one erases, and forgets what it has just erased.
    erasure_notice.schedule(kept=KEPT_AFTER_CLOSE)


def delete_expired_pending() -> int:
    """Delete what nobody confirmed within `PENDING_DAYS`, up to a batch; return how many.

    Also what a moderator removed, or its sender corrected, before anybody confirmed it.
    """
    before = timezone.now() - timedelta(days=settings.PENDING_DAYS)
    states = [Signature.State.PENDING, Signature.State.REMOVED, Signature.State.WITHDRAWN]
    unconfirmed = Signature.objects.filter(state__in=states, confirmed_at=None)
    expired = unconfirmed.filter(created_at__lt=before)
    return _erase(erasing.erase_attempts, expired)


def erase_after_close() -> int:
    """Erase the people of petitions closed for `KEPT_AFTER_CLOSE`, up to a batch; return how many.

    Only after notice, which an organiser may use to stop it. The signatures themselves, which
    are not personal, stay for the totals.
    """
    with transaction.atomic():
        petitions = erasure_notice.due(kept=KEPT_AFTER_CLOSE)
        if not petitions:
            return 0
        kept_too_long = Signature.objects.filter(petition__in=petitions, signer__isnull=False)
        return _erase(erasing.erase_people, kept_too_long)


def delete_noise() -> int:
    """Delete what refused attempts have of nobody: random bytes, and mails that nobody gets.

    They are there so that storing them takes as long. Up to a batch; returns how many went.
    """
    before = timezone.now() - NOISE_KEPT
    refused = _refused_before(before).filter(signer__isnull=False)
    return _erase(erasing.erase_people, refused)


def delete_refused() -> int:
    """Delete what is left of refused attempts, the rule and the time, up to a batch."""
    refused = _refused_before(timezone.now() - KEPT_OF_ORIGIN)
    return _erase(erasing.erase_attempts, refused)


def delete_mails_of_nobody() -> int:
    """Delete links that were asked for, and what is left of mails to people who are erased, a week
    after they were dealt with. Up to a batch; returns how many went.
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
    # Named, the petitions let one index find the rows: it begins with them.
    petitions = list(Petition.objects.values_list("pk", flat=True))
    return Signature.objects.filter(
        petition__in=petitions, state=Signature.State.REFUSED, created_at__lt=moment
    )


def erase_origins() -> int:
    """Forget networks and mail domains of signatures older than `KEPT_OF_ORIGIN`; return how many.

    The partial indexes of both columns hold only the signers that still have them: where these
    are few beside all that ever signed, the database reads no others.
    """
    before = timezone.now() - KEPT_OF_ORIGIN
    known = Signer.objects.filter(Q(network_ix__isnull=False) | Q(domain_ix__isnull=False))
    old = known.filter(signature__created_at__lt=before).values_list("pk", flat=True)
    erased = 0
    # So many are read at once: asked for a batch at a time, each would read them all again.
    while ids := list(old[:READ_AT_ONCE]):
        for first in range(0, len(ids), BATCH):
            erased += _erase_origins(ids[first : first + BATCH])
        if len(ids) < READ_AT_ONCE:
            break
    return erased


@transaction.atomic
def _erase_origins(ids: list[UUID]) -> int:
    # In id order, as everybody who takes several.
    chosen = Signer.objects.filter(pk__in=ids).select_for_update().order_by("pk")
    locked = list(chosen.values_list("pk", flat=True))
    return Signer.objects.filter(pk__in=locked).update(network_ix=None, domain_ix=None)


def delete_old_alerts() -> int:
    """Delete alerts with their network's index; return how many."""
    before = timezone.now() - KEPT_OF_ORIGIN
    return Alert.objects.filter(created_at__lt=before).delete()[0]


def forget_undeliverable() -> int:
    """Delete reports that a mailbox takes no mail once nobody heeds them; return how many."""
    before = timezone.now() - suppression.UNDELIVERABLE_FOR
    bounced = Objection.objects.filter(reason=Objection.Reason.UNDELIVERABLE)
    return bounced.filter(created_at__lt=before).delete()[0]


def delete_old_enquiries() -> int:
    """Delete what people wrote to us once it was answered a while ago, or never for a year;
    return how many.
    """
    today = timezone.localdate()
    answered = Q(state=Enquiry.State.ANSWERED, answered_on__lt=today - KEPT_AFTER_ANSWER)
    unanswered = Q(state=Enquiry.State.OPEN, received_on__lt=today - KEPT_UNANSWERED)
    return Enquiry.objects.filter(answered | unanswered).delete()[0]


def delete_expired_sessions() -> int:
    """Delete sessions of the admin that have expired, as Django's `clearsessions` does;
    return how many.
    """
    return Session.objects.filter(expire_date__lt=timezone.now()).delete()[0]


def cut_times_to_the_day() -> int:
    """Forget the time of day of what is older than `EXACT_FOR`; return how many times were cut.

    Somebody who knows when a person was at their computer must not find them by the minute.
    """
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
    # In id order, and past those that a confirmation or a moderator holds at this moment.
    chosen = rows.select_for_update(skip_locked=True, of=("self",)).order_by("id")
    return list(chosen.values_list("id", flat=True)[:BATCH])
