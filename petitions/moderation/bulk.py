"""Bulk decisions: a decision about a whole selection, previewed, approved, then run in batches.

1. `preview` stores a draft and returns how many signatures match (bounded), the effect on the
   count, and a sample. Signatures that change after the preview are left alone.
2. `start` queues the job. A large one waits until a second moderator calls `approve`: see
   `mail.approval`. Any moderator can `cancel` it.
3. The worker runs it in batches (`run_due`, `models.BatchJob`). While people sign, it pauses
   between batches to leave them most of the machine. It stops if its actor may no longer moderate.
   All changes belong to one `Decision`, which `preview_undo` can undo.
"""

import logging
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.template.defaultfilters import pluralize

from petitions.mail.approval import Approval
from petitions.models import Alert, AuditRecord, BulkDecision, Decision, Petition, Signature
from petitions.moderation import alerts, decisions, search
from petitions.moderation.selection import Number, Selection, bounded, looks
from petitions.signatures import lifecycle
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

BATCH = 2_000
# The pause while people sign, in multiples of the last batch's duration: the job then uses two
# fifths of one processor, or a fifth of a machine with two.
REST_FACTOR = 1.5
# If somebody has signed within this time, others may be signing now.
SIGNING_WINDOW = timedelta(seconds=2)
# A preview counts no further; a larger number is counted exactly when the decision runs.
MAX_COUNTED = 100_000
# The effect of an undo is computed for at most this many: 10,000 took half a second.
MAX_EFFECT_ROWS = 5_000
MAX_OTHERS_SHOWN = 5
# An older preview is out of date; times of signatures are truncated to the day after 72 hours.
DRAFT_LIFETIME = timedelta(hours=24)
RIGHTS_ENDED = "rights-ended"
UNSELECTABLE = "unselectable"

State = BulkDecision.State
Action = AuditRecord.Action
APPROVAL = Approval(
    model=BulkDecision,
    since="awaiting_since",
    alone_waits=timedelta(minutes=30),
    started=Action.BULK_STARTED,
    approved=Action.BULK_APPROVED,
    cancelled=Action.BULK_CANCELLED,
    needs=roles.MODERATE,
    screen="run_bulk_decisions",
    team=roles.MODERATE,
    template="admin/petitions/bulkdecision/mail.txt",
)
logger = logging.getLogger(__name__)


class Preview(NamedTuple):
    """What a bulk decision would do. `job` is the draft to `start`.

    `effect` is the change of the count; where `number` is not exact, it is the least change. It is
    None for an undo or a restoration of more than `MAX_EFFECT_ROWS`: each state before is needed.
    """

    job: BulkDecision
    number: Number
    effect: int | None
    sample: list[Signature]


def preview(*, selection: Selection, kind: str, reason: str, note: str, actor: User) -> Preview:
    """Draft a decision about a selection.

    Raises `PermissionDenied`, and `Refused` if the kind is not for many, or if nothing matches.
    """
    if kind not in lifecycle.DECISIONS:
        raise Refused("You cannot do this to many signatures at once. Open each signature instead.")
    decision = Decision(petition_id=selection.petition_id, kind=kind, reason=reason, note=note)
    return _preview(decision, selection, actor)


def preview_undo(*, decision: Decision, note: str, actor: User) -> Preview:
    """Draft the undo of a decision where it is the latest one. Raises the same as `preview`."""
    undoing = Decision(
        petition_id=decision.petition_id,
        kind=Decision.Kind.UNDO,
        undoes=decision,
        reason=Decision.Reason.MISTAKE,
        note=note,
    )
    selection = Selection(petition_id=decision.petition_id, decision=decision.pk)
    return _preview(undoing, selection, actor)


def _preview(decision: Decision, selection: Selection, actor: User) -> Preview:
    roles.require(actor, decisions.permission(decision))
    job = BulkDecision(
        petition_id=decision.petition_id,
        kind=decision.kind,
        undoes=decision.undoes,
        reason=decision.reason,
        note=decision.note,
        actor=actor,
        conditions=selection.as_previewed().conditions(),
        seen_item=decisions.watermark(),
    )
    with transaction.atomic():
        job.save()
        job.refresh_from_db()
        rows = _rows(job)
        # A whole petition is counted exactly, because the moderator has to type its number.
        number = Number(rows.count(), True) if selection.is_total else bounded(rows, MAX_COUNTED)
        if not number.n:
            raise Refused("Nothing was done. No signature matches that this decision could change.")
        job.matching, job.is_exact = number
        job.save(update_fields=["matching", "is_exact"])
    return preview_of(job)


