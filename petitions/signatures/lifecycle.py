"""State machine of a signature: its states, its transitions, and `move`, which makes them.

        attempt -> pending -> confirmed <-> held
                      ^           |          |
                      +-----------+----------+  within a minute, by "not me": see `disown`
                      |           |  ^       |  ^
                      +---------> removed <--+  |   by a decision, which can be undone
                      |           |
    corrected, or     +---------> withdrawn         the signer's row is deleted at once
    expired: deleted

A refused attempt is stored as `refused`, with random bytes instead of personal data. Only a
correction changes it. Nothing else in the program writes `Signature.state`: use cases call `move`,
which changes state, decision and tally together. The SQL that confirms in one round trip uses the
constants at the end of this file.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from petitions.counting import tallies
from petitions.models import Decision, Signature, array_text, as_array

State = Signature.State
Reason = Decision.Reason

# States whose signatures are counted.
COUNTED = frozenset({State.CONFIRMED})
# Final states, except that a correction withdraws a refused attempt.
ENDED = frozenset({State.WITHDRAWN, State.REFUSED})


class Transition(NamedTuple):
    """One allowed change of a signature's state.

    `target` is None if it is the state before the decision that is undone. The other fields are
    only for moderators' transitions: the button's label, the effect shown beside it, the message
    afterwards about `n` signatures, the button's style, and the possible reasons. The first reason
    is preselected, and "" requires a choice.
    """

    sources: tuple[State, ...]
    target: State | None
    label: Promise | str = ""
    effect: Promise | str = ""
    summary: Any = ""
    look: str = "plain"
    reasons: tuple[str, ...] = ()


# Transitions made by the signer. A suspicious confirmation is held: see `CONFIRMED_AS`.
CONFIRM = Transition((State.PENDING,), State.CONFIRMED)
RELEASE = Transition((State.HELD,), State.CONFIRMED)
# The signer changed name or address to one that is held: see `self_service.hold_if_suspicious`.
CATCH = Transition((State.CONFIRMED,), State.HELD)
UNCONFIRM = Transition((State.CONFIRMED, State.HELD), State.PENDING)
CORRECT = Transition((State.PENDING, State.REFUSED), State.WITHDRAWN)
# Also made by a moderator at the signer's request.
WITHDRAW = Transition((State.CONFIRMED, State.HELD, State.REMOVED), State.WITHDRAWN)

_CHANGED = ngettext_lazy("%(n)d signature changed.", "%(n)d signatures changed.", "n")

# Transitions made by moderators, or by commands and sweeps with a recorded decision, in the order
# of the buttons.
DECISIONS: dict[str, Transition] = {
    Decision.Kind.APPROVE: Transition(
        (State.HELD,),
        State.CONFIRMED,
        _("Approve"),
        _("Signatures on hold start to count. Nobody gets an email."),
        ngettext_lazy("%(n)d approved.", "%(n)d approved.", "n"),
        "default",
        (Reason.CHECKED, Reason.MISTAKE, Reason.OTHER),
    ),
    Decision.Kind.HOLD: Transition(
        (State.CONFIRMED,),
        State.HELD,
        _("Hold"),
        _(
            "The selected signatures stop counting until a moderator approves them. Nobody gets an "
            "email."
        ),
        ngettext_lazy("%(n)d put on hold.", "%(n)d put on hold.", "n"),
        reasons=(Reason.SUSPICIOUS, Reason.DUPLICATE, Reason.FALSE_NAME, Reason.OTHER),
    ),
    Decision.Kind.REMOVE: Transition(
        (State.PENDING, State.CONFIRMED, State.HELD),
        State.REMOVED,
        _("Remove from the count"),
        _(
            "The selected signatures stop counting until a moderator restores them. Nobody gets an "
            "email."
        ),
        _CHANGED,
        "danger",
        ("", Reason.FALSE_NAME, Reason.DUPLICATE, Reason.AUTOMATED, Reason.REQUESTED, Reason.OTHER),
    ),
    Decision.Kind.RESTORE: Transition(
        (State.REMOVED,),
        None,
        _("Restore as before"),
        _("Removed signatures go back to the status they had before. Nobody gets an email."),
        _CHANGED,
        reasons=(Reason.MISTAKE, Reason.CHECKED, Reason.REQUESTED, Reason.OTHER),
    ),
}


class Movable(Protocol):
    """The columns that `move` reads, of a locked `Signature` or a named tuple."""

    @property
    def pk(self) -> UUID: ...
    @property
    def petition_id(self) -> int: ...
    @property
    def place_id(self) -> str: ...
    @property
    def state(self) -> str: ...


def targets(transition: Transition, signatures: Sequence[Movable]) -> dict[UUID, State]:
    """Return the `targets` argument of `move`: a transition's target for each signature's id."""
    assert transition.target is not None, "the target is in the decision that is taken back"
    return dict.fromkeys((one.pk for one in signatures), transition.target)


def possible(*states: str) -> list[str]:
    """Return the kinds of decision allowed in any of these states, or all kinds without states."""
    return [
        kind for kind, one in DECISIONS.items() if not states or {*states}.intersection(one.sources)
    ]


def move(
    signatures: Sequence[Movable],
    targets: Mapping[UUID, State],
    *,
    decision: Decision | None = None,
    **changes: Any,
) -> int:
    """Set the states of locked signatures of one petition. Return the change of the count.

    A decision is saved with each signature's previous state. `changes` are further columns, with
    the same value for all. The tally is updated last, in key order, so that its hot rows are locked
    briefly and batches do not deadlock. Needs a transaction. Raises `tallies.TallyBroken`.
    """
    if not signatures:
        return 0
    if decision is not None:
        decision.save()
        _record_items(decision, signatures)
        changes["decision"] = decision
    for target in sorted(set(targets.values())):
        ids = [one.pk for one in signatures if targets[one.pk] == target]
        Signature.objects.filter(pk__in=as_array(ids)).update(state=target, **changes)
    moved = tally_changes(signatures, targets)
    tallies.move(signatures[0].petition_id, moved)
    return moved.total()


def _record_items(decision: Decision, signatures: Sequence[Movable]) -> None:
    # SQL, because `bulk_create` took a third of the time of a bulk decision.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_decisionitem (decision_id, signature_id, previous_state)
            SELECT %s, * FROM unnest(%s::uuid[], %s::text[])
            """,
            [
                decision.pk,
                array_text(one.pk for one in signatures),
                array_text(one.state for one in signatures),
            ],
        )


