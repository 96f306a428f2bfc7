"""Public statistics of a petition: the count after each day, and its breakdown by region.

Disclosure control: these statistics come from daily snapshots only. Watching them before and after
one signature does not show which region it came from:

- A day is published once it is over, and only if the total then was at least `STEP`.
- The counts of regions are rounded to `ROUNDED_TO`. Counts below `LEAST_SHOWN` are not published.
- The counts of regions are renewed only when the total has moved by `STEP` since they were last
  published, and each one only when that region has moved by `STEP` too. So at least `STEP` people
  make the difference between two published values, however busy the other regions are.
- If fewer than `LEAST_GROUPS` regions could be shown, none is: with the exact total, the rest
  could be worked out from a few rounded figures.

The exact total is no secret: the petition's page always shows it. Signatures that are not counted
are published from the same snapshots, by state and by reason of removal. Each of these totals is
renewed only when it has moved by `STEP` since its last published value.
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
from petitions.models.counts import ANONYMITY_THRESHOLD

# How far a count must have moved before its public value is renewed: so at least this many people
# make the difference between two public values.
STEP = ANONYMITY_THRESHOLD
ROUNDED_TO = 5
# Smaller counts are not published.
LEAST_SHOWN = STEP
LEAST_GROUPS = 6
# By then people have confirmed mails sent before the close, and moderators have decided.
FOLLOWED_AFTER_CLOSE = timedelta(days=7)
MAX_SPANS = 60
_WIDTHS = (1, 7, 28, 91, 364)
_ONE_DAY = timedelta(days=1)
# The order of groups with equal rounded counts. Sorting by exact count would tell which is larger.
_GROUPS = (*Region.values, UNKNOWN, ABROAD)
_REMOVED = "removed:"
# The keys of the totals of uncounted signatures: a state, or a reason of removal.
_STATE_KEYS = (
    Signature.State.PENDING,
    Signature.State.HELD,
    *(f"{_REMOVED}{reason}" for reason in Decision.Reason.values),
    Signature.State.WITHDRAWN,
)


@dataclass(frozen=True)
class Span:
    """The change over one day, or over several missed or merged days. `total` is at their end."""

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
    """The rounded count of one region. `signatures` is None if fewer than `LEAST_SHOWN`."""

    group: str
    signatures: int | None

    @property
    def name(self) -> str:
        return name_of(self.group)


@dataclass(frozen=True)
class Statistics:
    """The public statistics: a time series and a breakdown by region. Both can be empty."""

    spans: tuple[Span, ...] = ()
    shares: tuple[Share, ...] = ()
    # The day after which shares were last renewed, or None without shares.
    shared_after: date | None = None


@dataclass(frozen=True)
class StateTotal:
    """The rounded public total of one state, or of one reason of removal."""

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
    """Return the count behind a public value: `before`, unless `n` has moved from it by `STEP`."""
    if abs(n - before) < STEP:
        return before
    return n if n >= LEAST_SHOWN else 0


def rounded(n: int) -> int | None:
    """Return a count rounded to a multiple of `ROUNDED_TO`, or None below `LEAST_SHOWN`."""
    if n < LEAST_SHOWN:
        return None
    return (n + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO


# --- Writing ------------------------------------------------------------------------------


def take_snapshots(now: datetime | None = None) -> int:
    """Write the daily snapshots of yesterday; return how many were written.

    1. Find the public petitions without one. Skip those closed for `FOLLOWED_AFTER_CLOSE`.
    2. Sum their tallies by region, in one statement and so as of one moment.
    3. Write each snapshot in its own transaction. Idempotent: existing snapshots are left alone.

    A late run adds signatures confirmed since midnight to yesterday. No snapshot is ever written
    for a missed day: the span of the next one covers it.
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
    """Return each petition's count by region, with zeros for regions without signatures."""
    zeros = zero_by_group()
    counts = {petition_id: Counter(zeros) for petition_id in petition_ids}
    sums = (
        Tally.objects.filter(petition__in=petition_ids, kind=Tally.Kind.ONLINE)
        .values_list("petition_id", "place__kind", "place__region")
        .annotate(sum=Sum("n"))
    )
    for petition_id, kind, region, n in sums:
        counts[petition_id][group_of(kind, region)] += n
    return counts