def preview_of(job: BulkDecision) -> Preview:
    """Return what a stored draft would do now. Raises `Refused`."""
    rows = _rows(job)
    # Ids are read first: sorting 100,000 rows joined with their signers took a second.
    ids = list(rows.order_by("id").values_list("pk", flat=True)[:10])
    found = Signature.objects.filter(pk__in=ids).select_related("signer", "place")
    sample = list(found.order_by("id"))
    return Preview(job, Number(job.matching, job.is_exact), _effect(job, rows), sample)


def record_look(*, job: BulkDecision, actor: User, screen: str) -> None:
    """Record that somebody sees a sample of one network, domain or alert, as its page does."""
    for kind in looks(job.conditions):
        search.record(petition=job.petition, kind=kind, actor=actor, screen=screen)
    of_alerts = job.conditions.get("alerts") or job.conditions.get("networks_of_alerts") or []
    found = Alert.objects.filter(pk__in=of_alerts)
    alerts.record_look(alerts=found, petition=job.petition, actor=actor, screen=screen)


def _rows(job: BulkDecision) -> QuerySet[Signature]:
    """Return the selected signatures that the decision can move and that existed at the preview."""
    selection = Selection.from_conditions(job.conditions)
    rows = selection.queryset().filter(created_at__lte=job.created_at)
    states = decisions.sources(_decision(job))
    # With one state only, its index gives the rows in the order of their ids.
    return rows if selection.state in states else rows.filter(state__in=states)


def _effect(job: BulkDecision, rows: QuerySet[Signature]) -> int | None:
    transition = lifecycle.DECISIONS.get(job.kind)
    if transition and transition.target in lifecycle.COUNTED:
        return min(job.matching, bounded(rows.exclude(state__in=lifecycle.COUNTED), MAX_COUNTED).n)
    if transition and transition.target:
        return -bounded(rows.filter(state__in=lifecycle.COUNTED), job.matching).n
    # An undo or a restoration moves each signature to its own earlier state. Two queries are used,
    # because right after a decision a join would scan all of its items for each signature.
    if job.matching > MAX_EFFECT_ROWS:
        return None
    some = rows.order_by().values_list(*_Row._fields)[: job.matching]
    found = [_Row._make(values) for values in some]
    before = decisions.states_before(found)
    return sum(
        (before[one.pk] in lifecycle.COUNTED) - (one.state in lifecycle.COUNTED)
        for one in found
        if one.pk in before
    )


def needs_approval(job: BulkDecision) -> bool:
    """Return whether a job is large enough to need approval by a second person."""
    return not job.is_exact or job.matching >= settings.BULK_DECISION_APPROVAL_FROM


def summary(job: BulkDecision) -> str:
    """Describe in sentences what a job has done so far. Screens show its state separately."""
    sentences = [
        f"{job.done:,} signature{pluralize(job.done)} changed.",
        decisions.change_in_words(job.count_change),
        "Nobody gets an email.",
    ]
    if job.skipped:
        sentences.append(f"{job.skipped:,} left alone, because they changed after the preview.")
    if job.error == RIGHTS_ENDED:
        sentences.append(
            "It was stopped, because the moderator who started it may no longer moderate."
        )
    elif job.error == UNSELECTABLE:
        sentences.append(
            "It was stopped, because something that a condition names is no longer known."
        )
    elif job.error:
        sentences.append("It was stopped by an error: ask your operator.")
    return " ".join(sentences)


def meanwhile(job: BulkDecision) -> list[Decision]:
    """Return the newest other decisions about the petition between a job's preview and its end.

    Empty unless the job skipped signatures. These decisions may be why, so screens show them.
    """
    if not job.skipped:
        return []
    others = Decision.objects.filter(petition=job.petition_id, created_at__gt=job.created_at)
    if job.finished_at:
        others = others.filter(created_at__lt=job.finished_at)
    others = others.exclude(bulk=job).select_related("actor", "undoes__undoes")
    return list(others.order_by("-created_at", "-id")[:MAX_OTHERS_SHOWN])


@transaction.atomic
def start(*, job: BulkDecision, actor: User, screen: str, typed: int | None = None) -> bool:
    """Queue a previewed decision; return False if it now waits for approval. Raises `Refused`.

    `typed` is the number that the actor typed. It is required if the selection `is_total`.
    """
    roles.require(actor, decisions.permission(_decision(job)))
    selection = Selection.from_conditions(job.conditions)
    if actor.pk != job.actor_id:
        raise Refused("Only the moderator who made this preview can start it. Make your own.")
    if selection.is_total and typed != job.matching:
        raise Refused(f"This is about all of them. To go on, type their number: {job.matching:,}.")
    is_recent = {"created_at__gt": Now() - DRAFT_LIFETIME}
    if not BulkDecision.objects.filter(pk=job.pk, **is_recent).exists():
        raise Refused("This preview is more than a day old. Make a new one.")
    APPROVAL.submit(job, is_large=needs_approval(job), actor=actor, screen=screen)
    return job.state == State.RUNNING


