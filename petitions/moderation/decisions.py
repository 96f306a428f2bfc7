"""What moderators do: remove signatures from the count or hold them, take that back, and erase."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from petitions.counting import tallies
from petitions.models import Decision, DecisionItem, Petition, Signature
from petitions.signatures import withdraw

State = Signature.State
_REMOVABLE = (State.PENDING, State.CONFIRMED, State.HELD)


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision did: how many signatures it moved, and by how much the count changed."""

    signatures: int
    count_change: int
    decision: Decision | None


@transaction.atomic
def remove(
    *,
    petition: Petition,
    ids: Iterable[UUID],
    reason: str,
    note: str,
    actor: User,
) -> Decided:
    """Take signatures out of the count, keeping how each stood. No e-mail is sent.

    Signatures that are removed already, or belong to another petition, are left alone.
    """
    signatures = _locked(petition, ids, _REMOVABLE)
    targets = {signature.pk: State.REMOVED for signature in signatures}
    decision = Decision(
        petition=petition, kind=Decision.Kind.REMOVE, reason=reason, note=note, actor=actor
    )
    return _decide(decision, signatures, targets)


@transaction.atomic
def restore(
    *,
    petition: Petition,
    ids: Iterable[UUID],
    reason: str,
    note: str,
    actor: User,
) -> Decided:
    """Give removed signatures back the state they had. No e-mail is sent."""
    signatures = _locked(petition, ids, (State.REMOVED,))
    decisions = {signature.pk: signature.decision_id for signature in signatures}
    previous = DecisionItem.objects.filter(
        decision__in=set(decisions.values()), signature_id__in=decisions
    )
    targets = {
        item.signature_id: State(item.previous_state)
        for item in previous
        if item.decision_id == decisions[item.signature_id]
    }
    known = [signature for signature in signatures if signature.pk in targets]
    decision = Decision(
        petition=petition, kind=Decision.Kind.RESTORE, reason=reason, note=note, actor=actor
    )
    return _decide(decision, known, targets)


@transaction.atomic
def approve(
    *,
    petition: Petition,
    ids: Iterable[UUID],
    reason: str,
    note: str,
    actor: User,
) -> Decided:
    """Count signatures that were held. No e-mail is sent."""
    decision = Decision(
        petition=petition, kind=Decision.Kind.APPROVE, reason=reason, note=note, actor=actor
    )
    return _set(decision, ids, State.HELD, State.CONFIRMED)


@transaction.atomic
def hold(
    *,
    petition: Petition,
    ids: Iterable[UUID],
    reason: str,
    note: str,
    actor: User,
) -> Decided:
    """Take signatures out of the count until somebody approves them. No e-mail is sent."""
    decision = Decision(
        petition=petition, kind=Decision.Kind.HOLD, reason=reason, note=note, actor=actor
    )
    return hold_under(decision, ids)


def hold_under(decision: Decision, ids: Iterable[UUID]) -> Decided:
    """Hold more signatures under a decision, which may have held others before. Needs a
    transaction.
    """
    return _set(decision, ids, State.CONFIRMED, State.HELD)


def standing(decision: Decision) -> QuerySet[Signature]:
    """The signatures that stand as a decision left them: nobody has decided since."""
    # By the items, for these have an index.
    items = DecisionItem.objects.filter(decision=decision).values("signature_id")
    theirs = Signature.objects.filter(pk__in=items, petition=decision.petition, decision=decision)
    return theirs.exclude(state=State.WITHDRAWN)


@transaction.atomic
def undo(*, decision: Decision, note: str, actor: User) -> Decided:
    """Give every signature of a decision back how it stood before. No e-mail is sent.

    Those about which somebody has decided since are left alone, and so are the erased: nothing
    brings back a person.
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
    """Erase the person behind a signature because they asked; False if nobody is left.

    The record says who did it and when; of the person it keeps the signature's id alone.
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
    return True


def _locked(petition: Petition, ids: Iterable[UUID], states: tuple[State, ...]) -> list[Signature]:
    # In id order: two decisions over the same signatures then wait instead of deadlocking.
    chosen = Signature.objects.filter(petition=petition, pk__in=list(ids), state__in=states)
    return list(chosen.select_for_update().order_by("id"))


def _set(decision: Decision, ids: Iterable[UUID], before: State, after: State) -> Decided:
    """Move those that stand as `before`; whatever stands otherwise is left alone."""
    signatures = _locked(decision.petition, ids, (before,))
    return _decide(decision, signatures, {signature.pk: after for signature in signatures})


def _decide(decision: Decision, signatures: list[Signature], targets: dict[UUID, State]) -> Decided:
    """Record the decision, set each signature's state, and move the tallies last."""
    if not signatures:
        return Decided(0, 0, None)
    decision.save()
    DecisionItem.objects.bulk_create(
        DecisionItem(decision=decision, signature_id=s.pk, previous_state=s.state)
        for s in signatures
    )
    changes = _tally_changes(signatures, targets)
    for state in sorted(set(targets.values())):
        ids = [signature.pk for signature in signatures if targets[signature.pk] == state]
        Signature.objects.filter(pk__in=ids).update(state=state, decision=decision)
    tallies.move(decision.petition_id, changes)
    return Decided(len(signatures), changes.total(), decision)


def _tally_changes(signatures: list[Signature], targets: dict[UUID, State]) -> Counter[tallies.Key]:
    changes: Counter[tallies.Key] = Counter()
    for signature in signatures:
        gained = (targets[signature.pk] == State.CONFIRMED) - (signature.state == State.CONFIRMED)
        changes[tallies.key_of(signature.place_id, signature.pk)] += gained
    return changes
