"""The audit log: append-only records of staff's acts, written by the use case that does them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import TruncDay
from django.utils import timezone

from petitions.models import AuditRecord

Action = AuditRecord.Action

# Retention. The table's trigger has the same periods and those of `purge`, and forbids
# earlier deletion.
FAILURES_KEPT = timedelta(days=30)
LOGINS_KEPT = timedelta(days=365)


def record(
    *,
    action: AuditRecord.Action,
    screen: str,
    actor: User | None = None,
    actor_id: int | None = None,
    about: models.Model | None = None,
    network_ix: bytes | None = None,
    why: str = "",
) -> None:
    """Append one record, in the transaction of the act itself.

    `screen` is a route's or a command's name; no actor means a command, or nobody known, and
    `actor_id` is for an account of which only the id is. `about` is stored as its model and primary
    key. `why` is the reason that the actor gave, up to 300 characters, never a signer's data.
    """
    AuditRecord.objects.create(
        action=action,
        screen=screen,
        actor_id=actor.pk if actor else actor_id,
        object_type=about._meta.label_lower if about else "",
        object_id=str(about.pk) if about else "",
        network_ix=network_ix,
        why=why,
    )


def record_each(
    *,
    action: AuditRecord.Action,
    screen: str,
    actor: User | None,
    about: Iterable[models.Model],
) -> None:
    for one in about:
        record(action=action, screen=screen, actor=actor, about=one)


def purge(*, exact_for: timedelta, network_kept: timedelta) -> int:
    """Retention: delete old records of passwords; erase old networks and truncate old times of all.

    Return how many rows changed. All other records stay for ever.
    """
    failures = AuditRecord.objects.filter(
        action__in=[Action.PASSWORD_WRONG, Action.PASSWORD_REFUSED],
        created_at__lt=_ago(FAILURES_KEPT),
    )
    logins = AuditRecord.objects.filter(
        action=Action.PASSWORD_RIGHT, created_at__lt=_ago(LOGINS_KEPT)
    )
    known = AuditRecord.objects.filter(network_ix__isnull=False, created_at__lt=_ago(network_kept))
    exact = AuditRecord.objects.filter(created_at__lt=_ago(exact_for)).exclude(
        created_at=TruncDay("created_at")
    )
    deleted = failures.delete()[0] + logins.delete()[0]
    return deleted + known.update(network_ix=None) + exact.update(created_at=TruncDay("created_at"))


def _ago(period: timedelta) -> datetime:
    return timezone.now() - period
