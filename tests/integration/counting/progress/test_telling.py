"""The public progress page, its charts, tables and files."""

import csv
import io
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.counting import breakdowns
from petitions.crypto import tokens
from petitions.models import (
    ABROAD,
    Petition,
    Region,
    Signature,
    Snapshot,
    SnapshotPart,
)
from petitions.publishing import organisation
from tests.course import (
    API,
    DAY,
    FIGURES,
    FIVE,
    NIGHT,
    PAGE,
    PAGES,
    TODAY,
    add,
    lived,
    read,
    section,
    series,
)
from tests.people import sign


def charts_of(page: str) -> dict[str, ET.Element]:
    """Every chart by its name, parsed as XML."""
    found = re.findall(r'<svg class="chart .*?</figure>', page, re.DOTALL)
    parsed = [ET.fromstring(svg.removesuffix("</figure>")) for svg in found]  # noqa: S314 - ours
    return {svg.attrib["aria-labelledby"].split("-")[0]: svg for svg in parsed}


def table(page: str, name: str) -> list[list[str]]:
    """The cells of a section's table, row by row."""
    rows = re.findall(r"<tr>(.*?)</tr>", section(page, name), re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def test_days_and_regions_are_shown_as_charts_and_tables(
    petition: Petition, client: Client
) -> None:
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
        # Signatures from before the total reached 25 are in the first published line.
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
        (PAGE, ["1,284", "19 June 2026", "rounded to the nearest 5", "no number here obliges"]),
        ("/ar" + PAGE, ["1,284", "19 حزيران/يونيو 2026", "خارج المملكة المتحدة", 'dir="rtl"']),
        ("/cy" + PAGE, ["1,284", "19 Mehefin 2026", "Y tu allan i’r DU", 'lang="cy"']),
    ],
)
def test_the_page_is_in_the_language_of_its_url(
    petition: Petition, client: Client, path: str, words: list[str]
) -> None:
    lived(petition, 40, 1284)
    add(petition, ABROAD, 1284)
    page = read(client, path)
    for word in words:
        assert word in page


def test_charts_run_from_right_to_left_in_arabic(petition: Petition, client: Client) -> None:
    lived(petition, 40, 1284)
    for path, runs_right in ((PAGE, True), ("/ar" + PAGE, False)):
        chart = charts_of(read(client, path))["totals"]
        first, last = (float(rect.attrib["x"].rstrip("%")) for rect in chart.iter("rect"))
        assert (first < last) is runs_right


@pytest.mark.parametrize("n", [0, 1, 24])
def test_below_25_signatures_the_page_shows_neither_days_nor_a_progress_bar(
    petition: Petition, client: Client, n: int
) -> None:
    if n:
        add(petition, ABROAD, n)
    breakdowns.take_snapshots(NIGHT)
    page = read(client, PAGE)

    assert f'<strong class="count-number">{n}</strong>' in page
    assert "Days are shown from the first one that ended with 25 signatures" in page
    assert "<svg" not in page
    assert "<progress" not in page
    assert "The goal is a milestone only." not in page
    told = series(client)
    assert (told["days"], told["regions"]["shares"]) == ([], [])


def test_before_the_first_snapshot_the_page_shows_the_count_and_goal(
    petition: Petition, client: Client
) -> None:
    add(petition, ABROAD, 30)
    page = read(client, PAGE)
    assert '<progress value="30" max="100"' in page
    assert "<svg" not in page


def test_the_progress_of_drafts_is_404_and_of_removed_petitions_410(
    petition: Petition, client: Client
) -> None:
    everything = (*PAGES, *FIGURES)
    Petition.objects.update(state=Petition.State.DRAFT)
    assert {client.get(path).status_code for path in everything} == {404}
    Petition.objects.update(state=Petition.State.REMOVED, removed_reason="Asked to")
    assert {client.get(path).status_code for path in everything} == {410}
    assert "Asked to" in client.get(PAGE).content.decode()
    assert client.get("/petitions/other/progress/").status_code == 404


def test_a_long_time_series_is_downsampled_so_that_the_page_stays_small(
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
    assert 20 < len(rows) <= breakdowns.MAX_SPANS + 1
    assert len(series(client)["days"]) == days
    changes = [int(row[2].replace(",", "")) for row in rows]
    assert sum(changes) == 100_000
    assert len(page.encode()) < 60_000


@pytest.mark.parametrize("path", [*PAGES, *FIGURES])
def test_progress_pages_make_few_queries_uncached_and_none_cached(
    petition: Petition, settings: Any, path: str
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    costs: list[int] = []
    for n in (30, 9_000_000):
        add(petition, ABROAD, n)
        breakdowns.take_snapshots(NIGHT + len(costs) * DAY)
        organisation.invalidate()
        client = Client()
        with CaptureQueriesContext(connection) as cold:
            client.get(path)
        with CaptureQueriesContext(connection) as warm:
            client.get(path)
        assert len(warm) == 0
        assert not [q["sql"] for q in cold if '"petitions_signature"' in q["sql"]]
        costs.append(len(cold))
    assert costs[0] == costs[1] <= 6


def test_responses_are_public_and_revalidated_by_etag(petition: Petition, settings: Any) -> None:
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


def test_other_origins_can_read_the_figures_as_json_and_csv(
    petition: Petition, client: Client
) -> None:
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


def test_the_petition_and_the_thank_you_page_link_to_the_progress_page(
    petition: Petition, client: Client
) -> None:
    for home in ("", "/ar", "/cy"):
        assert f'href="{home}{PAGE}"' in read(client, f"{home}/petitions/protect/")
    signature_id = sign(petition)
    link = f"/t/en/confirm/{tokens.link(tokens.CONFIRM, signature_id, 0)}/"
    assert f'href="{PAGE}"' in client.post(link).content.decode()


def test_sample_signatures_have_a_consistent_time_series(
    petition: Petition, client: Client
) -> None:
    call_command("seed_signatures", petition.slug, 400, days=10)
    spans = breakdowns.statistics_of(petition).spans
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
