"""Moderation decisions: remove, hold, restore, approve, undo, erase. Each is recorded."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, QuerySet
from django.db.models.functions import Now
from django.template.defaultfilters import pluralize

from petitions.infra import locks
from petitions.models import AuditRecord, Decision, DecisionItem, Petition, Signature, as_array
from petitions.signatures import lifecycle, withdraw
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

State = Signature.State
Kind = Decision.Kind
_DECIDING = "deciding"
# Rows on a page of the admin's list of signatures.
ROWS_PER_PAGE = 50
# People whom one moderator may erase in an hour: it cannot be undone and needs no second person.
ERASURES_AN_HOUR, HOUR = 20, timedelta(hours=1)
# The permission that each kind of decision needs; other kinds need `roles.MODERATE`.
_PERMISSIONS = {
    Kind.APPROVE: "petitions.approve_signature",
    Kind.REMOVE: "petitions.remove_signature",
    Kind.ERASE: "petitions.erase_signature",
}


def permission(decision: Decision) -> str:
    """Return the permission that a decision needs; an undo needs that of the undone decision."""
    first = decision
    while first.undoes is not None:
        first = first.undoes
    return _PERMISSIONS.get(Kind(first.kind), roles.MODERATE)


def is_large(number: int) -> bool:
    """Return whether so many signatures need a bulk decision, which a second moderator approves.

    The ticked rows of one page never need one. See `moderation.bulk`.
    """
    return number > ROWS_PER_PAGE and number >= settings.BULK_DECISION_APPROVAL_FROM


def _refuse_if_large(number: int) -> None:
    if is_large(number):
        raise Refused(
            f"{number:,} at once need a second moderator. Nothing was changed. Load the page again."
        )


def change_in_words(change: int) -> str:
    """Return a sentence about the change of a petition's count."""
    if not change:
        return "The count stays as it is."
    return f"The count {'rose' if change > 0 else 'fell'} by {abs(change):,}."


@dataclass(frozen=True, slots=True)
class Decided:
    """The result of a decision: signatures moved, change of the count, and signatures left alone.

    `unmoved` counts by state the signatures that this decision cannot move. `overtaken` has those
    about which somebody else decided after they were shown, and `others` has those decisions.
    `decision` is None if nothing moved.
    """

    kind: str
    signatures: int = 0
    count_change: int = 0
    decision: Decision | None = None
    unmoved: Counter[str] = field(default_factory=Counter)
    overtaken: frozenset[UUID] = frozenset()
    others: tuple[Decision, ...] = ()

    def summary(self) -> str:
        moved = "Nothing was changed."
        if self.signatures and self.kind == Decision.Kind.UNDO:
            words = pluralize(self.signatures, " has its,s have their")
            moved = f"{self.signatures} signature{words} earlier status again."
        elif self.signatures:
            moved = str(lifecycle.DECISIONS[self.kind].summary % {"n": self.signatures})
        sentences = [moved]
        # Every approved signature counts, so the change is the same number.
        if self.signatures and self.kind != Decision.Kind.APPROVE:
            sentences.append(change_in_words(self.count_change))
        if self.signatures:
            sentences.append("Nobody gets an email.")
        return " ".join([*sentences, *self._left_alone()])

    def _left_alone(self) -> list[str]:
        sentences = [
            f"{n} left alone: {State(state).label}." for state, n in sorted(self.unmoved.items())
        ]
        if self.kind == Decision.Kind.APPROVE and self.unmoved[State.PENDING]:
            sentences.append("Only its signer can confirm a signature that waits for confirmation.")
        if self.overtaken:
            what = ", ".join(f"{one.title} ({one.actor or '–'})" for one in self.others)
            sentences.append(
                f"{len(self.overtaken)} left alone, because somebody has decided about them "
                f"since: {what}."
            )
        return sentences


def share_lock() -> None:
    """Take the shared lock for which `watermark` waits, before any row lock, until commit."""
    locks.lock_named(_DECIDING, is_shared=True)


@transaction.atomic
def watermark() -> int:
    """Return the id of the newest decision item, to be read before signatures are shown.

    It waits, for tenths of a second, until running decisions have committed. So every item up to
    the watermark is committed, and the reader of the page does not know of any later item.
    """
    locks.lock_named(_DECIDING)
    newest: int | None = DecisionItem.objects.aggregate(id=Max("id"))["id"]
    return newest or 0


@transaction.atomic
def decide(
    *,
    kind: str,
    petition: Petition,
    ids: Collection[UUID],
    reason: str,
    note: str,
    actor: User | None,
    seen: int | None = None,
) -> Decided:
    """Approve, hold, remove or restore signatures: the transition of `lifecycle.DECISIONS[kind]`.

    Signatures of other petitions, and those whose state no longer allows the transition, are left
    alone. `seen` is the actor's `watermark`: signatures with later decisions are left alone too.
    No mail is sent. Raises `PermissionDenied`, and `Refused` if an actor's decision `is_large`.
    """
    decision = Decision(petition=petition, kind=kind, reason=reason, note=note, actor=actor)
    roles.require(actor, permission(decision))
    if actor is not None:
        _refuse_if_large(len(ids))
    share_lock()
    return decide_more(decision, ids, seen=seen)


def decide_more(decision: Decision, ids: Iterable[UUID], *, seen: int | None = None) -> Decided:
    """Apply a decision, which may have moved other signatures before, to more signatures.

    Must run in a transaction that has called `share_lock` before it locked any row.
    """
    return apply(decision, _locked(decision.petition_id, ids), seen=seen)


