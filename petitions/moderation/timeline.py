"""The life of one signature as a timeline: signed, mailed, confirmed, decided about, undone."""

from datetime import datetime
from typing import NamedTuple

from petitions.models import Decision, DecisionItem, Mail, Signature

State = Signature.State
_MAILED = {Mail.Kind.CONFIRM: "Email to confirm", Mail.Kind.REMIND: "Reminder to confirm"}
# What kept a mail back is told of none: it could tell what the address has done elsewhere.
_OUTCOMES = {Mail.State.SENT: "sent", Mail.State.QUEUED: "waits to be sent"}


class Event(NamedTuple):
    """One thing that happened to a signature; `decision` is the one that did it."""

    at: datetime
    text: str
    decision: Decision | None = None
    # The state before a decision, and the decision that undid it.
    before: str = ""
    undone_by: Decision | None = None


def timeline(signature: Signature) -> list[Event]:
    """What happened to a signature, the first first. Three queries."""
    signed = "Refused when it was signed" if signature.state == State.REFUSED else "Signed"
    events = [Event(signature.created_at, signed)]
    mails = Mail.objects.filter(signature=signature, kind__in=_MAILED).order_by("created_at", "id")
    for mail in mails:
        outcome = _OUTCOMES.get(Mail.State(mail.state), "not sent")
        events.append(Event(mail.created_at, f"{_MAILED[Mail.Kind(mail.kind)]}: {outcome}"))
    if signature.confirmed_at:
        events.append(Event(signature.confirmed_at, "Confirmed by its signer"))
    events += _decisions(signature)
    # Stable: what happened on one day, of which alone the day is kept, stays in this order.
    return sorted(events, key=lambda event: event.at)


def _decisions(signature: Signature) -> list[Event]:
    items = DecisionItem.objects.filter(signature_id=signature.pk).select_related(
        "decision__actor", "decision__undoes__undoes"
    )
    rows = list(items.order_by("id"))
    undone = {one.decision.undoes_id: one.decision for one in rows if one.decision.undoes_id}
    return [
        Event(
            one.decision.created_at,
            one.decision.title,
            one.decision,
            str(State(one.previous_state).label),
            undone.get(one.decision_id),
        )
        for one in rows
    ]
