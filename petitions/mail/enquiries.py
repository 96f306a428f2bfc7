"""Enquiries from the contact form: receive, answer by email, close.

An answer goes through the outbox, only to the address that wrote. It quotes nothing of the message,
because anybody can type anybody's address into the form. Nothing here looks up what an address has
done: see "Constant work" in docs/architecture.md.

By law a complaint about data must be acknowledged within 30 days, and its outcome told without
undue delay (Data Protection Act 2018, section 164A). A request about data must be answered within
one month (UK GDPR Article 12(3)). The site promises 30 days for everything.
"""

import os
import uuid
from calendar import monthrange
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from enum import Enum, auto
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, QuerySet, Value, When
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from petitions.crypto import vault
from petitions.mail.wake_worker import nudge
from petitions.models import Answer, AuditRecord, Enquiry, Mail
from petitions.screening import challenge, rate_limits
from petitions.screening.screen import ChallengeRequired, Evidence, TooMany, check_limits
from petitions.signers import sealing
from petitions.staff import audit, roles

PERMISSION = "petitions.change_enquiry"
Action = AuditRecord.Action
State = Enquiry.State

ANSWER_WITHIN = timedelta(days=30)
MAX_ANSWER = 4000
# Associated data (AES-GCM) that binds sealed values to their table.
TABLE, ANSWER_TABLE = "enquiry", "answer"
# Padding. Most texts fit, so that the length of the ciphertext does not tell them apart.
_MIN_LENGTH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """The validated contents of an enquiry. `name` may be empty."""

    name: str
    email: str
    message: str
    language: str


class Outcome(Enum):
    SENT = auto()
    SENT_BEFORE = auto()
    OTHER_FIRST = auto()


def submit(
    *, kind: Enquiry.Kind, letter: Letter, evidence: Evidence
) -> TooMany | ChallengeRequired | None:
    """Submit the contact form. Return None if the enquiry is stored."""
    sender, act = evidence.sender, rate_limits.Act.CONTACT
    limits = check_limits(act, sender=sender, address=letter.email)
    # Nothing here depends on who signed, so silent limits may be shown too.
    if limits.is_refused or limits.is_silenced:
        return TooMany()
    # The limit of all messages together only requires a challenge, because with a refusal one
    # sender would close the page to everybody.
    if limits.needs_challenge and (
        offer := challenge.demand(evidence.challenge, challenge.CONTACT, sender.network)
    ):
        return ChallengeRequired(offer)
    # The honeypot is only a signal, because some browsers autofill hidden fields.
    receive(kind=kind, letter=letter, looks_automatic=bool(evidence.honeypot))
    return None


def receive(*, kind: Enquiry.Kind, letter: Letter, looks_automatic: bool = False) -> Enquiry:
    """Store an enquiry, sealed, with the day by which it must be answered."""
    enquiry_id, today = uuid.uuid4(), timezone.localdate()
    return Enquiry.objects.create(
        id=enquiry_id,
        kind=kind,
        sealed=_seal(letter, enquiry_id),
        looks_automatic=looks_automatic,
        received_on=today,
        due_on=due_on(kind, today),
    )


def due_on(kind: Enquiry.Kind, received: date) -> date:
    """Return the last day to answer: after 30 days, or for requests about data after one calendar
    month if that is sooner. The month ends on its last day if it has no such day.
    """
    promised = received + ANSWER_WITHIN
    if kind != Enquiry.Kind.DATA:
        return promised
    year, month = received.year + received.month // 12, received.month % 12 + 1
    return min(promised, date(year, month, min(received.day, monthrange(year, month)[1])))


def read(enquiry: Enquiry) -> Letter:
    """Unseal an enquiry: its text and sender. Raises `vault.CannotOpen`."""
    values = vault.unseal(enquiry.sealed, table=TABLE, row_id=enquiry.pk)
    return Letter(**{name: str(value) for name, value in values.items()})


def read_answer(answer: Answer) -> str:
    """Unseal the text of an answer. Raises `vault.CannotOpen`."""
    return str(vault.unseal(answer.sealed, table=ANSWER_TABLE, row_id=answer.pk)["text"])


def reseal(enquiry: Enquiry) -> None:
    """Re-encrypt an enquiry and its answers under the first key (key rotation).

    Raises `vault.CannotOpen`.
    """
    for answer in enquiry.answers.all():
        sealed = _seal_answer(read_answer(answer), answer.pk)
        Answer.objects.filter(pk=answer.pk).update(sealed=sealed)
    sealed = _seal(read(enquiry), enquiry.pk)
    Enquiry.objects.filter(pk=enquiry.pk).update(sealed=sealed)


