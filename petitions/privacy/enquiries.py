"""Enquiries and complaints from the contact form: receive, acknowledge, answer.

No mail is sent from here: every message of the outbox belongs to a signature, and organisers
answer from the mailbox that people know. By law a complaint about data must be acknowledged
within 30 days and its outcome tracked (Data (Use and Access) Act 2025); the site promises the
same for every enquiry.
"""

import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from petitions.crypto import vault
from petitions.models import AuditRecord, Enquiry
from petitions.staff import audit

Action = AuditRecord.Action

ACKNOWLEDGE_WITHIN = timedelta(days=30)
# Associated data (AES-GCM) that binds sealed enquiries to their table.
TABLE = "enquiry"
# Padding: most messages fit, so that the length of the ciphertext does not tell them apart.
_AT_LEAST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The validated contents of an enquiry. `name` may be empty."""

    name: str
    email: str
    message: str
    language: str


def receive(*, kind: Enquiry.Kind, letter: Letter, looks_automatic: bool = False) -> Enquiry:
    """Store a message, sealed, with the day by which it must be acknowledged."""
    enquiry_id, today = uuid.uuid4(), timezone.localdate()
    return Enquiry.objects.create(
        id=enquiry_id,
        kind=kind,
        sealed=_seal(letter, enquiry_id),
        looks_automatic=looks_automatic,
        received_on=today,
        due_on=today + ACKNOWLEDGE_WITHIN,
    )


def read(enquiry: Enquiry) -> Letter:
    """Unseal an enquiry: its text and sender. Raises `vault.CannotOpen`."""
    said = vault.unseal(enquiry.sealed, table=TABLE, row_id=enquiry.pk)
    return Letter(**{name: str(value) for name, value in said.items()})


def reseal(enquiry: Enquiry) -> None:
    """Re-encrypt an enquiry under the first key (key rotation). Raises `vault.CannotOpen`."""
    sealed = _seal(read(enquiry), enquiry.pk)
    Enquiry.objects.filter(pk=enquiry.pk).update(sealed=sealed)


@transaction.atomic
def acknowledge(*, ids: Collection[uuid.UUID], actor: User, screen: str) -> int:
    """Mark as acknowledged today, on the audit record; return how many."""
    waiting = Enquiry.objects.waiting().filter(pk__in=ids)
    changes = {"acknowledged_on": timezone.localdate()}
    return _update(waiting, changes, Action.ENQUIRY_ACKNOWLEDGED, actor, screen)


@transaction.atomic
def answer(*, ids: Collection[uuid.UUID], actor: User, screen: str) -> int:
    """Mark as answered today, and so acknowledged, on the audit record; return how many."""
    today = timezone.localdate()
    unanswered = Enquiry.objects.filter(pk__in=ids, state=Enquiry.State.OPEN)
    changes = {
        "state": Enquiry.State.ANSWERED,
        "answered_on": today,
        "acknowledged_on": Coalesce("acknowledged_on", Value(today)),
    }
    return _update(unanswered, changes, Action.ENQUIRY_ANSWERED, actor, screen)


@transaction.atomic
def reopen(*, ids: Collection[uuid.UUID], actor: User, screen: str) -> int:
    """Undo `answer`, on the audit record; return how many."""
    answered = Enquiry.objects.filter(pk__in=ids, state=Enquiry.State.ANSWERED)
    changes = {"state": Enquiry.State.OPEN, "answered_on": None}
    return _update(answered, changes, Action.ENQUIRY_REOPENED, actor, screen)


def _update(
    enquiries: QuerySet[Enquiry],
    changes: dict[str, Any],
    action: AuditRecord.Action,
    actor: User,
    screen: str,
) -> int:
    """Lock rows, change them, and record the act about each; return how many."""
    locked = list(enquiries.only("pk").select_for_update().order_by("pk"))
    Enquiry.objects.filter(pk__in=[enquiry.pk for enquiry in locked]).update(**changes)
    audit.record_each(action=action, screen=screen, actor_id=actor.pk, about=locked)
    return len(locked)


def _seal(letter: Letter, enquiry_id: uuid.UUID) -> bytes:
    return vault.seal(asdict(letter), table=TABLE, row_id=enquiry_id, at_least=_AT_LEAST)
