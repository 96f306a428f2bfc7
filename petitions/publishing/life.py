"""The life of a petition: which act is possible, and which field editable, in which phase.

`ACTS` and `EDITABLE` are the only such tables, for buttons, forms and commands. No other module
writes `Petition.state`, `is_paused`, `removed_reason` or `publishes_names`, except that the
moderators' switch uses `set_paused`. Opening has its own module, `opening`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from petitions.counting import tallies
from petitions.formatting.languages import moment_in_london
from petitions.models import AuditRecord, Petition, Signer
from petitions.publishing import name_list
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

PERMISSION = "petitions.change_petition"
Action = AuditRecord.Action
State = Petition.State


class Phase(models.TextChoices):
    """The current phase of a petition, from its state, the time, and whether it is paused."""

    DRAFT = "draft", "draft"
    ANNOUNCED = "announced", "announced: opens by itself"
    OPEN = "open", "open"
    PAUSED = "paused", "open, signing paused"
    CLOSED = "closed", "closed"
    REMOVED = "removed", "taken off the site"


# The phases in which it has a page, so that people may know its address.
PUBLIC = frozenset(Phase) - {Phase.DRAFT}
RUNNING = frozenset({Phase.OPEN, Phase.PAUSED})
# The phases in which each field of the form may change. Other fields are not in the form.
EDITABLE: Mapping[str, frozenset[Phase]] = {
    "slug": frozenset(Phase),
    "goal": frozenset(Phase),
    "challenge": frozenset(Phase),
    "opens_at": frozenset({Phase.DRAFT, Phase.ANNOUNCED}),
    "closes_at": frozenset({Phase.DRAFT, Phase.ANNOUNCED, *RUNNING}),
}


@dataclass(frozen=True, slots=True)
class Act:
    """One button: the phases in which it is shown, its text, and its audit record."""

    label: str
    allowed_in: frozenset[Phase]
    effect: str
    action: AuditRecord.Action
    # What the reason is for; empty if the act needs none.
    reason: str = ""
    # The statement to tick before an act that cannot be undone.
    tick: str = ""
    # If set, the act is possible only while names are published (True) or are not (False).
    names: bool | None = None
    # Whether it needs a petition that has opened: one that never did cannot have closed.
    needs_opened: bool = False

    def is_possible(self, petition: Petition) -> bool:
        """Return whether the act is possible for a petition now."""
        applies = self.names in {None, petition.publishes_names}
        if self.needs_opened and not petition.has_opened:
            return False
        return applies and phase_of(petition) in self.allowed_in


OPEN, PAUSE, RESUME, CLOSE = "open", "pause", "resume", "close"
PAUSE_FIELDS = ("is_paused", "pause_reasons")
REMOVE, RESTORE, REOPEN, RECALL = "remove", "restore", "reopen", "recall"
SHOW_NAMES, HIDE_NAMES = "show-names", "hide-names"
ACTS: Mapping[str, Act] = {
    OPEN: Act(
        "Open",
        frozenset({Phase.DRAFT}),
        "The petition and its draft texts become public, and people can sign, now or from the "
        "time in “opens”. Nobody is emailed.",
        Action.PETITION_PUBLISHED,
        tick="I know that a petition that people can sign never becomes a draft again.",
    ),
    PAUSE: Act(
        "Pause",
        frozenset({Phase.OPEN}),
        "Nobody new can sign, and the page says so. Signatures still count, and links already "
        "emailed still work. Nobody is emailed.",
        Action.PETITION_PAUSED,
    ),
    RESUME: Act(
        "Go on",
        frozenset({Phase.PAUSED}),
        "People can sign again. Nobody is emailed.",
        Action.PETITION_RESUMED,
    ),
    CLOSE: Act(
        "Close",
        RUNNING,
        "The form is taken away at once. Links already emailed still confirm for 24 hours. Names "
        "and addresses are erased 183 days from now. Nobody is emailed.",
        Action.PETITION_CLOSED,
    ),
    REOPEN: Act(
        "Open again",
        frozenset({Phase.CLOSED, Phase.REMOVED}),
        "People can sign again, at once or from the time in “opens” if it is in the future. The "
        "time until names are erased starts again at the next close. Nobody is emailed.",
        Action.PETITION_REOPENED,
        reason="Why it opens again. It is kept in the audit log.",
    ),
    RESTORE: Act(
        "Put back on the site, closed",
        frozenset({Phase.REMOVED}),
        "The page shows the petition again, as a closed one. Nobody is emailed.",
        Action.PETITION_RESTORED,
        reason="Why it comes back. It is kept in the audit log.",
        needs_opened=True,
    ),
    RECALL: Act(
        "Take back to draft",
        frozenset({Phase.ANNOUNCED}),
        "Its page is taken away, and links to it do not work until it opens. Nobody is emailed.",
        Action.PETITION_RECALLED,
    ),
    SHOW_NAMES: Act(
        "Publish names",
        frozenset({Phase.DRAFT, Phase.ANNOUNCED, *RUNNING}),
        "From now on the form also offers to show the signer’s name publicly. A page of the "
        "petition lists people who chose that, from the day after they confirmed, in "
        "alphabetical order, without place or time. People who signed before are not listed, "
        "unless they choose it by “Find my signature”. Nobody is emailed.",
        Action.NAMES_SHOWN,
        tick=(
            "I know that anybody can copy the names, including people who would harm signers’ "
            "families."
        ),
        names=False,
    ),
    HIDE_NAMES: Act(
        "Stop publishing names",
        frozenset(Phase),
        "The list of names is taken away at once, and the form no longer offers it. Copies that "
        "others made cannot be called back. Nobody is emailed.",
        Action.NAMES_HIDDEN,
        names=True,
    ),
    REMOVE: Act(
        "Take off the site",
        PUBLIC - {Phase.REMOVED},
        "The page says that the petition was removed, and why. Nobody can sign, and links "
        "already emailed no longer confirm anything. Nobody is emailed.",
        Action.PETITION_REMOVED,
        reason="The public reads this reason on the petition’s page.",
        tick="I know that people who have not confirmed yet lose their signature.",
    ),
}


def phase_of(petition: Petition) -> Phase:
    """Return the phase of a petition now."""
    now = timezone.now()
    if petition.state != State.OPEN:
        return Phase(petition.state)
    if petition.closes_at is not None and petition.closes_at <= now:
        return Phase.CLOSED
    if petition.is_announced(now):
        return Phase.ANNOUNCED
    return Phase.PAUSED if petition.is_paused else Phase.OPEN


def possible(petition: Petition) -> dict[str, Act]:
    """Return the acts that are possible now, by name, in the order of their buttons."""
    return {name: act for name, act in ACTS.items() if act.is_possible(petition)}


def locked_for(petition: Petition, name: str) -> Petition:
    """Return the petition's row, locked until commit. Raises `Refused` if the act is impossible."""
    row = Petition.objects.select_for_update().get(pk=petition.pk)
    phase = phase_of(row)
    if not ACTS[name].is_possible(row):
        raise Refused(
            f"Nothing was done. The petition is “{phase.label}”, so “{ACTS[name].label}” is not "
            "possible. Somebody else may just have changed it. Load its page again."
        )
    return row


