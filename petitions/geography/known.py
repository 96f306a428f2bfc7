"""What each process knows by heart: the places, and of which month the postcodes are.

The thank-you page and the form ask for it at every turn, and it changes once a year.
"""

from datetime import date
from typing import NamedTuple

from petitions.infra.ttl_cache import Kept
from petitions.models import Place, PlaceFile

_SECONDS = 300.0
# A place that is not known by heart may have come a moment ago.
_SECONDS_IF_MISSED = 5.0


class _Gazetteer(NamedTuple):
    places: dict[str, Place]
    postcodes_of: date | None


_known: Kept[None, _Gazetteer] = Kept()


def place(code: str) -> Place | None:
    """A place by its code, as it was at most five minutes ago."""
    found = _known.get(None, _SECONDS, _read).places.get(code)
    return found or _known.get(None, _SECONDS_IF_MISSED, _read).places.get(code)


def postcodes_of() -> date | None:
    """The month of the postcodes that were imported last, as its first day; None without any."""
    return _known.get(None, _SECONDS, _read).postcodes_of


def forget() -> None:
    """Read everything afresh next time."""
    _known.forget()


def _read() -> _Gazetteer:
    newest = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    edition = newest.edition if newest else None
    return _Gazetteer(Place.objects.in_bulk(), edition)