def _states(petition_id: int, day: date, ended_at: datetime) -> dict[str, int]:
    """Return the totals of uncounted signatures for the snapshot of a day that ended at `ended_at`.

    They are those of the previous snapshot if the hourly sweep has not counted since `ended_at`.
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


def zero_by_group() -> Counter[str]:
    """Return a zero for every group, such as a region, that this site's places belong to."""
    places = Place.objects.values_list("kind", "region").distinct()
    return Counter({group_of(kind, region): 0 for kind, region in places})


def group_of(kind: str, region: str) -> str:
    """Return the region of a constituency (`UNKNOWN` without one), or the kind of another place."""
    return (region or UNKNOWN) if kind == Place.Kind.CONSTITUENCY else kind


@transaction.atomic
def write(
    petition_id: int, day: date, counts: Counter[str], *, states: dict[str, int] | None = None
) -> bool:
    """Write one petition's snapshot of a day, unless it exists; return whether it was written."""
    snapshot, is_new = Snapshot.objects.get_or_create(
        petition_id=petition_id, day=day, defaults={"total": counts.total(), "states": states or {}}
    )
    if is_new:
        earlier = Snapshot.objects.filter(petition=petition_id, day__lt=day).order_by("day")
        last = last_released(earlier.values_list("day", "total"))
        parts = SnapshotPart.objects.filter(snapshot__petition=petition_id)
        # The count behind each region's current public share.
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
    """Return the public statistics of a petition, in two queries."""
    taken = list(petition.snapshots.order_by("day").values_list("day", "total"))
    day = last_released(taken)
    if day is None:
        return Statistics()
    large = [(day, total) for day, total in taken if total >= STEP]
    opened = timezone.localdate(petition.opens_at) if petition.opens_at else None
    shares = _shares(petition, day)
    return Statistics(tuple(_spans(large, opened)), shares, day if shares else None)


def states_of(petition: Petition) -> tuple[StateTotal, ...]:
    """Return the public totals of uncounted signatures that reach `LEAST_SHOWN`, in one query."""
    newest = petition.snapshots.order_by("-day").first()
    shown = newest.states if newest else {}
    return tuple(
        StateTotal(key, total) for key in _STATE_KEYS if (total := rounded(shown.get(key, 0)))
    )


def last_released(taken: Iterable[tuple[date, int]]) -> date | None:
    """Return the last day whose shares were released, or None.

    `taken` has days and totals, in order of day. Each released day is `STEP` away from the one
    before, and the first from zero.
    """
    last_day, last_total = None, 0
    for day, total in taken:
        if total >= STEP and abs(total - last_total) >= STEP:
            last_day, last_total = day, total
    return last_day


def downsample(spans: Sequence[Span]) -> list[Span]:
    """Merge spans into about `MAX_SPANS` or fewer: by day, by week, or by a longer period."""
    if not spans:
        return []
    start = spans[0].first
    days = (spans[-1].last - start).days + 1
    width = next((width for width in _WIDTHS if days <= width * MAX_SPANS), _WIDTHS[-1])
    by_width = groupby(spans, lambda span: (span.last - start).days // width)
    groups = [list(group) for _number, group in by_width]
    return [
        Span(group[0].first, group[-1].last, group[-1].total, sum(span.change for span in group))
        for group in groups
    ]


def name_of(group: str) -> str:
    """Return the label of a region, of `UNKNOWN` or of `ABROAD` in the active language."""
    if group == UNKNOWN:
        return _("UK, region not known")
    return _("Outside the UK") if group == ABROAD else str(Region(group).label)


def format_share(share: Share) -> str:
    """Format a share for readers: "1,285", or "fewer than 25"."""
    if share.signatures is None:
        return _("fewer than %(n)s") % {"n": grouped(LEAST_SHOWN)}
    return grouped(share.signatures)


def _spans(taken: list[tuple[date, int]], opened: date | None) -> Iterable[Span]:
    """Yield the changes between snapshots. The first span holds all signatures since opening."""
    first, before = taken[0][0], 0
    if opened:
        first = min(first, opened)
    for day, total in taken:
        yield Span(first, day, total, total - before)
        first, before = day + _ONE_DAY, total


def _shares(petition: Petition, day: date) -> tuple[Share, ...]:
    parts = SnapshotPart.objects.filter(snapshot__petition=petition, snapshot__day=day)
    shares = [Share(group, rounded(n)) for group, n in parts.values_list("group", "shown")]
    if sum(share.signatures is not None for share in shares) < LEAST_GROUPS:
        return ()
    return tuple(
        sorted(shares, key=lambda share: (-(share.signatures or 0), _GROUPS.index(share.group)))
    )
