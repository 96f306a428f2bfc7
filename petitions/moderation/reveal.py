"""Reveal a signer's e-mail address to a moderator. It needs a reason, is limited and recorded."""

from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from petitions.crypto import vault
from petitions.infra import locks
from petitions.models import AuditRecord, Signature, Signer
from petitions.signers import sealing
from petitions.staff import audit, roles

PERMISSION = "petitions.reveal_signature"
PERIOD = timedelta(hours=1)
Action = AuditRecord.Action


class Revealed(NamedTuple):
    """The address, and how many more this moderator may reveal within the hour."""

    email: str
    left: int


class BudgetSpent(NamedTuple):
    """Not revealed: the hour's budget is spent. Trying again after `wait` helps."""

    wait: timedelta


class NobodyThere(NamedTuple):
    """Not revealed: the person was erased or never stored, or their key is gone."""


@transaction.atomic
def reveal(
    *, actor: User, signature_id: UUID, reason: str, screen: str
) -> Revealed | BudgetSpent | NobodyThere:
    """Record who wants a signer's address and why, then unseal it.

    A moderator may reveal `settings.REVEALS_PER_HOUR` an hour. A reveal that finds nobody counts
    too, and the first refusal of an hour is recorded. Raises `PermissionDenied`, and `ValueError`
    for an empty reason or one with an address in it: the form must reject these.
    """
    roles.require(actor, PERMISSION)
    if not reason.strip() or "@" in reason:
        raise ValueError("Give a reason, without an address in it.")
    # Without the lock, two concurrent reveals could both take the last place of the budget.
    locks.lock_named(f"reveal {actor.pk}")
    now = timezone.now()
    spent = _lately(actor, Action.ADDRESS_REVEALED)
    record = partial(
        audit.record,
        screen=screen,
        actor=actor,
        about=Signature(pk=signature_id),
        why=reason[:300],
    )
    if len(spent) >= settings.REVEALS_PER_HOUR:
        if not _lately(actor, Action.REVEAL_REFUSED):
            record(action=Action.REVEAL_REFUSED)
        return BudgetSpent(wait=spent[0] + PERIOD - now)
    record(action=Action.ADDRESS_REVEALED)
    signer = Signer.objects.filter(signature_id=signature_id).select_related("signature").first()
    if signer is None or signer.signature.state == Signature.State.REFUSED:
        return NobodyThere()
    try:
        email = sealing.unsealed(signer)["email"]
    except vault.CannotOpen:
        return NobodyThere()
    return Revealed(email, left=settings.REVEALS_PER_HOUR - len(spent) - 1)


def _lately(actor: User, action: AuditRecord.Action) -> list[datetime]:
    """Return the times of the actor's audit records of an action within `PERIOD`, oldest first."""
    rows = AuditRecord.objects.lately(action, PERIOD).filter(actor=actor)
    return list(rows.order_by("created_at").values_list("created_at", flat=True))
