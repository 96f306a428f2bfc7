"""Moderation decisions: remove, hold, restore, approve, undo, erase. Each is on record."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from petitions.models import AuditRecord, Decision, DecisionItem, Petition, Signature
from petitions.signatures import lifecycle, withdraw
from petitions.staff import audit

State = Signature.State


@dataclass(frozen=True, slots=True)
class Decided:
    """The result of a decision: signatures moved, and the change of the count."""

    signatures: int
    count_change: int
    decision: Decision | None


@transaction.atomic
def decide(
    *,
    kind: str,
    petition: Petition,
    ids: Iterable[UUID],
    reason: str,
    note: str,
    actor: User | None,
) -> Decided:
    """Approve, hold, remove or restore signatures: the transition of `lifecycle.DECISIONS[kind]`.

    Signatures in another state by now, or of another petition, are skipped. No e-mail is sent.
    """
    decision = Decision(petition=petition, kind=kind, reason=reason, note=note, actor=actor)
    return decide_more(decision, ids)


def decide_more(decision: Decision, ids: Iterable[UUID]) -> Decided:
    """Apply a decision, which may have moved others before, to more signatures.

    Must run in a transaction.
    """
    transition = lifecycle.DECISIONS[decision.kind]
    signatures = _locked(decision.petition, ids, transition.sources)
    if transition.target is None:
        targets = _states_before(signatures)
    else:
        targets = lifecycle.targets(transition, signatures)
    return _decide(decision, [one for one in signatures if one.pk in targets], targets)


def _states_before(signatures: list[Signature]) -> dict[UUID, State]:
    """The state of each before its latest decision."""
    decisions = {signature.pk: signature.decision_id for signature in signatures}
    previous = DecisionItem.objects.filter(
        decision__in=set(decisions.values()), signature_id__in=decisions
    )
    return {
        item.signature_id: State(item.previous_state)
        for item in previous
        if item.decision_id == decisions[item.signature_id]
    }


def standing(decision: Decision) -> QuerySet[Signature]:
    """The signatures whose latest decision is this one, without withdrawn ones."""
    # By the items, which have an index.
    items = DecisionItem.objects.filter(decision=decision).values("signature_id")
    theirs = Signature.objects.filter(pk__in=items, petition=decision.petition, decision=decision)
    return theirs.exclude(state=State.WITHDRAWN)


@transaction.atomic
def undo(*, decision: Decision, note: str, actor: User) -> Decided:
    """Restore the previous state of every signature of a decision. No e-mail is sent.

    Skips those with a later decision, and those withdrawn or erased: a person's data cannot be
    restored.
    """
    items = dict(decision.items.values_list("signature_id", "previous_state"))
    signatures = list(standing(decision).select_for_update(of=("self",)).order_by("id"))
    targets = {signature.pk: State(items[signature.pk]) for signature in signatures}
    undoing = Decision(
        petition=decision.petition,
        kind=Decision.Kind.RESTORE,
        reason=Decision.Reason.MISTAKE,
        note=note,
        actor=actor,
    )
    return _decide(undoing, signatures, targets)


@transaction.atomic
def erase(*, signature: Signature, actor: User) -> bool:
    """Erase the personal data of a signature at its signer's request; False if there is none left.

    The record says who did it and when, and keeps only the signature's id.
    """
    if not withdraw.withdraw(signature_id=signature.pk):
        return False
    decision = Decision.objects.create(
        petition=signature.petition,
        kind=Decision.Kind.ERASE,
        reason=Decision.Reason.REQUESTED,
        actor=actor,
    )
    DecisionItem.objects.create(
        decision=decision, signature_id=signature.pk, previous_state=signature.state
    )
    _record(decision)
    return True


def _locked(petition: Petition, ids: Iterable[UUID], states: tuple[State, ...]) -> list[Signature]:
    # Locked in id order: two decisions over the same signatures then wait, and do not deadlock.
    chosen = Signature.objects.filter(petition=petition, pk__in=list(ids), state__in=states)
    return list(chosen.select_for_update().order_by("id"))


def _decide(decision: Decision, signatures: list[Signature], targets: dict[UUID, State]) -> Decided:
    if not signatures:
        return Decided(0, 0, None)
    is_first = decision._state.adding
    change = lifecycle.move(signatures, targets, decision=decision)
    if is_first:
        _record(decision)
    return Decided(len(signatures), change, decision)


def _record(decision: Decision) -> None:
    audit.record(
        action=AuditRecord.Action.DECIDED,
        screen="decisions",
        actor_id=decision.actor_id,
        about=decision,
        why=f"{decision.kind}: {decision.reason}",
    )
