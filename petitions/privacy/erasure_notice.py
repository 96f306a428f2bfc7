"""Notice period before a closed petition's signers are erased: a week to put that on hold.

1. A sweep schedules the erasure: the admin's home and a mail to the organisation say so.
2. An organiser may stop it, with a reason, until an organiser releases it.
3. Once it is due, and sweeps have seen it on as many days as the notice has, `retention` erases.

A release starts at 1 again, so that no single click erases anybody. The schedule of a petition
without signers, or that was reopened, is deleted.
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
# Notice starts a day early: a worker outage of a day does not extend the retention period.
_LEAD = NOTICE + timedelta(days=1)


def schedule(*, kept: timedelta) -> None:
    """Update the schedule; `kept` is the retention period of signers after the close.

    Notice is given within that period, so that it does not extend it. Idempotent.
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
    """Ids of petitions whose signers are due for erasure, locked against a stop until commit."""
    # A statement of its own: one that both locks and filters has a snapshot from before the wait.
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
    # About the petition, because the row of the erasure is deleted.
    audit.record(action=Action.ERASURE_STOPPED, screen=screen, actor=actor, about=erasure.petition)
    return Outcome.DONE


@transaction.atomic
def release(*, erasure: Erasure, reason: str, actor: User, screen: str) -> Outcome:
    """Release a stopped erasure, with a new notice period, and record why."""
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
    """Lock the row until commit, against an erasure or a stop; False if it is gone."""
    return Erasure.objects.select_for_update().filter(pk=erasure.pk).first() is not None


def _begin(petition_id: int, *, due_at: datetime) -> None:
    now = timezone.now()
    Erasure.objects.create(
        petition_id=petition_id,
        scheduled_at=now,
        erasure_due_at=due_at,
        seen_on=timezone.localdate(now),
    )
