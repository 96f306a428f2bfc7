"""Notice before a closed petition's people are erased: a week in which organisers can stop it.

1. A sweep schedules the erasure: home and a mail to the organisation say so.
2. An organiser may stop it, with a reason, until an organiser lets it go on.
3. Once its time has come, and sweeps have seen it on as many days, `retention` erases.

Letting it go on begins at 1 again, so that no single press erases anybody. What has no people
left, or whose petition was opened again, is forgotten.
"""

from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from petitions.models import AuditRecord, Erasure, ErasureStop, Petition, Signer
from petitions.models.petition import PetitionQuerySet
from petitions.staff import audit

Action = AuditRecord.Action

NOTICE = timedelta(days=7)
# It begins a day early: a worker that was away for a while breaks no promise to signers.
_LEAD = NOTICE + timedelta(days=1)


def schedule(*, kept: timedelta) -> None:
    """Bring the schedule up to date; `kept` is how long after the close people are kept.

    Notice is given within that time, so that they are kept no longer. Run it as often as you like.
    """
    now = timezone.now()
    people = Signer.objects.filter(petition=OuterRef("pk"))
    ripe = _closed_before(now - kept + _LEAD).filter(Exists(people))
    Erasure.objects.exclude(petition__in=ripe).delete()
    today = timezone.localdate(now)
    Erasure.objects.exclude(seen_on=today).update(seen_on=today, days_seen=F("days_seen") + 1)
    for petition in ripe.filter(erasure=None):
        assert petition.closed_at
        _begin(petition.pk, due_at=max(now + NOTICE, petition.closed_at + kept))


def due(*, kept: timedelta) -> list[int]:
    """The petitions whose people are to be erased now, locked against a stop until commit."""
    # A statement of its own: one that both locked and read would read as of before the wait.
    locked = _locked_all()
    now = timezone.now()
    is_due = Erasure.objects.standing().filter(
        pk__in=locked,
        erasure_due_at__lte=now,
        days_seen__gte=NOTICE.days,
        petition__in=_closed_before(now - kept),
    )
    return list(is_due.values_list("petition", flat=True))


class Outcome(Enum):
    """What became of a wish to stop an erasure or to let it go on."""

    DONE = "done"
    DONE_BEFORE = "somebody else did it before"
    OVER = "there is no such erasure any more: it is done, was scheduled anew, or is not due"


@transaction.atomic
def stop(*, erasure: Erasure, reason: str, actor: User, screen: str) -> Outcome:
    """Keep a petition's people until somebody lets their erasure go on, and record why."""
    if not _locked(erasure):
        return Outcome.OVER
    if Erasure.objects.stopped().filter(pk=erasure.pk).exists():
        return Outcome.DONE_BEFORE
    ErasureStop.objects.create(petition_id=erasure.petition_id, reason=reason, stopped_by=actor)
    _record(Action.ERASURE_STOPPED, erasure, actor, screen)
    return Outcome.DONE


@transaction.atomic
def release(*, erasure: Erasure, reason: str, actor: User, screen: str) -> Outcome:
    """Let a stopped erasure go on, after notice anew, and record why."""
    if not _locked(erasure):
        return Outcome.OVER
    now = timezone.now()
    stops = ErasureStop.objects.standing().filter(petition=erasure.petition_id)
    if not stops.update(released_at=now, released_by=actor, release_reason=reason):
        return Outcome.DONE_BEFORE
    # Another row, so that the organisation is mailed again.
    Erasure.objects.filter(pk=erasure.pk).delete()
    _begin(erasure.petition_id, due_at=now + NOTICE)
    _record(Action.ERASURE_RELEASED, erasure, actor, screen)
    return Outcome.DONE


def _closed_before(moment: datetime) -> PetitionQuerySet:
    return Petition.objects.filter(closed_at__lte=moment)


def _locked_all() -> list[UUID]:
    return list(Erasure.objects.select_for_update().values_list("pk", flat=True))


def _locked(erasure: Erasure) -> bool:
    """Whether it is still there; until commit nobody else erases or stops it."""
    return Erasure.objects.select_for_update().filter(pk=erasure.pk).first() is not None


def _record(action: AuditRecord.Action, erasure: Erasure, actor: User, screen: str) -> None:
    # An erasure's row goes with the erasure, and its petition stays.
    audit.record(action=action, screen=screen, actor_id=actor.pk, about=erasure.petition)


def _begin(petition_id: int, *, due_at: datetime) -> None:
    now = timezone.now()
    Erasure.objects.create(
        petition_id=petition_id,
        scheduled_at=now,
        erasure_due_at=due_at,
        seen_on=timezone.localdate(now),
    )
