"""How a petition is going: the count of each day, and what the public may know of it."""

import csv
import io
import json
import re
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions import context, progress, tallies, tasks, tokens, withdrawing
from petitions.models import (
    ABROAD,
    UNKNOWN,
    Petition,
    Place,
    Region,
    Signature,
    Snapshot,
    SnapshotPart,
    Tally,
)
from petitions.progress import Span
from tests.integration.test_races import race
from tests.people import sign, sign_and_confirm

PAGE = "/petitions/protect/progress/"
PAGES = (PAGE, "/ar" + PAGE, "/cy" + PAGE)
API = "/api/v1/petitions/protect/"
FIGURES = (API + "progress.json", API + "days.csv", API + "regions.csv")
LONDON = ZoneInfo("Europe/London")
# Another day than the tests run on, so that both days of a change of clocks are tried.
TODAY = date(2026, 6, 20)
NIGHT = datetime(2026, 6, 20, 0, 1, tzinfo=LONDON)
DAY = timedelta(days=1)
FIVE = Region.values[:5]
# Neither London nor Wales, of which the tests tell.
SIX = (*FIVE, Region.EAST)


@pytest.fixture(autouse=True)
def _open_for_long(petition: Petition) -> None:
    petition.opens_at = NIGHT - 30 * DAY
    petition.save()


@pytest.fixture
def constituencies(places: None) -> dict[str, Place]:
    """One constituency in each region, by the region's code."""
    return {
        region: Place.objects.create(
            code=f"X{number:08}",
            kind=Place.Kind.CONSTITUENCY,
            name=f"Place {number}",
            region=region,
        )
        for number, region in enumerate(Region.values)
    }


def add(petition: Petition, place: str, n: int) -> None:
    """Move the count as confirming or withdrawing would."""
    tallies.move(petition.pk, {tallies.key_of(place, uuid4()): n})


def lived(petition: Petition, *totals: int, until: date = TODAY - DAY) -> None:
    """Days that ended with these totals, nearly all abroad, and all with shares that are told."""
    for age, total in enumerate(reversed(totals)):
        snapshot = Snapshot.objects.create(petition=petition, day=until - age * DAY, total=total)
        SnapshotPart.objects.create(snapshot=snapshot, group=ABROAD, n=total, shown=total)
        for region in FIVE:
            SnapshotPart.objects.create(snapshot=snapshot, group=region, n=25, shown=25)


def spread(petition: Petition, constituencies: dict[str, Place], n: int = 30) -> None:
    """So many signatures in each of as many regions as are needed to tell of any."""
    for region in SIX:
        add(petition, constituencies[region].code, n)


def taken(petition: Petition) -> dict[date, dict[str, int]]:
    """What is written of each day, without what has nothing."""
    return {
        snapshot.day: {part.group: part.n for part in snapshot.parts.all() if part.n}
        for snapshot in petition.snapshots.prefetch_related("parts")
    }


