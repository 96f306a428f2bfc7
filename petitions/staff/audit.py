"""The audit log: append-only records of what staff do, written by the use cases."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import models
from django.db.models.functions import TruncDay
from django.utils import timezone

from petitions.models import AuditRecord

Action = AuditRecord.Action

# Retention. The table's trigger has these periods and those of `purge`, and forbids earlier
# deletion.
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

    `screen` is the name of a route or a command. Without an actor, a command or an unknown person
    acted; use `actor_id` if only the account's id is known. `about` is stored as model and primary
    key. `why` is the actor's reason, up to 300 characters, and never contains a signer's data.
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
    """Delete old records of passwords; in other old records, erase networks and truncate times.

    Return how many rows changed. All other records are kept for ever.
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