@transaction.atomic
def send_answer(
    *, enquiry_id: UUID, number: int, text: str, is_last: bool, actor: User, screen: str
) -> Outcome:
    """Mail an answer to the address that wrote, on the audit record; `is_last` marks it answered.

    `number` is the number that the form was opened for. If that answer exists, nothing is sent: the
    form was submitted twice, or somebody else was first. Raises `vault.CannotOpen`, and
    `Enquiry.DoesNotExist` if retention has deleted the enquiry.
    """
    roles.require(actor, PERMISSION)
    enquiry = Enquiry.objects.select_for_update().get(pk=enquiry_id)
    if earlier := enquiry.answers.filter(number=number).first():
        is_same = earlier.written_by_id == actor.pk and read_answer(earlier) == text
        return Outcome.SENT_BEFORE if is_same else Outcome.OTHER_FIRST
    today, answer_id = timezone.localdate(), uuid.uuid4()
    answer = Answer.objects.create(
        id=answer_id,
        enquiry=enquiry,
        number=number,
        sealed=_seal_answer(text, answer_id),
        written_on=today,
        written_by=actor,
    )
    _queue(answer, read(enquiry))
    enquiry.state = State.ANSWERED if is_last else State.STARTED
    enquiry.answered_on = today if is_last else None
    enquiry.acknowledged_on = enquiry.acknowledged_on or today
    enquiry.save(update_fields=["state", "answered_on", "acknowledged_on"])
    audit.record(action=Action.ANSWER_SENT, screen=screen, actor=actor, about=enquiry)
    transaction.on_commit(nudge)
    return Outcome.SENT


def _queue(answer: Answer, to: Letter) -> None:
    """Queue the mail. Its index is random, so no limit counts it: a person sends each answer."""
    mail = Mail(
        kind=Mail.Kind.ANSWER,
        answer=answer,
        global_mailbox_ix=os.urandom(vault.INDEX_BYTES),
        due_at=Now(),
        created_at=Now(),
    )
    mail.sealed = sealing.seal_addressee(mail.pk, address=to.email, language=to.language)
    mail.save(force_insert=True)


class Act(NamedTuple):
    """A change of state without mail: its button and the text beside it, the states in which it is
    possible, its audit record, and the columns that it changes, given today's date.
    """

    label: str
    effect: str
    states: tuple[Enquiry.State, ...]
    action: AuditRecord.Action
    changes: Callable[[Value], dict[str, Any]]


ACTS = {
    "acknowledge": Act(
        "Mark as being answered",
        "I have written back elsewhere, not here, and will write again.",
        (State.NEW,),
        Action.ENQUIRY_ACKNOWLEDGED,
        lambda today: {"state": State.STARTED, "acknowledged_on": today},
    ),
    "answered": Act(
        "Mark as answered",
        "I have answered elsewhere, not here.",
        Enquiry.WAITING,
        Action.ENQUIRY_ANSWERED,
        lambda today: {
            "state": State.ANSWERED,
            "answered_on": today,
            "acknowledged_on": Coalesce("acknowledged_on", today),
        },
    ),
    "close": Act(
        "Close",
        "There is nothing left to do, for example because it is spam.",
        (*Enquiry.WAITING, State.ANSWERED),
        Action.ENQUIRY_CLOSED,
        lambda today: {"state": State.CLOSED, "answered_on": Coalesce("answered_on", today)},
    ),
    "reopen": Act(
        "Open again",
        "It waits for an answer again, by the same day.",
        (State.ANSWERED, State.CLOSED),
        Action.ENQUIRY_REOPENED,
        lambda _today: {
            "state": Case(
                When(acknowledged_on=None, then=Value(State.NEW)), default=Value(State.STARTED)
            ),
            "answered_on": None,
        },
    ),
}


@transaction.atomic
def mark(*, act: str, ids: Collection[UUID], actor: User, screen: str) -> int:
    """Apply one of `ACTS` to the given enquiries for which it is possible; return how many."""
    roles.require(actor, PERMISSION)
    possible = Enquiry.objects.filter(pk__in=ids, state__in=ACTS[act].states)
    changes = ACTS[act].changes(Value(timezone.localdate()))
    return _update(possible, changes, ACTS[act].action, actor, screen)


@transaction.atomic
def note_outcome(*, enquiry_id: UUID, outcome: str, actor: User, screen: str) -> None:
    """Save what was done about an enquiry, on the audit record if the text has changed."""
    roles.require(actor, PERMISSION)
    others = Enquiry.objects.filter(pk=enquiry_id).exclude(outcome=outcome)
    _update(others, {"outcome": outcome}, Action.CHANGED, actor, screen)


def _update(
    enquiries: QuerySet[Enquiry],
    changes: dict[str, Any],
    action: AuditRecord.Action,
    actor: User,
    screen: str,
) -> int:
    """Lock rows, change them, and record the act for each; return how many."""
    locked = list(enquiries.only("pk").select_for_update().order_by("pk"))
    Enquiry.objects.filter(pk__in=[enquiry.pk for enquiry in locked]).update(**changes)
    audit.record_each(action=action, screen=screen, actor=actor, about=locked)
    return len(locked)


def _seal(letter: Letter, enquiry_id: UUID) -> bytes:
    return vault.seal(asdict(letter), table=TABLE, row_id=enquiry_id, at_least=_MIN_LENGTH)


def _seal_answer(text: str, answer_id: UUID) -> bytes:
    return vault.seal({"text": text}, table=ANSWER_TABLE, row_id=answer_id, at_least=_MIN_LENGTH)