def read(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return response.content.decode()


def series(client: Client) -> dict[str, Any]:
    return dict(json.loads(read(client, API + "progress.json")))


# --- Taking ------------------------------------------------------------------------------


def test_a_day_is_written_once_it_is_over_by_region(
    petition: Petition, constituencies: dict[str, Place]
) -> None:
    add(petition, constituencies[Region.LONDON].code, 7)
    add(petition, constituencies[Region.LONDON].code, 4)
    add(petition, constituencies[Region.WALES].code, 3)
    add(petition, UNKNOWN, 2)
    add(petition, ABROAD, 1)

    assert progress.take_snapshots(NIGHT) == 1

    assert taken(petition) == {
        TODAY - DAY: {Region.LONDON: 11, Region.WALES: 3, UNKNOWN: 2, ABROAD: 1}
    }
    snapshot = Snapshot.objects.get()
    assert snapshot.total == tallies.total(petition.pk) == 17
    assert set(snapshot.parts.values_list("group", flat=True)) == {*Region.values, UNKNOWN, ABROAD}


def test_a_day_that_is_written_stays_as_it_is(petition: Petition) -> None:
    add(petition, ABROAD, 30)
    progress.take_snapshots(NIGHT)
    add(petition, ABROAD, 9)

    assert progress.take_snapshots(NIGHT + timedelta(hours=1)) == 0
    assert taken(petition) == {TODAY - DAY: {ABROAD: 30}}
    assert progress.take_snapshots(NIGHT + DAY) == 1
    assert taken(petition) == {TODAY - DAY: {ABROAD: 30}, TODAY: {ABROAD: 39}}


def test_days_end_at_midnight_in_london_in_summer_too(petition: Petition) -> None:
    late = datetime(2026, 6, 19, 22, 59, tzinfo=ZoneInfo("UTC"))
    progress.take_snapshots(late)
    progress.take_snapshots(late + timedelta(minutes=2))
    assert sorted(taken(petition)) == [date(2026, 6, 18), date(2026, 6, 19)]


def test_days_that_were_missed_stay_unwritten_and_the_next_change_covers_them(
    petition: Petition,
) -> None:
    add(petition, ABROAD, 30)
    progress.take_snapshots(NIGHT)
    add(petition, ABROAD, 40)
    progress.take_snapshots(NIGHT + 4 * DAY)

    last = progress.course_of(petition).spans[-1]
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
def test_a_petition_is_followed_from_its_opening_to_a_week_after_its_close(
    petition: Petition, change: dict[str, Any], is_followed: bool
) -> None:
    Petition.objects.update(**change)
    assert progress.take_snapshots(NIGHT) == is_followed


def test_paper_is_not_counted_among_what_was_signed_here(petition: Petition) -> None:
    Tally.objects.create(petition=petition, place_id=ABROAD, kind=Tally.Kind.PAPER, n=500)
    progress.take_snapshots(NIGHT)
    assert taken(petition) == {TODAY - DAY: {}}


def test_a_constituency_without_a_region_counts_as_not_known(petition: Petition) -> None:
    Place.objects.create(code="X1", kind=Place.Kind.CONSTITUENCY, name="Somewhere")
    add(petition, "X1", 6)
    progress.take_snapshots(NIGHT)
    assert taken(petition) == {TODAY - DAY: {UNKNOWN: 6}}


def test_the_sweep_reads_the_counts_alone_and_costs_the_same_however_many_signed(
    petition: Petition,
) -> None:
    costs = []
    # The first night has no shares that stand; from then on there are some.
    for n, night in ((30, NIGHT), (30, NIGHT + DAY), (9_000_000, NIGHT + 2 * DAY)):
        add(petition, ABROAD, n)
        with CaptureQueriesContext(connection) as queries:
            progress.take_snapshots(night)
        assert not [q["sql"] for q in queries if "petitions_signature" in q["sql"]]
        costs.append(len(queries))
    assert costs[0] < costs[1] == costs[2] <= 12


@pytest.mark.django_db(transaction=True)
def test_two_at_once_write_a_day_once(petition: Petition, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lock around them: the first has counted when the second comes and writes."""
    add(petition, ABROAD, 30)

    def take() -> int:
        return progress.take_snapshots(NIGHT)

    run = race(monkeypatch, (progress, "_count"), take, take)

    assert (run.first, run.second) == (0, 1)
    assert taken(petition) == {TODAY - DAY: {ABROAD: 30}}


@pytest.mark.django_db(transaction=True)
def test_a_sweep_leaves_the_work_to_the_one_that_is_at_it(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[list[int]] = []
    count = progress._count

    def counting(due: list[int]) -> dict[int, Counter[str]]:
        counted.append(due)
        return count(due)

    monkeypatch.setattr(progress, "_count", counting)

    run = race(monkeypatch, (progress, "_count"), tasks.take_snapshots, tasks.take_snapshots)

    assert (run.first, run.second, run.second_waited) == (None, None, False)
    assert len(counted) == 1
    assert Snapshot.objects.count() == 1


# --- What may be known -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "said"), [(0, None), (24, None), (25, 25), (27, 25), (28, 30), (33, 35), (998, 1000)]
)
def test_shares_are_rounded_and_small_ones_are_not_said(n: int, said: int | None) -> None:
    assert progress.rounded(n) == said


@pytest.mark.parametrize(
    ("totals", "told"),
    [
        ([], None),
        ([24], None),
        ([25], 1),
        ([10, 25, 49], 2),
        ([10, 25, 50], 3),
        ([25, 26, 27, 50, 51, 74, 75], 7),
        # Falls count too, but nothing is told of fewer than the step.
        ([100, 76], 1),
        ([100, 75], 2),
        ([100, 20], 1),
        ([100, 20, 110], 1),
    ],
)
def test_shares_are_renewed_only_when_many_make_the_difference(
    totals: list[int], told: int | None
) -> None:
    days = [(date(2026, 1, n), total) for n, total in enumerate(totals, 1)]
    assert progress.released(days) == (date(2026, 1, told) if told else None)


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([24], 0),
        ([25], 25),
        ([25, 49], 25),
        ([25, 49, 50], 50),
        ([30, 6], 30),
        # A region that fell below what may be said of it is said no more.
        ([30, 5], 0),
        ([30, 5, 24], 0),
        ([30, 5, 25], 25),
    ],
)
def test_a_share_is_renewed_only_when_its_own_region_moved(counts: list[int], shown: int) -> None:
    stands = 0
    for n in counts:
        stands = progress.renewed(n, stands)
    assert stands == shown


def test_no_difference_of_two_days_is_of_fewer_people_than_the_step(
    petition: Petition, constituencies: dict[str, Place], client: Client
) -> None:
    """Somebody reads every day, and knows that one person of London signed on the ninth."""
    spread(petition, constituencies)
    add(petition, constituencies[Region.LONDON].code, 27)
    progress.take_snapshots(NIGHT)
    before = [read(client, path) for path in (API + "regions.csv", PAGE)]
    regions = series(client)["regions"]
    assert regions["shares"]

    # One more, and London would round to thirty instead of 25.
    add(petition, constituencies[Region.LONDON].code, 1)
    progress.take_snapshots(NIGHT + DAY)

    assert progress.rounded(27) != progress.rounded(28)
    assert series(client)["regions"] == regions
    assert read(client, API + "regions.csv") == before[0]
    assert by_region(read(client, PAGE)) == by_region(before[1])

    add(petition, ABROAD, 25)
    progress.take_snapshots(NIGHT + 2 * DAY)
    assert series(client)["regions"] != regions


def test_a_busy_region_renews_no_quiet_one(
    petition: Petition, constituencies: dict[str, Place]
) -> None:
    """Hundreds sign in London, two or three in Wales, night after night."""

    def shown() -> dict[str, int | None]:
        shares = progress.course_of(petition).shares
        return {share.group: share.signatures for share in shares}

    spread(petition, constituencies)
    add(petition, constituencies[Region.WALES].code, 27)
    told = []
    for night in range(11):
        progress.take_snapshots(NIGHT + night * DAY)
        told.append(shown()[Region.WALES])
        add(petition, constituencies[Region.LONDON].code, 300)
        # The last night, Wales has moved by 24, and then by 27.
        add(petition, constituencies[Region.WALES].code, 3 if night > 7 else 2)
    assert told == [25] * 11
    progress.take_snapshots(NIGHT + 11 * DAY)

    assert shown()[Region.WALES] == 50
    assert shown()[Region.LONDON] == 3300


def test_of_few_regions_none_is_told(
    petition: Petition, constituencies: dict[str, Place], client: Client
) -> None:
    """Two rounded figures beside the exact total of the same night would be nearly exact."""
    add(petition, UNKNOWN, 4003)
    add(petition, ABROAD, 207)
    for region in SIX[:3]:
        add(petition, constituencies[region].code, 30)
    for region in SIX[3:]:
        add(petition, constituencies[region].code, 24)
    progress.take_snapshots(NIGHT)

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
    progress.take_snapshots(NIGHT + DAY)
    assert len(series(client)["regions"]["shares"]) == len(Region) + 2


def test_equal_shares_do_not_tell_which_is_the_greater(
    petition: Petition, constituencies: dict[str, Place]
) -> None:
    spread(petition, constituencies)
    add(petition, constituencies[Region.WALES].code, 42)
    add(petition, constituencies[Region.LONDON].code, 39)
    add(petition, constituencies[Region.SCOTLAND].code, 14)
    add(petition, constituencies[Region.NORTHERN_IRELAND].code, 24)
    progress.take_snapshots(NIGHT)

    shares = progress.course_of(petition).shares
    assert [(share.group, share.signatures) for share in shares][:2] == [
        (Region.LONDON, 40),
        (Region.WALES, 40),
    ]
    few = [share.group for share in shares if share.signatures is None]
    assert few == [group for group in (*Region.values, UNKNOWN, ABROAD) if group in few]


def test_one_confirmation_and_one_withdrawal_change_no_breakdown(
    petition: Petition, constituencies: dict[str, Place], client: Client
) -> None:
    """Every public page and address, before and after: whatever differs is the total alone."""
    spread(petition, constituencies)
    add(petition, ABROAD, 40)
    add(petition, UNKNOWN, 32)
    progress.take_snapshots()
    assert progress.course_of(petition).shares

    def seen() -> list[Any]:
        pages = [by_region(read(client, path)) for path in PAGES]
        return [*pages, *(read(client, path) for path in FIGURES)]

    before = seen()
    signature = sign_and_confirm(petition)
    confirmed = seen()
    withdrawing.withdraw(signature_id=signature.pk)
    progress.take_snapshots()

    assert tallies.total(petition.pk) == 72 + 30 * len(SIX)
    assert before == confirmed == seen()


# --- The page ----------------------------------------------------------------------------


def section(page: str, name: str) -> str:
    """One part of the page by the name of its heading."""
    part = rf'<section aria-labelledby="{name}-heading">.*?</section>'
    (found,) = re.findall(part, page, re.DOTALL)
    return str(found)


def by_region(page: str) -> str:
    """The part of the page that tells of regions."""
    return section(page, "regions")


def charts_of(page: str) -> dict[str, ET.Element]:
    """Every chart by its name, parsed as XML."""
    found = re.findall(r'<svg class="chart .*?</figure>', page, re.DOTALL)
    parsed = [ET.fromstring(svg.removesuffix("</figure>")) for svg in found]  # noqa: S314 - ours
    return {svg.attrib["aria-labelledby"].split("-")[0]: svg for svg in parsed}


def table(page: str, name: str) -> list[list[str]]:
    """The cells of a section's table, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", section(page, name), re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def test_days_and_regions_stand_as_charts_and_as_tables(petition: Petition, client: Client) -> None:
    lived(petition, 20, 40, 1300, 1284)
    page = read(client, PAGE)

    charts = charts_of(page)
    assert set(charts) == {"totals", "changes", "regions"}
    for svg in charts.values():
        assert svg.attrib["role"] == "img"
        title, words = svg[0], svg[1]
        assert title.tag == "title"
        assert words.tag == "desc"
        assert title.text
        assert words.text
    assert table(page, "time") == [
        ["Days", "Signatures", "Change"],
        ["19 June 2026", "1,284", "-16"],
        ["18 June 2026", "1,300", "1,260"],
        # What came while fewer than 25 stood is in one line with what came after.
        ["21 May 2026 – 17 June 2026", "40", "40"],
    ]
    assert table(page, "regions")[:3] == [
        ["Region", "Signatures"],
        ["Outside the UK", "1,300"],
        ["North East", "25"],
    ]
    for name in ("time", "regions"):
        for mark in ("<caption>", 'scope="col"', 'scope="row"'):
            assert mark in section(page, name)
    assert "style=" not in page


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (PAGE, ["1,284", "19 June 2026", "rounded to the nearest 5", "Here no number obliges"]),
        ("/ar" + PAGE, ["1,284", "19 حزيران/يونيو 2026", "خارج المملكة المتحدة", 'dir="rtl"']),
        ("/cy" + PAGE, ["1,284", "19 Mehefin 2026", "Y tu allan i’r DU", 'lang="cy"']),
    ],
)
def test_it_speaks_the_language_of_its_address(
    petition: Petition, client: Client, path: str, words: list[str]
) -> None:
    lived(petition, 40, 1284)
    add(petition, ABROAD, 1284)
    page = read(client, path)
    for word in words:
        assert word in page


