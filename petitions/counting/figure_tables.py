"""Labelled tables of a petition's figures for organisers: four queries, whatever its size."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone

from petitions.counting import figures, sources
from petitions.counting.figures import STEP
from petitions.crypto import vault
from petitions.identity import residence
from petitions.models import Decision, Figures, Petition, Place, Region, Signature
from petitions.models.counts import round_down

Cell = str | int
# Nations by the first letter of the code of a place or region.
_NATIONS = {"E": "England", "W": "Wales", "S": "Scotland", "N": "Northern Ireland"}
_COLUMNS = ("rank", "constituency", "region", "nation", "code", "signatures")
_STATES = {
    Signature.State.CONFIRMED: "counted",
    Signature.State.HELD: f"on hold, waiting for a moderator, in steps of {STEP}",
    Signature.State.PENDING: f"mailboxes that wait for confirmation, about, in steps of {STEP}",
    Signature.State.REMOVED: "removed by a moderator, once confirmed",
    Signature.State.WITHDRAWN: f"withdrawn by the signer, in steps of {STEP}",
}


@dataclass(frozen=True)
class Table:
    """A table of counts, exported as the file `name`. In its rows, counts are numbers."""

    name: str
    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""


class Seat(NamedTuple):
    """One row of the constituencies. The largest has `rank` 1, and equal counts share a rank."""

    rank: int
    name: str
    region: str
    nation: str
    code: str
    n: int


@dataclass(frozen=True)
class Report:
    """The tables of one petition, as of `counted_at`. `seats` are ordered by rank."""

    counted_at: datetime
    total: int
    seats: tuple[Seat, ...]
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)


def report(petition: Petition) -> Report | None:
    """Return all tables of a petition, or None if it has never been counted."""
    row = Figures.objects.filter(petition=petition).first()
    if row is None:
        return None
    places = list(Place.objects.all())
    seats = tuple(_seats(places, row.counts["place"]))
    tables = (
        Table("constituencies", "Constituencies", _COLUMNS, seats),
        *_places(places, row.counts["place"]),
        *_others(row.counts),
        *_sealed_tables(row),
        _sources(petition),
    )
    total = row.counts["state"].get(Signature.State.CONFIRMED, 0)
    return Report(row.counted_at, total, seats, tables)


def _seats(places: Sequence[Place], counts: Mapping[str, int]) -> Iterator[Seat]:
    """Yield constituencies by rank. After two in second place comes the fourth, as in a race."""
    seats = [place for place in places if place.kind == Place.Kind.CONSTITUENCY]
    seats.sort(key=lambda place: (-counts.get(place.code, 0), place.name))
    rank, before = 0, -1
    for number, place in enumerate(seats, 1):
        n = counts.get(place.code, 0)
        if n != before:
            rank, before = number, n
        yield Seat(rank, place.name, _region(place), _nation(place), place.code, n)


def _region(place: Place) -> str:
    return str(Region(place.region).label) if place.region else ""


def _nation(place: Place) -> str:
    return _NATIONS.get((place.region or place.code)[0], "")


def _places(places: Sequence[Place], counts: Mapping[str, int]) -> Iterator[Table]:
    """Yield the sums by region and by nation. Each table has all places, and sums to the total."""
    for name, title, head, part in (
        ("regions", "Regions", "region", _region),
        ("nations", "Nations", "nation", _nation),
    ):
        sums: dict[str, int] = {}
        for place in places:
            is_seat = place.kind == Place.Kind.CONSTITUENCY
            label = (part(place) or "not known") if is_seat else str(place)
            sums[label] = sums.get(label, 0) + counts.get(place.code, 0)
        yield Table(name, title, (head, "signatures"), _largest_first(sums))


def _others(counts: Mapping[str, Mapping[str, int]]) -> Iterator[Table]:
    """Yield the tables whose keys are not places."""
    days = [(day, n) for day, n in sorted(counts["day"].items(), reverse=True)]
    yield Table("days", "Days", ("confirmed on", "signatures"), days)
    versions = [
        (int(key), n) for key, n in sorted(counts["version"].items(), key=lambda v: int(v[0]))
    ]
    yield Table("text-versions", "Versions of the text", ("version", "signatures"), versions)
    uses = [(str(use.label), counts["name_use"].get(use, 0)) for use in Signature.NameUse]
    yield Table("name-use", "What signers allow for their name", ("choice", "signatures"), uses)
    states = dict(counts["state"])
    # An organiser's rule can hold one address: an exact number would tell when that one confirms,
    # and when it withdraws, which the public total does not tell of what is on hold.
    for state in (Signature.State.HELD, Signature.State.WITHDRAWN):
        states[state] = round_down(states.get(state, 0), STEP)
    lines = [(label, states.get(state, 0)) for state, label in _STATES.items()]
    yield Table("states", "States", ("state", "signatures"), lines)
    removed = {str(Decision.Reason(reason).label): n for reason, n in counts["removed"].items()}
    yield Table("removed", "Removed, by reason", ("reason", "signatures"), _largest_first(removed))


def _sealed_tables(row: Figures) -> Iterator[Table]:
    """Yield the tables of countries and languages. They come from sealed data, counted daily."""
    try:
        counts = figures.unseal(row)
        note = "Only sealed data has this, so it is counted once a day, soon after midnight."
        if row.sealed_at:
            note = f"{note} Counted on {timezone.localtime(row.sealed_at):%-d %B %Y, %H:%M}."
    except vault.CannotOpen:
        counts, note = {}, "The key with which these counts were sealed is missing."
    languages = dict(settings.LANGUAGES)
    for name, title, head, table, label in (
        ("countries", "Countries", "country", "country", _country),
        ("languages", "Languages", "language", "language", lambda code: languages.get(code, "")),
    ):
        sums = {label(code) or "not known": n for code, n in counts.get(table, {}).items()}
        yield Table(name, title, (head, "signatures"), _largest_first(sums), note)


def _country(code: str) -> str:
    return residence.country_name(code, "en") if code else ""


def _sources(petition: Petition) -> Table:
    rows = [(str(one.source), one.at_least) for one in sources.counts(petition)]
    note = (
        f"As of midnight in UTC, in steps of {sources.LEAST_SHOWN}, rounded down, each shown up to "
        f"{sources.LEAST_SHOWN - 1} late: exact numbers would let somebody who registers a partner "
        "find out about one person."
    )
    return Table("sources", "Partners and channels", ("source", "at least"), rows, note)


def _largest_first(sums: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))