def tally_changes(
    signatures: Sequence[Movable], targets: Mapping[UUID, State]
) -> Counter[tallies.Key]:
    """Return the change of each row of the tally when signatures move to their targets."""
    changes: Counter[tallies.Key] = Counter()
    for one in signatures:
        gained = (targets[one.pk] in COUNTED) - (one.state in COUNTED)
        if gained:
            changes[tallies.key_of(one.place_id, one.pk)] += gained
    return changes


# --- For SQL that moves states in one round trip ---------------------------------------------

# The state of a pending signature `s` after confirmation, by the verdict of its screening.
CONFIRMED_AS = (
    f"CASE s.verdict WHEN '{Signature.Verdict.HOLD}' THEN '{State.HELD}' "
    f"ELSE '{State.CONFIRMED}' END"
)
# Add to the tally the rows of `moved` that count now and did not in their old state %(from_state)s.
# `moved` has petition_id, place_id and state. %(shard)s is `tallies.shard_of` the signature's id.
ADD_TO_TALLY = tallies.ADD.format(
    rows=f"""
        SELECT petition_id, place_id, 'online', %(shard)s::smallint, 1 FROM moved
        WHERE state = '{State.CONFIRMED}' AND %(from_state)s <> '{State.CONFIRMED}'"""  # noqa: S608
)
