"""Public totals of uncounted signatures by state and reason: daily, rounded, in steps of 25."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from petitions.counting import breakdowns
from petitions.models import Decision, Figures, Petition, Snapshot
from tests.course import DAY, NIGHT, PAGE, PAGES, lived, read, section

DUPLICATE = Decision.Reason.DUPLICATE


def night(petition: Petition, nights: int = 0, *, removed: int = 0, **by_state: int) -> None:
    """Store hourly figures with these counts, and take the daily snapshot after them."""
    at = NIGHT + nights * DAY
    counts = {"state": by_state, "removed": {DUPLICATE: removed}}
    Figures.objects.update_or_create(
        petition=petition,
        defaults={"counted_at": at.replace(minute=0), "counts": counts},
    )
    assert breakdowns.take_snapshots(at) == 1


def told(petition: Petition) -> dict[str, int]:
    return {one.key: one.signatures for one in breakdowns.states_of(petition)}


def test_totals_by_state_are_rounded_and_small_ones_suppressed(petition: Petition) -> None:
    night(petition, removed=63, held=27, withdrawn=24, pending=50)
    assert told(petition) == {"removed:duplicate": 65, "held": 25, "pending": 50}


def test_each_total_by_state_changes_only_after_a_full_step(petition: Petition) -> None:
    night(petition, removed=63, held=40)
    night(petition, 1, removed=64, held=65)
    assert told(petition) == {"removed:duplicate": 65, "held": 65}
    night(petition, 2, removed=88, held=41)
    assert told(petition) == {"removed:duplicate": 90, "held": 65}
    night(petition, 3, removed=88, held=10)
    assert told(petition) == {"removed:duplicate": 90}


def test_without_a_new_hourly_count_the_previous_totals_remain(
    petition: Petition,
) -> None:
    night(petition, removed=63)
    Figures.objects.update(
        counts={"state": {}, "removed": {}}, counted_at=NIGHT + timedelta(hours=1)
    )
    breakdowns.take_snapshots(NIGHT + DAY)
    assert Snapshot.objects.count() == 2
    assert told(petition) == {"removed:duplicate": 65}


@pytest.mark.parametrize("path", PAGES)
def test_the_page_shows_the_totals_and_they_change_only_at_midnight(
    petition: Petition, client: Client, path: str
) -> None:
    lived(petition, 30, until=(NIGHT - 2 * DAY).date())
    night(petition, removed=63, held=27)
    before = section(read(client, path), "states")
    assert ">65<" in before
    assert ">25<" in before
    Figures.objects.update(counts={"state": {"held": 900}, "removed": {DUPLICATE: 900}})
    assert section(read(client, path), "states") == before


def test_the_progress_page_links_to_the_about_page_which_names_it(
    petition: Petition, client: Client, settings: Any
) -> None:
    lived(petition, 30, until=(NIGHT - 2 * DAY).date())
    night(petition)
    assert 'href="/about/"' in section(read(client, PAGE), "states")
    assert "How this petition is going" in read(client, "/about/")
