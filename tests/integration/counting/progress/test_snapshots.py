"""Daily snapshots: each is written once, when the day is over."""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from petitions import tasks
from petitions.counting import breakdowns, tallies
from petitions.counting.breakdowns import Span
from petitions.models import (
    ABROAD,
    UNKNOWN,
    Petition,
    Place,
    Region,
    Snapshot,
    Tally,
)
from tests.course import (
    DAY,
    NIGHT,
    TODAY,
    add,
    taken,
)
from tests.racing import race


def test_a_snapshot_stores_each_finished_day_by_region(
    petition: Petition, constituencies: dict[str, Place]
) -> None:
    add(petition, constituencies[Region.LONDON].code, 7)
    add(petition, constituencies[Region.LONDON].code, 4)
    add(petition, constituencies[Region.WALES].code, 3)
    add(petition, UNKNOWN, 2)
    add(petition, ABROAD, 1)

    assert breakdowns.take_snapshots(NIGHT) == 1

    assert taken(petition) == {
        TODAY - DAY: {Region.LONDON: 11, Region.WALES: 3, UNKNOWN: 2, ABROAD: 1}
    }
    snapshot = Snapshot.objects.get()
    assert snapshot.total == tallies.total(petition.pk) == 17
    assert set(snapshot.parts.values_list("group", flat=True)) == {*Region.values, UNKNOWN, ABROAD}


def test_an_existing_snapshot_is_never_changed(petition: Petition) -> None:
    add(petition, ABROAD, 30)
    breakdowns.take_snapshots(NIGHT)
    add(petition, ABROAD, 9)

    assert breakdowns.take_snapshots(NIGHT + timedelta(hours=1)) == 0
    assert taken(petition) == {TODAY - DAY: {ABROAD: 30}}
    assert breakdowns.take_snapshots(NIGHT + DAY) == 1
    assert taken(petition) == {TODAY - DAY: {ABROAD: 30}, TODAY: {ABROAD: 39}}


def test_days_end_at_midnight_in_london_in_summer_too(petition: Petition) -> None:
    late = datetime(2026, 6, 19, 22, 59, tzinfo=ZoneInfo("UTC"))
    breakdowns.take_snapshots(late)
    breakdowns.take_snapshots(late + timedelta(minutes=2))
    assert sorted(taken(petition)) == [date(2026, 6, 18), date(2026, 6, 19)]


def test_missed_days_get_no_snapshot_and_the_next_change_spans_them(
    petition: Petition,
) -> None:
    add(petition, ABROAD, 30)
    breakdowns.take_snapshots(NIGHT)
    add(petition, ABROAD, 40)
    breakdowns.take_snapshots(NIGHT + 4 * DAY)

    last = breakdowns.statistics_of(petition).spans[-1]
    assert last == Span(TODAY, TODAY + 3 * DAY, total=70, change=40)
    assert (last.days, last.per_day) == (4, 10)


@pytest.mark.parametrize(
    ("change", "is_followed"),
    [
        ({"state": "draft"}, False),
        ({"state": "removed"}, False),
        ({"opens_at": NIGHT}, False),
        ({"opens_at": NIGHT - timedelta(minutes=2)}, True),
        ({"opens_at": None}, True),
        ({"state": "closed", "closes_at": NIGHT - 6 * DAY}, True),
        ({"closes_at": NIGHT - 8 * DAY}, False),
    ],
)
def test_snapshots_are_taken_from_the_opening_until_a_week_after_the_close(
    petition: Petition, change: dict[str, Any], is_followed: bool
) -> None:
    Petition.objects.update(**change)
    assert breakdowns.take_snapshots(NIGHT) == is_followed


def test_paper_signatures_are_excluded_from_snapshots(petition: Petition) -> None:
    Tally.objects.create(petition=petition, place_id=ABROAD, kind=Tally.Kind.PAPER, n=500)
    breakdowns.take_snapshots(NIGHT)
    assert taken(petition) == {TODAY - DAY: {}}


def test_a_constituency_without_a_region_counts_as_not_known(petition: Petition) -> None:
    Place.objects.create(code="X1", kind=Place.Kind.CONSTITUENCY, name="Somewhere")
    add(petition, "X1", 6)
    breakdowns.take_snapshots(NIGHT)
    assert taken(petition) == {TODAY - DAY: {UNKNOWN: 6}}


def test_the_snapshot_sweep_reads_no_signatures_and_has_a_constant_query_count(
    petition: Petition,
) -> None:
    costs = []
    # Only the first snapshot has no earlier shares to compare with.
    for n, night in ((30, NIGHT), (30, NIGHT + DAY), (9_000_000, NIGHT + 2 * DAY)):
        add(petition, ABROAD, n)
        with CaptureQueriesContext(connection) as queries:
            breakdowns.take_snapshots(night)
        assert not [q["sql"] for q in queries if "petitions_signature" in q["sql"]]
        costs.append(len(queries))
    assert costs[0] < costs[1] == costs[2] <= 14


@pytest.mark.django_db(transaction=True)
def test_concurrent_sweeps_write_one_snapshot_per_day(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lease: the second sweep writes after the first has counted."""
    add(petition, ABROAD, 30)

    def take() -> int:
        return breakdowns.take_snapshots(NIGHT)

    run = race(monkeypatch, (breakdowns, "_count"), take, take)

    assert (run.first, run.second) == (0, 1)
    assert taken(petition) == {TODAY - DAY: {ABROAD: 30}}


@pytest.mark.django_db(transaction=True)
def test_a_sweep_does_nothing_while_another_one_runs(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[list[int]] = []
    count = breakdowns._count

    def counting(due: list[int]) -> dict[int, Counter[str]]:
        counted.append(due)
        return count(due)

    monkeypatch.setattr(breakdowns, "_count", counting)

    run = race(monkeypatch, (breakdowns, "_count"), tasks.take_snapshots, tasks.take_snapshots)

    assert (run.first, run.second, run.second_waited) == (None, None, False)
    assert len(counted) == 1
    assert Snapshot.objects.count() == 1
