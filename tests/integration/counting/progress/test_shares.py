"""Public counts by region: disclosure control hides small groups of people."""

from datetime import date
from typing import Any

import pytest
from django.test import Client

from petitions.counting import breakdowns, tallies
from petitions.models import (
    ABROAD,
    UNKNOWN,
    Petition,
    Place,
    Region,
)
from petitions.signatures import withdraw
from tests.course import (
    API,
    DAY,
    FIGURES,
    NIGHT,
    PAGE,
    PAGES,
    SIX,
    add,
    by_region,
    read,
    series,
    spread,
)
from tests.people import sign_and_confirm


@pytest.mark.parametrize(
    ("n", "said"), [(0, None), (24, None), (25, 25), (27, 25), (28, 30), (33, 35), (998, 1000)]
)
def test_counts_by_region_are_rounded_and_small_ones_suppressed(n: int, said: int | None) -> None:
    assert breakdowns.rounded(n) == said


@pytest.mark.parametrize(
    ("totals", "told"),
    [
        ([], None),
        ([24], None),
        ([25], 1),
        ([10, 25, 49], 2),
        ([10, 25, 50], 3),
        ([25, 26, 27, 50, 51, 74, 75], 7),
        # Decreases count, too, but nothing below the step is published.
        ([100, 76], 1),
        ([100, 75], 2),
        ([100, 20], 1),
        ([100, 20, 110], 1),
    ],
)
def test_counts_by_region_are_released_again_only_after_a_large_change(
    totals: list[int], told: int | None
) -> None:
    days = [(date(2026, 1, n), total) for n, total in enumerate(totals, 1)]
    assert breakdowns.last_released(days) == (date(2026, 1, told) if told else None)


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([24], 0),
        ([25], 25),
        ([25, 49], 25),
        ([25, 49, 50], 50),
        ([30, 6], 30),
        # A region that falls below the least count shown is no longer published.
        ([30, 5], 0),
        ([30, 5, 24], 0),
        ([30, 5, 25], 25),
    ],
)
def test_a_regions_count_is_renewed_only_if_it_changed_by_a_step(
    counts: list[int], shown: int
) -> None:
    stands = 0
    for n in counts:
        stands = breakdowns.renewed(n, stands)
    assert stands == shown


def test_published_counts_never_differ_by_fewer_people_than_the_step(
    petition: Petition, constituencies: dict[str, Place], client: Client
) -> None:
    """An attacker reads the page every day, and knows that one Londoner signed on the ninth."""
    spread(petition, constituencies)
    add(petition, constituencies[Region.LONDON].code, 27)
    breakdowns.take_snapshots(NIGHT)
    before = [read(client, path) for path in (API + "regions.csv", PAGE)]
    regions = series(client)["regions"]
    assert regions["shares"]

    # One more, and London would round to thirty instead of 25.
    add(petition, constituencies[Region.LONDON].code, 1)
    breakdowns.take_snapshots(NIGHT + DAY)

    assert breakdowns.rounded(27) != breakdowns.rounded(28)
    assert series(client)["regions"] == regions
    assert read(client, API + "regions.csv") == before[0]
    assert by_region(read(client, PAGE)) == by_region(before[1])

    add(petition, ABROAD, 25)
    breakdowns.take_snapshots(NIGHT + 2 * DAY)
    assert series(client)["regions"] != regions


def test_growth_in_one_region_does_not_renew_the_count_of_another(
    petition: Petition, constituencies: dict[str, Place]
) -> None:
    """Hundreds sign in London, two or three in Wales, night after night."""

    def shown() -> dict[str, int | None]:
        shares = breakdowns.statistics_of(petition).shares
        return {share.group: share.signatures for share in shares}

    spread(petition, constituencies)
    add(petition, constituencies[Region.WALES].code, 27)
    told = []
    for night in range(11):
        breakdowns.take_snapshots(NIGHT + night * DAY)
        told.append(shown()[Region.WALES])
        add(petition, constituencies[Region.LONDON].code, 300)
        # The last night, Wales has moved by 24, and then by 27.
        add(petition, constituencies[Region.WALES].code, 3 if night > 7 else 2)
    assert told == [25] * 11
    breakdowns.take_snapshots(NIGHT + 11 * DAY)

    assert shown()[Region.WALES] == 50
    assert shown()[Region.LONDON] == 3300


def test_region_counts_are_suppressed_until_six_reach_the_threshold(
    petition: Petition, constituencies: dict[str, Place], client: Client
) -> None:
    """With the exact total, two rounded counts would be nearly exact."""
    add(petition, UNKNOWN, 4003)
    add(petition, ABROAD, 207)
    for region in SIX[:3]:
        add(petition, constituencies[region].code, 30)
    for region in SIX[3:]:
        add(petition, constituencies[region].code, 24)
    breakdowns.take_snapshots(NIGHT)

    assert series(client)["days"]
    assert series(client)["regions"]["shares"] == []
    assert series(client)["regions"]["counted_after"] is None
    assert read(client, API + "regions.csv").splitlines() == ["code,name,signatures"]
    page = by_region(read(client, PAGE))
    assert "Regions are shown once at least 6 of them have 25 signatures" in page
    assert "<svg" not in page
    assert "<td" not in page
    assert "بلغ" in by_region(read(client, PAGES[1]))
    assert "Dangosir" in by_region(read(client, PAGES[2]))

    add(petition, constituencies[SIX[3]].code, 25)
    breakdowns.take_snapshots(NIGHT + DAY)
    assert len(series(client)["regions"]["shares"]) == len(Region) + 2


def test_regions_with_equal_rounded_counts_have_a_fixed_order(
    petition: Petition, constituencies: dict[str, Place]
) -> None:
    spread(petition, constituencies)
    add(petition, constituencies[Region.WALES].code, 42)
    add(petition, constituencies[Region.LONDON].code, 39)
    add(petition, constituencies[Region.SCOTLAND].code, 14)
    add(petition, constituencies[Region.NORTHERN_IRELAND].code, 24)
    breakdowns.take_snapshots(NIGHT)

    shares = breakdowns.statistics_of(petition).shares
    assert [(share.group, share.signatures) for share in shares][:2] == [
        (Region.LONDON, 40),
        (Region.WALES, 40),
    ]
    few = [share.group for share in shares if share.signatures is None]
    assert few == [group for group in (*Region.values, UNKNOWN, ABROAD) if group in few]


def test_one_confirmation_and_one_withdrawal_change_no_breakdown(
    petition: Petition, constituencies: dict[str, Place], client: Client
) -> None:
    """Compare all public pages before and after: only the total differs."""
    spread(petition, constituencies)
    add(petition, ABROAD, 40)
    add(petition, UNKNOWN, 32)
    breakdowns.take_snapshots()
    assert breakdowns.statistics_of(petition).shares

    def seen() -> list[Any]:
        pages = [by_region(read(client, path)) for path in PAGES]
        return [*pages, *(read(client, path) for path in FIGURES)]

    before = seen()
    signature = sign_and_confirm(petition)
    confirmed = seen()
    withdraw.withdraw(signature_id=signature.pk)
    breakdowns.take_snapshots()

    assert tallies.total(petition.pk) == 72 + 30 * len(SIX)
    assert before == confirmed == seen()
