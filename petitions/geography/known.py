"""In-process TTL cache of the places and of the edition of the postcode file.

The thank-you page and the form need them at every request, and they change once a year.
"""

from datetime import date
from typing import NamedTuple

from petitions.infra.ttl_cache import TTLCache
from petitions.models import Place, PlaceFile

_SECONDS = 300.0
# A place that is not in the cache may have been imported a moment ago.
_SECONDS_IF_MISSED = 5.0


class _Gazetteer(NamedTuple):
    places: dict[str, Place]
    postcodes_of: date | None


_known: TTLCache[None, _Gazetteer] = TTLCache()


def place(code: str) -> Place | None:
    """A place by its code, at most five minutes old; None if there is none."""
    found = _known.get_or_set(None, _SECONDS, _read).places.get(code)
    return found or _known.get_or_set(None, _SECONDS_IF_MISSED, _read).places.get(code)


def postcodes_of() -> date | None:
    """The edition of the last postcode import: the first day of its month; None without any."""
    return _known.get_or_set(None, _SECONDS, _read).postcodes_of


def _read() -> _Gazetteer:
    newest = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    edition = newest.edition if newest else None
    return _Gazetteer(Place.objects.in_bulk(), edition)