def test_time_runs_from_the_right_in_arabic(petition: Petition, client: Client) -> None:
    lived(petition, 40, 1284)
    for path, runs_right in ((PAGE, True), ("/ar" + PAGE, False)):
        chart = charts_of(read(client, path))["totals"]
        first, last = (float(rect.attrib["x"].rstrip("%")) for rect in chart.iter("rect"))
        assert (first < last) is runs_right


@pytest.mark.parametrize("n", [0, 1, 24])
def test_of_few_signatures_no_day_is_told_and_no_bar_shown(
    petition: Petition, client: Client, n: int
) -> None:
    if n:
        add(petition, ABROAD, n)
    progress.take_snapshots(NIGHT)
    page = read(client, PAGE)

    assert f'<strong class="count-number">{n}</strong>' in page
    assert "Days are shown from the first one that ended with 25 signatures" in page
    assert "<svg" not in page
    assert "<progress" not in page
    told = series(client)
    assert (told["days"], told["regions"]["shares"]) == ([], [])


def test_before_the_first_night_the_page_has_its_count_and_goal(
    petition: Petition, client: Client
) -> None:
    add(petition, ABROAD, 30)
    page = read(client, PAGE)
    assert '<progress value="30" max="100"' in page
    assert "<svg" not in page


def test_drafts_have_no_page_and_removed_petitions_say_so(
    petition: Petition, client: Client
) -> None:
    everything = (*PAGES, *FIGURES)
    Petition.objects.update(state=Petition.State.DRAFT)
    assert {client.get(path).status_code for path in everything} == {404}
    Petition.objects.update(state=Petition.State.REMOVED, removed_reason="Asked to")
    assert {client.get(path).status_code for path in everything} == {410}
    assert "Asked to" in client.get(PAGE).content.decode()
    assert client.get("/petitions/other/progress/").status_code == 404


