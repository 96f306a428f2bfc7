"""What each process knows by heart: the places, and of which month the postcodes are.

The thank-you page and the form ask for it at every turn, and it changes once a year.
"""

import time
from datetime import date
from typing import NamedTuple

from petitions.models import Place, PlaceFile

_SECONDS = 300.0
# A place that is not known by heart may have come a moment ago.
_SECONDS_IF_MISSED = 5.0


class _Gazetteer(NamedTuple):
    read_at: float
    places: dict[str, Place]
    postcodes_of: date | None


class _Kept:
    gazetteer: _Gazetteer | None = None


def place(code: str) -> Place | None:
    """A place by its code, as it was at most five minutes ago."""
    found = _gazetteer(_SECONDS).places.get(code)
    return found or _gazetteer(_SECONDS_IF_MISSED).places.get(code)


def postcodes_of() -> date | None:
    """The month of the postcodes that were imported last, as its first day; None without any."""
    return _gazetteer(_SECONDS).postcodes_of


def forget() -> None:
    """Read everything afresh next time."""
    _Kept.gazetteer = None


def _gazetteer(age: float) -> _Gazetteer:
    kept = _Kept.gazetteer
    if kept is None or time.monotonic() - kept.read_at > age:
        kept = _Kept.gazetteer = _read()
    return kept


def _read() -> _Gazetteer:
    newest = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    edition = newest.edition if newest else None
    return _Gazetteer(time.monotonic(), Place.objects.in_bulk(), edition)
