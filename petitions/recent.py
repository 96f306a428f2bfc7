"""What every signing reads and organisers seldom change: kept by each process for a moment."""

import time

from django.conf import settings

from petitions.models import PetitionText

_kept: dict[tuple[str, str], tuple[float, PetitionText]] = {}


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