def test_a_long_course_is_put_together_so_that_the_page_stays_small(
    petition: Petition, client: Client
) -> None:
    days = 800
    Snapshot.objects.bulk_create(
        Snapshot(petition=petition, day=TODAY - n * DAY, total=100_000 - n) for n in range(days)
    )
    SnapshotPart.objects.bulk_create(
        SnapshotPart(snapshot=snapshot, group=ABROAD, n=snapshot.total)
        for snapshot in Snapshot.objects.all()
    )
    page = read(client, PAGE)

    rows = table(page, "time")[1:]
    assert 20 < len(rows) <= progress.MOST_SPANS + 1
    assert len(series(client)["days"]) == days
    changes = [int(row[2].replace(",", "")) for row in rows]
    assert sum(changes) == 100_000
    assert len(page.encode()) < 60_000


@pytest.mark.parametrize("path", [*PAGES, *FIGURES])
def test_it_costs_few_queries_cold_and_none_warm_however_many_signed(
    petition: Petition, settings: Any, path: str
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    costs: list[int] = []
    for n in (30, 9_000_000):
        add(petition, ABROAD, n)
        progress.take_snapshots(NIGHT + len(costs) * DAY)
        context.forget()
        client = Client()
        with CaptureQueriesContext(connection) as cold:
            client.get(path)
        with CaptureQueriesContext(connection) as warm:
            client.get(path)
        assert len(warm) == 0
        assert not [q["sql"] for q in cold if '"petitions_signature"' in q["sql"]]
        costs.append(len(cold))
    assert costs[0] == costs[1] <= 5


def test_any_copy_may_be_kept_and_is_asked_for_once(petition: Petition, settings: Any) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    lived(petition, 40, 60)
    client = Client()
    for path in (*PAGES, *FIGURES):
        answer = client.get(path)
        assert "public" in answer["Cache-Control"]
        assert not answer.cookies
        assert "Cookie" not in answer.get("Vary", "")
        again = client.get(path, headers={"If-None-Match": answer["ETag"]})
        assert again.status_code == 304


def test_other_sites_may_read_the_same_figures(petition: Petition, client: Client) -> None:
    lived(petition, 40, 62)
    told = series(client)
    assert told["slug"] == "protect"
    assert told["days"][-1] == {
        "from": "2026-06-19",
        "to": "2026-06-19",
        "signatures": 62,
        "change": 22,
    }
    assert told["regions"] == {
        "counted_after": "2026-06-18",
        "rounded_to": 5,
        "null_means_fewer_than": 25,
        "shares": [
            {"code": ABROAD, "name": "Outside the UK", "signatures": 40},
            *({"code": code, "name": Region(code).label, "signatures": 25} for code in FIVE),
        ],
    }
    days = list(csv.DictReader(io.StringIO(read(client, API + "days.csv"))))
    assert days[-1] == {key: str(value) for key, value in told["days"][-1].items()}
    regions = list(csv.DictReader(io.StringIO(read(client, API + "regions.csv"))))
    assert regions == [
        {key: str(value) for key, value in share.items()} for share in told["regions"]["shares"]
    ]
    for path in FIGURES:
        answer = client.get(path)
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert answer["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_the_petition_and_the_thanks_lead_to_it(petition: Petition, client: Client) -> None:
    for home in ("", "/ar", "/cy"):
        assert f'href="{home}{PAGE}"' in read(client, f"{home}/petitions/protect/")
    signature_id = sign(petition)
    link = f"/t/en/confirm/{tokens.link(tokens.CONFIRM, signature_id, 0)}/"
    assert f'href="{PAGE}"' in client.post(link).content.decode()


def test_samples_have_a_course_that_ends_with_their_count(
    petition: Petition, client: Client
) -> None:
    call_command("seed_signatures", petition.slug, 400, days=10)
    spans = progress.course_of(petition).spans
    signed_before_today = Signature.objects.filter(
        state="confirmed", confirmed_at__date__lt=timezone.localdate()
    )
    assert 5 < len(spans) <= 11
    assert spans[-1].last == timezone.localdate() - DAY
    assert spans[-1].total == signed_before_today.count()
    assert sum(span.change for span in spans) == spans[-1].total
    last = Snapshot.objects.get(day=spans[-1].last)
    assert sum(part.n for part in last.parts.all()) == last.total
    assert charts_of(read(client, PAGE))
