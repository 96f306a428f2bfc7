"""Roll up each petition's activity by the minute. The worker writes it, the cockpit reads it.

Each minute is counted once, soon after its end. Withdrawing deletes all forms with the signer's
address, but no stored count falls, so watching the counts reveals nobody. Every accepted form
counts as signed, whatever happened to it later (constant work, docs/architecture.md).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, time, timedelta
from enum import StrEnum
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, QuerySet
from django.db.models.functions import TruncMinute
from django.utils import timezone

from petitions.infra import redis
from petitions.models import ActivityMinute, Petition, Signature
from petitions.screening import challenge

State = Signature.State
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# By then, transactions that began before the end of a minute have committed.
SETTLED_AFTER = timedelta(seconds=10)


class Event(StrEnum):
    """Events that are counted. Rules about one address are not: the number would reveal it."""

    SIGNED = "signed"
    CONFIRMED = "confirmed"  # and included in the public total
    HELD = "held"  # confirmed, and on hold when its minute was counted
    ASKED = "asked"
    SOLVED = "solved"
    FAILED = "failed"
    REFUSED_NETWORK = "refused-network"
    REFUSED_DOMAIN = "refused-domain"
    HELD_NETWORK = "held-network"
    HELD_DOMAIN = "held-domain"


# The signals that rules leave on a signature, by what the rules match.
_SIGNALS_OF_RULES = {
    "network": {"blocked-network", "held-network"},
    "domain": {"blocked-domain", "held-domain"},
}


# A petition's id, a minute, an event, and how often it occurred.
Occurrences = tuple[int, datetime, str, int]


@transaction.atomic
def roll_up() -> int:
    """Count the minutes that have ended since the last call, at most a day. Idempotent.

    Return the number of rows built. Only the signatures of those minutes are read, by index.
    """
    end = last_full_minute()
    newest = ActivityMinute.objects.aggregate(at=Max("minute"))["at"]
    start = max(newest + MINUTE, end - DAY) if newest else end - DAY
    counts: dict[tuple[int, datetime], Counter[str]] = defaultdict(Counter)
    occurrences = chain(_signed(start, end), _confirmed(start, end), _challenged(start, end))
    for petition_id, minute, event, number in occurrences:
        counts[petition_id, minute][event] += number
    rows = [
        ActivityMinute(petition_id=petition_id, minute=minute, counts=dict(counted))
        for (petition_id, minute), counted in counts.items()
    ]
    ActivityMinute.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def last_full_minute() -> datetime:
    """Return the end of the last minute that can be counted by now."""
    return (timezone.now() - SETTLED_AFTER).replace(second=0, microsecond=0)


def _signed(start: datetime, end: datetime) -> Iterator[Occurrences]:
    # Petition and state come before the time in the index, so all their values are listed.
    rows = Signature.objects.filter(
        petition__in=list(Petition.objects.values_list("pk", flat=True)),
        state__in=State.values,
        created_at__gte=start,
        created_at__lt=end,
    )
    for petition_id, minute, state, signals, number in _by_minute(rows, "created_at"):
        yield petition_id, minute, Event.SIGNED, number
        if state == State.REFUSED:
            for about in _rules_about(signals):
                yield petition_id, minute, f"refused-{about}", number


def _confirmed(start: datetime, end: datetime) -> Iterator[Occurrences]:
    # The last condition repeats that of the partial index `signature_confirmed`.
    rows = Signature.objects.filter(
        confirmed_at__gte=start, confirmed_at__lt=end, confirmed_at__time__gt=time.min
    )
    for petition_id, minute, state, signals, number in _by_minute(rows, "confirmed_at"):
        is_held = state == State.HELD
        yield petition_id, minute, Event.HELD if is_held else Event.CONFIRMED, number
        if is_held:
            for about in _rules_about(signals):
                yield petition_id, minute, f"held-{about}", number


def _by_minute(rows: QuerySet[Signature], column: str) -> QuerySet[Any, tuple[Any, ...]]:
    """Count rows by petition, minute of `column`, state and signals, and yield them as tuples."""
    named = rows.annotate(minute=TruncMinute(column)).order_by()
    grouped = named.values_list("petition_id", "minute", "state", "signals")
    return grouped.annotate(number=Count("pk"))


def _rules_about(signals: list[str]) -> list[str]:
    return [about for about, codes in _SIGNALS_OF_RULES.items() if codes.intersection(signals)]


def _challenged(start: datetime, end: datetime) -> Iterator[Occurrences]:
    """Yield the outcomes of challenges on petitions' forms; none while Redis is unavailable."""
    first = max(start, end - challenge.COUNTED_FOR)
    minutes = [first + MINUTE * n for n in range((end - first) // MINUTE)]
    by_slug = dict(Petition.objects.values_list("slug", "pk"))
    with suppress(redis.Unavailable):
        for (form, minute), outcomes in challenge.outcomes(minutes).items():
            if form in by_slug:
                for outcome, number in outcomes.items():
                    yield by_slug[form], minute, outcome, number
