"""Opening a petition, in every way there is, and recording when one closes."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from petitions.formatting.languages import moment_in_london
from petitions.models import AuditRecord, Petition
from petitions.publishing import life, readiness
from petitions.publishing.readiness import Item
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused


@transaction.atomic
def open_petition(
    *,
    petition: Petition,
    actor: User | None,
    screen: str,
    override: str = "",
    at: datetime | None = None,
) -> None:
    """Open a draft now, or at its own future opening time, and publish its draft texts.

    With `at` it opens at that time instead, and its draft texts appear then (embargo). Texts with a
    time of their own keep it: if all have one, the petition opens with the first. `opens_at` is
    always set and never in the past, because figures by day begin there.

    Signers consent to a named organisation and need its contact to exercise their rights, so both
    are required. Source: UK GDPR Articles 7(1) and 13(1)(a). A reason, `override`, which goes on
    record, is enough to ignore the other items of the checklist. Raises `Refused`, also if the
    petition is not a draft.
    """
    roles.require(actor, life.PERMISSION)
    row = life.locked_for(petition, life.OPEN)
    row.opens_at = at or row.opens_at
    unready = _unready(row, override)
    now = timezone.now()
    is_to_come = row.opens_at is not None and row.opens_at > now
    opens_at = at or (row.opens_at if is_to_come else row.appears_at()) or now
    row.opens_at = opens_at
    row.texts.filter(published_at=None).update(published_at=at or now)
    row.state = Petition.State.OPEN
    life.set_paused(row, is_paused=False)
    row.save(update_fields=["state", "opens_at", *life.PAUSE_FIELDS])
    planned = f"It opens {moment_in_london(opens_at)}" if opens_at > now else ""
    life.record(act=life.ACTS[life.OPEN], petition=row, actor=actor, screen=screen, why=planned)
    if unready:
        names = ", ".join(item.label for item in unready)
        why = f"{override[: 290 - len(names)]} [{names}]"
        action = AuditRecord.Action.OPENED_UNREADY
        audit.record(action=action, screen=screen, actor=actor, about=row, why=why)


def _unready(petition: Petition, override: str) -> list[Item]:
    """Return the items of the checklist that `override` ignores. Raises `Refused` for others."""
    items = readiness.checklist(petition)
    if reasons := readiness.blocking(items):
        raise Refused(" ".join(reasons))
    unready = [item for item in items if not item.is_ready]
    if unready and not override.strip():
        raise Refused(" ".join(why for item in unready for why in item.todo))
    return unready


def record_closes() -> None:
    """Set `closed_at` of petitions that have closed, and clear it for those that have reopened.

    Retention counts from this time, at which the program saw the close. Idempotent. `Petition.save`
    does it for single rows; this also covers closes by the clock and updates that bypass the model.
    `closed_at` is set to now, whatever `closes_at` says, so that a typed date never makes it older.
    """
    now = timezone.now()
    Petition.objects.running(now).filter(closed_at__isnull=False).update(closed_at=None)
    Petition.objects.over(now).filter(closed_at=None).update(closed_at=now)
