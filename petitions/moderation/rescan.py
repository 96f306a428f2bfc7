"""Re-run the current fraud rules over stored signatures.

Signals about name and domain are computed again from the sealed person. Signals about the request
(how the form was filled in, how many came from its network) cannot be computed again: the stored
ones are kept, and weighed by the current rules.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.models import Decision, Petition, Signature
from petitions.moderation import decisions
from petitions.screening import fraud_signals
from petitions.signers import sealing
from petitions.staff import roles

BATCH = 1_000
NOTE = "rescan"
State = Signature.State
Verdict = Signature.Verdict
# Removed and withdrawn signatures are left out: they are decided.
_JUDGED = (State.PENDING, State.CONFIRMED, State.HELD)

Progress = Callable[[int], object]


@dataclass(slots=True)
class Found:
    """The result of a rescan: counts of `signals` by code and state, and of changes."""

    signals: Counter[tuple[str, str]] = field(default_factory=Counter)
    read: int = 0
    unreadable: int = 0
    pending_changed: int = 0
    held: int = 0
    decided_before: int = 0  # suspicious, but a moderator has decided: skipped
    held_without_cause: int = 0  # held, but no longer suspicious: for moderators to approve
    decision: Decision | None = None


def expected(petition: Petition) -> int:
    return _to_judge(petition).count()


def rescan(
    *,
    petition: Petition,
    actor: User,
    is_dry: bool = False,
    progress: Progress = lambda _rows: None,
) -> Found:
    """Re-run the fraud rules over a petition. A dry run changes nothing. No mail is sent.

    Pending signatures get the new verdict. Confirmed ones that are now suspicious are held by one
    decision, and the tally is updated. Those that a moderator has decided about are skipped, so
    that the job is idempotent and overrides no approval. Each batch is a transaction, so a new run
    continues an interrupted one. `progress` is called with the number of rows of each batch.
    """
    roles.require(actor, roles.MODERATE)
    found = Found()
    decision = Decision(
        petition=petition,
        kind=Decision.Kind.HOLD,
        reason=Decision.Reason.SUSPICIOUS,
        note=NOTE,
        actor=actor,
    )
    after = UUID(int=0)
    while True:
        with transaction.atomic():
            decisions.share_lock()
            batch = _read(petition, after, is_locked=not is_dry)
            if not batch:
                return found
            _judge_batch(batch, decision, found, is_dry=is_dry)
        after = batch[-1].pk
        progress(len(batch))


def _to_judge(petition: Petition) -> QuerySet[Signature]:
    return Signature.objects.filter(petition=petition, state__in=_JUDGED, signer__isnull=False)


def _read(petition: Petition, after: UUID, *, is_locked: bool) -> list[Signature]:
    """Read the next batch by keyset. Confirmations wait for its locks, then see the verdict."""
    rows = _to_judge(petition).filter(pk__gt=after).select_related("signer").order_by("pk")
    return list((rows.select_for_update(of=("self",)) if is_locked else rows)[:BATCH])


def _judge_batch(batch: list[Signature], decision: Decision, found: Found, *, is_dry: bool) -> None:
    changed = [signature for signature in batch if _rejudge(signature, found)]
    to_hold = [signature.pk for signature in batch if _is_to_be_held(signature, found)]
    found.read += len(batch)
    found.held += len(to_hold)
    if is_dry:
        return
    Signature.objects.bulk_update(changed, ["verdict", "signals"])
    if to_hold:
        decisions.decide_more(decision, to_hold)
        found.decision = decision


def _rejudge(signature: Signature, found: Found) -> bool:
    """Set the signature's current signals and verdict; return whether they changed."""
    before = signature.verdict, signature.signals
    try:
        person = sealing.unsealed(signature.signer)
    except vault.CannotOpen:
        found.unreadable += 1
        return False
    noted = map(fraud_signals.Signal.read, signature.signals)
    lasting = [signal for signal in noted if signal.code not in fraud_signals.OF_PERSON]
    domain = email_addresses.domain_of(person["email"])
    judged = fraud_signals.weigh([*lasting, *fraud_signals.of_person(person["name"], domain)])
    # A signature that the rules would now refuse was accepted, so it is held for a moderator.
    is_held = judged.verdict is not fraud_signals.Verdict.PASS
    signature.verdict = Verdict.HOLD if is_held else Verdict.PASS
    signature.signals = [str(signal) for signal in judged.signals]
    found.signals.update((signal.code, signature.state) for signal in judged.signals)
    is_changed = (signature.verdict, signature.signals) != before
    found.pending_changed += is_changed and signature.state == State.PENDING
    return is_changed


def _is_to_be_held(signature: Signature, found: Found) -> bool:
    is_suspicious = signature.verdict == Verdict.HOLD
    found.held_without_cause += signature.state == State.HELD and not is_suspicious
    if signature.state != State.CONFIRMED or not is_suspicious:
        return False
    if signature.decision_id is not None:
        found.decided_before += 1
        return False
    return True
