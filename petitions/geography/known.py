"""In-process TTL cache of all places and of the postcode file's edition.

The thank-you page and the form need them in every request, and they change once a year.
"""

from datetime import date
from typing import NamedTuple

from petitions.infra.ttl_cache import TTLCache
from petitions.models import Place, PlaceFile

_SECONDS = 300.0
# After a cache miss the place may have been imported just now, so a younger cache is wanted.
_SECONDS_IF_MISSED = 5.0


class _Gazetteer(NamedTuple):
    places: dict[str, Place]
    postcodes_of: date | None


_known: TTLCache[None, _Gazetteer] = TTLCache()


def place(code: str) -> Place | None:
    """Return a place by its code, at most five minutes old, or None."""
    found = _known.get_or_set(None, _SECONDS, _read).places.get(code)
    return found or _known.get_or_set(None, _SECONDS_IF_MISSED, _read).places.get(code)


def postcodes_of() -> date | None:
    """Return the first day of the month of the newest postcode edition, or None without any."""
    return _known.get_or_set(None, _SECONDS, _read).postcodes_of


def _read() -> _Gazetteer:
    newest = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    edition = newest.edition if newest else None
    return _Gazetteer(Place.objects.in_bulk(), edition)
