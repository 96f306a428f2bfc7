"""Public statistics of a petition: the count after each day, and its breakdown by region.

Disclosure control: what is public here comes from daily snapshots alone, so that watching it around
one signature shows nothing of where that one came from:

- a day is published once it is over, and only if at least `STEP` signatures stood after it;
- shares of regions are rounded to `ROUNDED_TO`, and those under `FEWEST` are not published;
- shares are renewed only when the total has moved by `STEP` since those that are public, and each
  only when its region has moved by `STEP` too, so that the difference of two is made by at least so
  many people, however busy the other regions are;
- of fewer than `FEWEST_GROUPS` nothing is published: with the exact total, few rounded figures
  would leave little to guess.

The exact total is no secret, and the page of the petition shows it at any time. What does not count
is published from the same snapshots: its totals by state, and by reason of removal, each renewed
only when it has moved by `STEP` since the one that is public.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from petitions.formatting.languages import grouped
from petitions.models import (
    ABROAD,
    UNKNOWN,
    Decision,
    Figures,
    Petition,
    Place,
    Region,
    Signature,
    Snapshot,
    SnapshotPart,
    Tally,
)

# How far a count must have moved before its public value is renewed: the difference of two public
# values is made by at least so many people.
STEP = 25
ROUNDED_TO = 5
# Fewer than this are not published.
FEWEST = STEP
FEWEST_GROUPS = 6
# By then mails sent before the close are confirmed, and moderators have decided.
FOLLOWED_AFTER_CLOSE = timedelta(days=7)
MOST_SPANS = 60
_WIDTHS = (1, 7, 28, 91, 364)
_ONE_DAY = timedelta(days=1)
# The order of equal shares: any other would tell which is the greater.
_GROUPS = (*Region.values, UNKNOWN, ABROAD)
_REMOVED = "removed:"
# What the totals of what does not count are stored under: a state, or a reason of removal.
_STATE_KEYS = (
    Signature.State.PENDING,
    Signature.State.HELD,
    *(f"{_REMOVED}{reason}" for reason in Decision.Reason.values),
    Signature.State.WITHDRAWN,
)


@dataclass(frozen=True)
class Span:
    """The change of one day, or of several that were missed or merged; `total` is at their end."""

    first: date
    last: date
    total: int
    change: int

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def per_day(self) -> float:
        return self.change / self.days


@dataclass(frozen=True)
class Share:
    """The rounded count of one region; None for fewer than `FEWEST`."""

    group: str
    signatures: int | None

    @property
    def name(self) -> str:
        return name_of(self.group)


@dataclass(frozen=True)
class Statistics:
    """The public statistics: a time series and a breakdown by region. Both may be empty."""

    spans: tuple[Span, ...] = ()
    shares: tuple[Share, ...] = ()
    # After which day shares were last renewed; None without shares.
    shared_after: date | None = None


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


# --- Steps --------------------------------------------------------------------------------


def renewed(n: int, before: int) -> int:
    """The count behind a public value from now on: unchanged until it has moved by `STEP`."""
    if abs(n - before) < STEP:
        return before
    return n if n >= FEWEST else 0


def rounded(n: int) -> int | None:
    """The publishable value of a count: the nearest multiple of `ROUNDED_TO`; None if too small."""
    if n < FEWEST:
        return None
    return (n + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO


# --- Writing ------------------------------------------------------------------------------


def take_snapshots(now: datetime | None = None) -> int:
    """Write the daily snapshots of the day that has ended; return for how many petitions.

    1. Which public petitions lack that day? A week after its close a petition is not followed.
    2. Sum the tallies of those by region, in one statement and so as of one moment.
    3. Write each in one transaction. Idempotent: a second run finds it written and leaves it.

    A late sweep counts what was confirmed since midnight to the day that has ended. Days that were
    missed altogether stay unwritten: the next change covers them.
    """
    now = now or timezone.now()
    today = timezone.localdate(now)
    day, ended_at = today - _ONE_DAY, timezone.make_aware(datetime.combine(today, time.min))
    followed = Petition.objects.published().exclude(state=Petition.State.REMOVED)
    followed = followed.filter(
        Q(opens_at=None) | Q(opens_at__lt=ended_at),
        Q(closes_at=None) | Q(closes_at__gte=ended_at - FOLLOWED_AFTER_CLOSE),
    )
    due = list(followed.exclude(snapshots__day=day).values_list("pk", flat=True))
    counts = _count(due) if due else {}
    return sum(
        write(
            petition_id,
            day,
            counts[petition_id],
            states=_states(petition_id, day, ended_at),
        )
        for petition_id in due
    )


def _count(petition_ids: list[int]) -> dict[int, Counter[str]]:
    """Each petition's count by region, with a zero for every region that there is."""
    there = no_shares()
    counts = {petition_id: Counter(there) for petition_id in petition_ids}
    sums = (
        Tally.objects.filter(petition__in=petition_ids, kind=Tally.Kind.ONLINE)
        .values_list("petition_id", "place__kind", "place__region")
        .annotate(sum=Sum("n"))
    )
    for petition_id, kind, region, n in sums:
        counts[petition_id][group_of(kind, region)] += n
    return counts


