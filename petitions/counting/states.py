"""Public totals of what does not count, by state and by reason of removal (disclosure control).

They come from the daily snapshot, and each is renewed only when it has moved by `STEP` since the
one that is public: watching them around one signing, decision or withdrawal shows nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.translation import gettext as _

from petitions.counting import disclosure
from petitions.models import Decision, Figures, Petition, Signature, Snapshot

_REMOVED = "removed:"
_KEYS = (
    Signature.State.PENDING,
    Signature.State.HELD,
    *(f"{_REMOVED}{reason}" for reason in Decision.Reason.values),
    Signature.State.WITHDRAWN,
)


@dataclass(frozen=True)
class StateTotal:
    """The public total of one state, or of one reason of removal, rounded."""

    key: str
    signatures: int

    @property
    def name(self) -> str:
        if self.key.startswith(_REMOVED):
            reason = Decision.Reason(self.key.removeprefix(_REMOVED)).label
            return _("Removed from the count: %(reason)s") % {"reason": reason}
        return {
            Signature.State.PENDING: _("Waiting for confirmation"),
            Signature.State.HELD: _("On hold until a person has checked them"),
            Signature.State.WITHDRAWN: _("Withdrawn by their signers"),
        }[Signature.State(self.key)]


def to_publish(petition_id: int, day: date, ended_at: datetime) -> dict[str, int]:
    """The totals behind what is public after a day that ended at `ended_at`, by state or reason.

    Those of the day before where the hourly count has not looked since.
    """
    earlier = Snapshot.objects.filter(petition=petition_id, day__lt=day).order_by("-day").first()
    before: dict[str, int] = earlier.states if earlier else {}
    figures = Figures.objects.filter(petition=petition_id, counted_at__gte=ended_at).first()
    if figures is None:
        return before
    now = _flat(figures.counts)
    return {key: disclosure.renewed(now.get(key, 0), before.get(key, 0)) for key in _KEYS}


def _flat(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    removed = {f"{_REMOVED}{reason}": n for reason, n in counts["removed"].items()}
    return {**counts["state"], **removed}


def published(petition: Petition) -> tuple[StateTotal, ...]:
    """The public totals, of those that have reached `STEP`; one query."""
    newest = petition.snapshots.order_by("-day").first()
    shown = newest.states if newest else {}
    return tuple(
        StateTotal(key, total) for key in _KEYS if (total := disclosure.rounded(shown.get(key, 0)))
    )
