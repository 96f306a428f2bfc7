"""Opening a petition, by every way there is; recording when one closes."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from petitions.formatting.languages import moment_in_london
from petitions.models import AuditRecord, Petition
from petitions.publishing import life, readiness
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
    """Open a draft now, or at its own opening time to come, and publish its drafts of texts.

    With `at`, it opens at that time instead, and its drafts appear with it (embargo). A text with
    a time of its own keeps it: where every text has one, the petition opens with the first of
    them. `opens_at` is always written, and never in the past: figures by day begin there.

    Signers consent to a named organisation, and need its contact for their rights: without either
    nothing opens. Source: UK GDPR Articles 7(1) and 13(1)(a). What else the checklist misses is
    opened over with a reason, `override`, on record. Raises `Refused`, also where the petition
    is no draft (any more).
    """
    roles.require(actor, life.PERMISSION)
    row = life.locked_for(petition, life.OPEN)
    row.opens_at = at or row.opens_at
    items = readiness.checklist(row)
    if reasons := readiness.blocking(items):
        raise Refused(" ".join(reasons))
    unready = [item for item in items if not item.is_ready]
    if unready and not override.strip():
        raise Refused(" ".join(why for item in unready for why in item.todo))
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
        audit.record(
            action=AuditRecord.Action.OPENED_UNREADY,
            screen=screen,
            actor=actor,
            about=row,
            why=f"{override[: 290 - len(names)]} [{names}]",
        )


def record_closes() -> None:
    """Write `closed_at` of petitions that have closed since, and empty it of those opened again:
    retention periods count from the close that the program saw.

    Idempotent. `Petition.save` does it for what is saved one by one; this also sees what closes by
    the clock and what is updated past the model. A close is recorded as of now, whatever
    `closes_at` says: a date that somebody typed never makes it older.
    """
    now = timezone.now()
    Petition.objects.running(now).filter(closed_at__isnull=False).update(closed_at=None)
    Petition.objects.over(now).filter(closed_at=None).update(closed_at=now)