@transaction.atomic
def approve(*, job: BulkDecision, actor: User, screen: str) -> None:
    """Approve a waiting decision as the second person, and queue it. Raises `Refused`."""
    APPROVAL.approve(job, actor=actor, screen=screen)


@transaction.atomic
def cancel(*, job: BulkDecision, actor: User, screen: str) -> None:
    """Cancel any moderator's decision before its end. Raises `Refused` if it has ended.

    Signatures that it has moved stay so; its `decision` can be undone.
    """
    roles.require(actor, roles.MODERATE)
    if not job.change_state(State.CANCELLED, State.DRAFT, State.AWAITING, State.RUNNING):
        raise Refused("This has already ended. You can undo what it did.")
    audit.record(action=Action.BULK_CANCELLED, screen=screen, actor=actor, about=job)


def run_due(*, seconds: float = 20.0) -> None:
    """Run queued jobs in the order of approval, for at most about `seconds`.

    Call it again for the rest. Only one process may run it at a time.
    """
    BulkDecision.objects.filter(created_at__lt=Now() - DRAFT_LIFETIME, state=State.DRAFT).delete()
    APPROVAL.settle()
    for job in BulkDecision.objects.waiting().filter(mailed_at=None):
        if APPROVAL.mail_team(job, message_id=str(job.pk)):
            BulkDecision.objects.filter(pk=job.pk).update(mailed_at=Now())
    deadline = monotonic() + seconds
    for job in BulkDecision.objects.running():
        try:
            job.run(partial(_batch, job), seconds=deadline - monotonic(), rest=_rest)
        except Refused:
            job.change_state(State.FAILED, State.FAILED, error=UNSELECTABLE)
            logger.warning("bulk decision %s cannot go on: what it names is gone", job.pk)


def _rest(took: float) -> float:
    """Return the seconds to pause after a batch that took `took` seconds; 0 while nobody signs."""
    petitions = Petition.objects.filter(state=Petition.State.OPEN).values_list("pk", flat=True)
    signed = Signature.objects.filter(
        petition__in=list(petitions),
        state=Signature.State.PENDING,
        created_at__gt=Now() - SIGNING_WINDOW,
    )
    return REST_FACTOR * took if signed.exists() else 0.0


@transaction.atomic
def _batch(job: BulkDecision) -> bool:
    """Decide about the next rows; return False if none are left, or if the job has ended."""
    if not job.lock():
        return False
    actor = User.objects.get(pk=job.actor_id or 0)
    # The user is read again, because their permission may have been withdrawn.
    if not actor.has_perm(decisions.permission(_decision(job))):
        job.change_state(State.FAILED, State.RUNNING, error=RIGHTS_ENDED)
        return False
    rows = _rows(job)
    if not job.is_exact:
        job.matching, job.is_exact = rows.count(), True
    decisions.share_lock()
    left = rows.filter(pk__gt=job.cursor) if job.cursor else rows
    batch = left.order_by("id").select_for_update(of=("self",)).values_list(*_Row._fields)[:BATCH]
    locked = [_Row._make(values) for values in batch]
    if not locked:
        # Other transactions may have changed a whole batch while it waited for their locks.
        job.skipped = max(job.skipped, job.matching - job.done)
        job.save()
        return left.exists()
    unchanged = [one for one in locked if not one.is_confirmed_after(job.created_at)]
    done = decisions.apply(_decision(job), unchanged, seen=job.seen_item)
    job.decision = done.decision or job.decision
    job.cursor = locked[-1].pk
    job.done += done.signatures
    job.skipped += len(locked) - done.signatures
    job.count_change += done.count_change
    job.save()
    return True


class _Row(NamedTuple):
    """The columns of a signature that a batch needs. Model instances took most of its time."""

    pk: UUID
    petition_id: int
    place_id: str
    state: str
    decision_id: UUID | None
    confirmed_at: datetime | None

    def is_confirmed_after(self, moment: datetime) -> bool:
        return self.confirmed_at is not None and self.confirmed_at > moment


def _decision(job: BulkDecision) -> Decision:
    """Return the decision that earlier batches of the job saved, or a new one."""
    return job.decision or Decision(
        petition_id=job.petition_id,
        kind=job.kind,
        undoes=job.undoes,
        reason=job.reason,
        note=job.note,
        actor_id=job.actor_id,
    )
