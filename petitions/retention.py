"""What is deleted by itself, and when. Source: storage limitation, UK GDPR Article 5(1)(e)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import TruncDay
from django.utils import timezone

from petitions.models import Mail, Signature, Signer

BATCH = 5_000
KEPT_AFTER_CLOSE = timedelta(days=183)
EXACT_FOR = timedelta(hours=72)


def keep_no_longer() -> None:
    """Delete and coarsen all that has been kept long enough, a batch at a time."""
    while delete_expired_pending() == BATCH:
        pass
    while erase_after_close() == BATCH:
        pass
    cut_times_to_the_day()


def delete_expired_pending() -> int:
    """Delete what nobody confirmed within `PENDING_DAYS`, up to a batch; return how many.

    Also what a moderator removed before anybody confirmed it.
    """
    before = timezone.now() - timedelta(days=settings.PENDING_DAYS)
    unconfirmed = Signature.objects.filter(
        state__in=[Signature.State.PENDING, Signature.State.REMOVED], confirmed_at=None
    )
    expired = unconfirmed.filter(created_at__lt=before)
    with transaction.atomic():
        ids = _locked(expired)
        _delete(Mail.objects.filter(signature__in=ids))
        _delete(Signer.objects.filter(signature__in=ids))
        _delete(Signature.objects.filter(id__in=ids))
    return len(ids)


def erase_after_close() -> int:
    """Erase the people of petitions closed for `KEPT_AFTER_CLOSE`, up to a batch; return how many.

    The signatures themselves, which are not personal, stay for the totals.
    """
    before = timezone.now() - KEPT_AFTER_CLOSE
    kept_too_long = Signature.objects.filter(petition__closes_at__lt=before, signer__isnull=False)
    with transaction.atomic():
        ids = _locked(kept_too_long)
        _delete(Mail.objects.filter(signature__in=ids))
        _delete(Signer.objects.filter(signature__in=ids))
    return len(ids)


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


def _delete(rows: models.QuerySet[Any]) -> None:
    # One statement a table: the ORM's own cascade would read every row first.
    rows._raw_delete(rows.db)