def _states(petition_id: int, day: date, ended_at: datetime) -> dict[str, int]:
    """The totals behind what is public of what does not count, after a day that ended then.

    Those of the day before where the hourly count has not looked since.
    """
    earlier = Snapshot.objects.filter(petition=petition_id, day__lt=day).order_by("-day").first()
    before: dict[str, int] = earlier.states if earlier else {}
    figures = Figures.objects.filter(petition=petition_id, counted_at__gte=ended_at).first()
    if figures is None:
        return before
    now = _by_key(figures.counts)
    return {key: renewed(now.get(key, 0), before.get(key, 0)) for key in _STATE_KEYS}


def _by_key(counts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    removed = {f"{_REMOVED}{reason}": n for reason, n in counts["removed"].items()}
    return {**counts["state"], **removed}


def no_shares() -> Counter[str]:
    """A zero for every region that signatures can count in here."""
    places = Place.objects.values_list("kind", "region").distinct()
    return Counter({group_of(kind, region): 0 for kind, region in places})


def group_of(kind: str, region: str) -> str:
    """The region of a constituency, or `UNKNOWN` without one; any other place stands for itself."""
    return (region or UNKNOWN) if kind == Place.Kind.CONSTITUENCY else kind


@transaction.atomic
def write(
    petition_id: int, day: date, counts: Counter[str], *, states: dict[str, int] | None = None
) -> bool:
    """Write one petition's snapshot of a day, unless there is one; return whether it wrote."""
    snapshot, is_new = Snapshot.objects.get_or_create(
        petition_id=petition_id, day=day, defaults={"total": counts.total(), "states": states or {}}
    )
    if is_new:
        earlier = Snapshot.objects.filter(petition=petition_id, day__lt=day).order_by("day")
        last = released(earlier.values_list("day", "total"))
        parts = SnapshotPart.objects.filter(snapshot__petition=petition_id)
        # The count behind each region's public share until now.
        shown = parts.filter(snapshot__day=last).values_list("group", "shown") if last else ()
        before = dict(shown)
        SnapshotPart.objects.bulk_create(
            SnapshotPart(
                snapshot=snapshot, group=group, n=n, shown=renewed(n, before.get(group, 0))
            )
            for group, n in sorted(counts.items())
        )
    return is_new


# --- Reading ------------------------------------------------------------------------------


def statistics_of(petition: Petition) -> Statistics:
    """The public statistics of a petition; two queries."""
    taken = list(petition.snapshots.order_by("day").values_list("day", "total"))
    day = released(taken)
    if day is None:
        return Statistics()
    large = [(day, total) for day, total in taken if total >= STEP]
    opened = timezone.localdate(petition.opens_at) if petition.opens_at else None
    shares = _shares(petition, day)
    return Statistics(tuple(_spans(large, opened)), shares, day if shares else None)


def states_of(petition: Petition) -> tuple[StateTotal, ...]:
    """The public totals of what does not count, of those that reached `STEP`; one query."""
    newest = petition.snapshots.order_by("-day").first()
    shown = newest.states if newest else {}
    return tuple(
        StateTotal(key, total) for key in _STATE_KEYS if (total := rounded(shown.get(key, 0)))
    )


def released(taken: Iterable[tuple[date, int]]) -> date | None:
    """The day whose shares are public: each `STEP` away from the one before, the first from zero.

    `taken` are days and totals, in order. What was public once follows from them at any time.
    """
    last_day, last_total = None, 0
    for day, total in taken:
        if total >= STEP and abs(total - last_total) >= STEP:
            last_day, last_total = day, total
    return last_day


def merged(spans: Sequence[Span]) -> list[Span]:
    """Downsample to at most about `MOST_SPANS` spans: by the day, the week, or longer."""
    if not spans:
        return []
    start = spans[0].first
    days = (spans[-1].last - start).days + 1
    width = next((width for width in _WIDTHS if days <= width * MOST_SPANS), _WIDTHS[-1])
    by_width = groupby(spans, lambda span: (span.last - start).days // width)
    groups = [list(group) for _number, group in by_width]
    return [
        Span(group[0].first, group[-1].last, group[-1].total, sum(span.change for span in group))
        for group in groups
    ]


def name_of(group: str) -> str:
    """The label of a region, or of what is none, in the active language."""
    if group == UNKNOWN:
        return _("UK, region not known")
    return _("Outside the UK") if group == ABROAD else str(Region(group).label)


def written(share: Share) -> str:
    """A share formatted for readers: "1,285", or "fewer than 25"."""
    if share.signatures is None:
        return _("fewer than %(n)s") % {"n": grouped(FEWEST)}
    return grouped(share.signatures)


def _spans(taken: list[tuple[date, int]], opened: date | None) -> Iterable[Span]:
    """Differences of consecutive snapshots; the first holds all that came since the opening."""
    first, before = taken[0][0], 0
    if opened:
        first = min(first, opened)
    for day, total in taken:
        yield Span(first, day, total, total - before)
        first, before = day + _ONE_DAY, total


def _shares(petition: Petition, day: date) -> tuple[Share, ...]:
    parts = SnapshotPart.objects.filter(snapshot__petition=petition, snapshot__day=day)
    shares = [Share(group, rounded(n)) for group, n in parts.values_list("group", "shown")]
    if sum(share.signatures is not None for share in shares) < FEWEST_GROUPS:
        return ()
    return tuple(
        sorted(shares, key=lambda share: (-(share.signatures or 0), _GROUPS.index(share.group)))
    )
