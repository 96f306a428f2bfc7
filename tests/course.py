"""Helpers for progress statistics: make snapshots of past days, and read the pages about them."""

import json
import re
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.test import Client

from petitions.counting import tallies
from petitions.models import (
    ABROAD,
    Petition,
    Place,
    Region,
    Snapshot,
    SnapshotPart,
)

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
# Neither London nor Wales, which the tests use otherwise.
SIX = (*FIVE, Region.EAST)


def add(petition: Petition, place: str, n: int) -> None:
    """Move the tally as confirming or withdrawing would."""
    tallies.move(petition.pk, {tallies.key_of(place, uuid4()): n})


def lived(petition: Petition, *totals: int, until: date = TODAY - DAY) -> None:
    """Make snapshots of days with these totals, nearly all abroad, all with published shares."""
    for age, total in enumerate(reversed(totals)):
        snapshot = Snapshot.objects.create(petition=petition, day=until - age * DAY, total=total)
        SnapshotPart.objects.create(snapshot=snapshot, group=ABROAD, n=total, shown=total)
        for region in FIVE:
            SnapshotPart.objects.create(snapshot=snapshot, group=region, n=25, shown=25)


def spread(petition: Petition, constituencies: dict[str, Place], n: int = 30) -> None:
    """Add `n` signatures in each of as many regions as must have some for any to be published."""
    for region in SIX:
        add(petition, constituencies[region].code, n)


def taken(petition: Petition) -> dict[date, dict[str, int]]:
    """The snapshot of each day, without zeros."""
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


def section(page: str, name: str) -> str:
    """One part of the page by the name of its heading."""
    part = rf'<section aria-labelledby="{name}-heading">.*?</section>'
    (found,) = re.findall(part, page, re.DOTALL)
    return str(found)


def by_region(page: str) -> str:
    """The section of the page about regions."""
    return section(page, "regions")
