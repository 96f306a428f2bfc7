"""What every signing reads and organisers seldom change: kept by each process for a moment."""

import time
from threading import Lock

from django.conf import settings

from petitions import tallies
from petitions.models import Petition, PetitionText

_kept: dict[tuple[str, str], tuple[float, PetitionText]] = {}
_petitions: dict[int, tuple[float, Petition]] = {}
_totals: dict[int, tuple[float, int]] = {}
# Held while a total is read and stored, or somebody who is counted meanwhile would be missing.
_counting = Lock()
_open: dict[None, tuple[float, list[Petition]]] = {}


def text(slug: str, language: str) -> PetitionText | None:
    """The text to show, with its petition, as it was at most `PAGE_CACHE_SECONDS` ago.

    The page that holds the form is as old. Read afresh, it took two fifths of a signing's time.
    """
    kept = _kept.get((slug, language))
    if kept is not None and time.monotonic() < kept[0]:
        return kept[1]
    found = PetitionText.objects.to_show(slug, language)
    if found is not None:
        # What does not exist is not kept, so that made-up addresses fill nothing.
        _kept[slug, language] = (time.monotonic() + settings.PAGE_CACHE_SECONDS, found)
    return found


def petition(petition_id: int) -> Petition:
    """A petition as it was at most `PAGE_CACHE_SECONDS` ago."""
    kept = _petitions.get(petition_id)
    if kept is not None and time.monotonic() < kept[0]:
        return kept[1]
    found = Petition.objects.get(pk=petition_id)
    _petitions[petition_id] = (time.monotonic() + settings.PAGE_CACHE_SECONDS, found)
    return found


def accepting() -> list[int]:
    """The petitions that may be signed at this moment, as they were a moment ago."""
    kept = _open.get(None)
    if kept is None or time.monotonic() >= kept[0]:
        found = list(Petition.objects.filter(state=Petition.State.OPEN))
        kept = _open[None] = (time.monotonic() + settings.PAGE_CACHE_SECONDS, found)
    return [petition.pk for petition in kept[1] if petition.is_accepting()]


def total(petition_id: int) -> int:
    """The count as it was at most `PAGE_CACHE_SECONDS` ago, and what `one_more` said since.

    Who commits while it is read may be in it twice until then; nobody is missing.
    """
    with _counting:
        kept = _totals.get(petition_id)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        found = tallies.total(petition_id)
        _totals[petition_id] = (time.monotonic() + settings.PAGE_CACHE_SECONDS, found)
        return found


def one_more(petition_id: int) -> None:
    """Somebody was counted: who is thanked must see themselves in the count."""
    with _counting:
        kept = _totals.get(petition_id)
        if kept is not None:
            _totals[petition_id] = (kept[0], kept[1] + 1)


def forget() -> None:
    """Read everything afresh next time."""
    _kept.clear()
    _petitions.clear()
    _open.clear()
    _totals.clear()
