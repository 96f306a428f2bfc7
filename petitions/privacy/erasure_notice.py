"""Give a week's notice before a closed petition's signers are erased, so that it can be stopped.

1. A sweep schedules the erasure. The admin's home and a mail to the organisation announce it.
2. An organiser may stop it, with a reason. It then waits until an organiser releases it.
3. `retention` erases once the erasure is due and sweeps have run on `NOTICE.days` different days.

A release starts again at step 1, so that no single click erases anybody. If a petition has no
signers or is reopened, its schedule is deleted.
"""

from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from petitions.models import AuditRecord, Erasure, ErasureStop, Petition, Signer
from petitions.staff import audit, roles

PERMISSION = "petitions.change_erasure"
Action = AuditRecord.Action

NOTICE = timedelta(days=7)
# Notice starts a day early, so that a day without the worker does not extend the retention period.
_LEAD = NOTICE + timedelta(days=1)


def schedule(*, kept: timedelta) -> None:
    """Update the schedule of erasures. Signers are retained for `kept` after their petition closes.

    Notice is given within that period and does not extend it. Idempotent.
    """
    now = timezone.now()
    people = Signer.objects.filter(petition=OuterRef("pk"))
    ripe = Petition.objects.filter(Exists(people), closed_at__lte=now - kept + _LEAD)
    Erasure.objects.exclude(petition__in=ripe).delete()
    today = timezone.localdate(now)
    Erasure.objects.exclude(seen_on=today).update(seen_on=today, days_seen=F("days_seen") + 1)
    for petition in ripe.filter(erasure=None):
        assert petition.closed_at
        _begin(petition.pk, due_at=max(now + NOTICE, petition.closed_at + kept))


def due(*, kept: timedelta) -> list[int]:
    """Return ids of petitions whose signers are due for erasure. `stop` waits until commit."""
    # A statement that locks and filters would filter by a snapshot from before it got the locks.
    locked = _locked_all()
    now = timezone.now()
    is_due = Erasure.objects.standing().filter(
        pk__in=locked,
        erasure_due_at__lte=now,
        days_seen__gte=NOTICE.days,
        petition__closed_at__lte=now - kept,
    )
    return list(is_due.values_list("petition", flat=True))


class Outcome(Enum):
    """The outcome of `stop` and `release`."""

    DONE = "done"
    DONE_BEFORE = "somebody else did it before"
    OVER = "there is no such erasure any more: it is done, was scheduled anew, or is not due"


@transaction.atomic
def stop(*, erasure: Erasure, reason: str, actor: User, screen: str) -> Outcome:
    """Put an erasure on hold until somebody releases it, and record why."""
    roles.require(actor, PERMISSION)
    if not _locked(erasure):
        return Outcome.OVER
    if Erasure.objects.stopped().filter(pk=erasure.pk).exists():
        return Outcome.DONE_BEFORE
    ErasureStop.objects.create(petition_id=erasure.petition_id, reason=reason, stopped_by=actor)
    # The record is about the petition, because the erasure's row will be deleted.
    audit.record(action=Action.ERASURE_STOPPED, screen=screen, actor=actor, about=erasure.petition)
    return Outcome.DONE


@transaction.atomic
def release(*, erasure: Erasure, reason: str, actor: User, screen: str) -> Outcome:
    """Release a stopped erasure with a new notice period, and record why."""
    roles.require(actor, PERMISSION)
    if not _locked(erasure):
        return Outcome.OVER
    now = timezone.now()
    stops = ErasureStop.objects.standing().filter(petition=erasure.petition_id)
    if not stops.update(released_at=now, released_by=actor, release_reason=reason):
        return Outcome.DONE_BEFORE
    # A new row, so that the organisation is mailed again.
    Erasure.objects.filter(pk=erasure.pk).delete()
    _begin(erasure.petition_id, due_at=now + NOTICE)
    audit.record(action=Action.ERASURE_RELEASED, screen=screen, actor=actor, about=erasure.petition)
    return Outcome.DONE


def _locked_all() -> list[UUID]:
    return list(Erasure.objects.select_for_update().values_list("pk", flat=True))


def _locked(erasure: Erasure) -> bool:
    """Lock the row until commit, so that an erasure or a stop waits. Return False if it is gone."""
    return Erasure.objects.select_for_update().filter(pk=erasure.pk).first() is not None


def _begin(petition_id: int, *, due_at: datetime) -> None:
    now = timezone.now()
    Erasure.objects.create(
        petition_id=petition_id,
        scheduled_at=now,
        erasure_due_at=due_at,
        seen_on=timezone.localdate(now),
    )