def _locked(petition_id: int, ids: Iterable[UUID]) -> list[Signature]:
    # Rows are locked in id order, so that two decisions about the same signatures cannot deadlock.
    chosen = Signature.objects.filter(petition=petition_id, pk__in=list(ids))
    return list(chosen.select_for_update(of=("self",)).order_by("id"))


class Row(lifecycle.Movable, Protocol):
    """The attributes of a locked signature that `apply` reads."""

    @property
    def decision_id(self) -> UUID | None: ...


def apply(decision: Decision, locked: Sequence[Row], *, seen: int | None = None) -> Decided:
    """Apply a decision to locked signatures of its petition; see `decide_more`."""
    later = [] if seen is None else _decided_since(seen, locked)
    overtaken = frozenset(item.signature_id for item in later)
    fresh = [one for one in locked if one.pk not in overtaken]
    targets = _targets(decision, fresh)
    moving = [one for one in fresh if one.pk in targets]
    unmoved = Counter(one.state for one in fresh if one.pk not in targets)
    is_first = decision._state.adding
    change = lifecycle.move(moving, targets, decision=decision) if moving else 0
    if moving and is_first:
        _record(decision)
    return Decided(
        kind=decision.kind,
        signatures=len(moving),
        count_change=change,
        decision=decision if moving else None,
        unmoved=unmoved,
        overtaken=overtaken,
        others=tuple({item.decision_id: item.decision for item in later}.values()),
    )


def _decided_since(seen: int, signatures: Sequence[Row]) -> list[DecisionItem]:
    decided = [one.pk for one in signatures if one.decision_id is not None]
    if not decided:
        return []
    later = DecisionItem.objects.filter(signature_id__in=as_array(decided), id__gt=seen)
    return list(later.select_related("decision__actor").order_by("id"))


def sources(decision: Decision) -> tuple[State, ...]:
    """Return the states from which a decision moves signatures."""
    if decision.kind == Decision.Kind.UNDO:
        return tuple(state for state in State if state not in lifecycle.ENDED)
    return lifecycle.DECISIONS[decision.kind].sources


def _targets(decision: Decision, signatures: Sequence[Row]) -> dict[UUID, State]:
    """Return the state to which each signature moves; signatures that do not move are left out."""
    states = frozenset(sources(decision))
    movable = [one for one in signatures if one.state in states]
    if decision.kind == Decision.Kind.UNDO:
        return states_before([one for one in movable if one.decision_id == decision.undoes_id])
    transition = lifecycle.DECISIONS[decision.kind]
    if transition.target is None:
        return states_before(movable)
    return lifecycle.targets(transition, movable)


def states_before(signatures: Sequence[Row]) -> dict[UUID, State]:
    """Return the state of each signature before its latest decision."""
    latest = {one.pk: one.decision_id for one in signatures if one.decision_id}
    # Filtered by signature only: right after a decision the planner takes it to have few items.
    items = DecisionItem.objects.filter(signature_id__in=as_array(latest)).values_list(
        "signature_id", "decision_id", "previous_state"
    )
    return {pk: State(state) for pk, decision, state in items if decision == latest[pk]}


def standing(decision: Decision) -> QuerySet[Signature]:
    """Return the signatures whose latest decision is this one, without withdrawn ones."""
    return Signature.objects.filter(decision=decision).exclude(state=State.WITHDRAWN)


@transaction.atomic
def undo(*, decision: Decision, note: str, actor: User) -> Decided:
    """Restore the previous state of the signatures of a decision. The undo is itself a decision.

    Signatures with a later decision are skipped, and those withdrawn or erased, because their data
    is gone. No mail is sent. Raises `PermissionDenied`, and `Refused` if the undo `is_large`: use
    `bulk.preview_undo` for it.
    """
    roles.require(actor, permission(decision))
    share_lock()
    undoing = Decision(
        petition=decision.petition,
        kind=Decision.Kind.UNDO,
        undoes=decision,
        reason=Decision.Reason.MISTAKE,
        note=note,
        actor=actor,
    )
    rows = list(standing(decision).select_for_update(of=("self",)).order_by("id"))
    _refuse_if_large(len(rows))
    return apply(undoing, rows)


@transaction.atomic
def erase(*, signature: Signature, actor: User) -> bool:
    """Erase a signature's personal data at its signer's request; return False if none is left.

    The record says who did it and when, and keeps only the signature's id. Raises
    `PermissionDenied`, and `Refused` for more than `ERASURES_AN_HOUR` of one moderator.
    """
    decision = Decision(
        petition=signature.petition,
        kind=Kind.ERASE,
        reason=Decision.Reason.REQUESTED,
        actor=actor,
    )
    roles.require(actor, permission(decision))
    share_lock()
    # Without the lock, two concurrent erasures could both take the last place within the limit.
    locks.lock_named(f"erase {actor.pk}")
    lately = Decision.objects.filter(actor=actor, kind=Kind.ERASE, created_at__gt=Now() - HOUR)
    if lately.count() >= ERASURES_AN_HOUR:
        raise Refused(
            f"Nothing was deleted. You have deleted the data of {ERASURES_AN_HOUR} people within "
            "an hour, which cannot be undone. Wait, or ask another moderator."
        )
    if not withdraw.withdraw(signature_id=signature.pk):
        return False
    decision.save()
    DecisionItem.objects.create(
        decision=decision, signature_id=signature.pk, previous_state=signature.state
    )
    _record(decision)
    return True


def _record(decision: Decision) -> None:
    audit.record(
        action=AuditRecord.Action.DECIDED,
        screen="decisions",
        actor_id=decision.actor_id,
        about=decision,
        why=f"{decision.kind}: {decision.reason}",
    )
