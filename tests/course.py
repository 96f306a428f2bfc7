"""How a petition goes: days that passed, and what its pages and addresses tell of them."""

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
# Neither London nor Wales, of which the tests tell.
SIX = (*FIVE, Region.EAST)


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


def section(page: str, name: str) -> str:
    """One part of the page by the name of its heading."""
    part = rf'<section aria-labelledby="{name}-heading">.*?</section>'
    (found,) = re.findall(part, page, re.DOTALL)
    return str(found)


def by_region(page: str) -> str:
    """The part of the page that tells of regions."""
    return section(page, "regions")