@transaction.atomic
def perform(
    *,
    petition: Petition,
    name: str,
    actor: User | None,
    screen: str,
    reason: str = "",
    closes_at: datetime | None = None,
) -> None:
    """Perform one of `ACTS`, except opening, and record it. Reopening sets `closes_at`.

    Raises `Refused` if the phase does not allow it, so of two concurrent acts the second fails.
    """
    roles.require(actor, PERMISSION)
    act, row = ACTS[name], locked_for(petition, name)
    if act.reason and not reason.strip():
        raise Refused(f"Nothing was done: say why. {act.reason}")
    match name:
        case "pause" | "resume":
            set_paused(row, is_paused=name == PAUSE)
        case "close" | "restore":
            row.state, row.removed_reason = State.CLOSED, ""
        case "remove":
            row.state, row.removed_reason = State.REMOVED, reason
        case "show-names" | "hide-names":
            row.publishes_names = name == SHOW_NAMES
            name_list.clear(row)
        case "recall":
            row.state = State.DRAFT
        case "reopen":
            _need_to_reopen(row, closes_at)
            row.state, row.closes_at, row.removed_reason = State.OPEN, closes_at, ""
            set_paused(row, is_paused=False)
        case _:
            raise ValueError(f"{name!r} is done elsewhere")
    changed = ["state", "removed_reason", "closes_at", "publishes_names", *PAUSE_FIELDS]
    row.save(update_fields=changed)
    record(act=act, petition=row, actor=actor, screen=screen, why=reason)


def set_paused(
    row: Petition, *, is_paused: bool, public_reasons: Mapping[str, str] | None = None
) -> None:
    """Set the fields in `PAUSE_FIELDS` without saving. Ending a pause clears the public reasons,
    which are by language.
    """
    row.is_paused = is_paused
    row.pause_reasons = dict(public_reasons or {}) if is_paused else {}


def record(*, act: Act, petition: Petition, actor: User | None, screen: str, why: str = "") -> None:
    audit.record(action=act.action, screen=screen, actor=actor, about=petition, why=why)


def _need_to_reopen(petition: Petition, closes_at: datetime | None) -> None:
    """Raise `Refused` for a close in the past or before the opening, and for a petition whose
    signers could sign again because their data is erased.
    """
    if closes_at and closes_at <= timezone.now():
        raise Refused(
            "Nothing was done. That closing time has passed in London. Choose a later one."
        )
    if closes_at and petition.opens_at and closes_at <= petition.opens_at:
        raise Refused(
            "Nothing was done. That closing time is before the petition opens, "
            f"{moment_in_london(petition.opens_at)}. Choose a later one."
        )
    is_erased = not Signer.objects.filter(petition=petition).exists()
    if is_erased and tallies.total(petition.pk):
        raise Refused(
            "Nothing was done. The names and addresses of its signers are erased, so people "
            "could sign twice. Start a new petition."
        )
