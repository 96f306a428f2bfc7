"""What the thank-you page says of the place where a signature counts."""

from functools import lru_cache
from urllib.parse import urlencode

from django.template.loader import render_to_string
from django.utils.translation import get_language

from petitions.geography import known
from petitions.models import UNKNOWN, Place

_MEMBERS = "https://members.parliament.uk"


def as_html(place_id: str) -> str:
    """Where a signature counts, and how to write to the MP there; it costs no query.

    The link to Parliament's site bears the constituency's name, which is no secret of anybody.
    """
    place = known.place(place_id)
    language = get_language()
    if place is None or place.kind != Place.Kind.CONSTITUENCY:
        return _rendered(language, place.kind if place else UNKNOWN, "", "")
    return _rendered(language, place.kind, place.name_in(language), place.name)


def forget() -> None:
    """Render everything afresh next time."""
    _rendered.cache_clear()


@lru_cache(maxsize=2048)
def _rendered(language: str, kind: str, name: str, english: str) -> str:
    """One for each place and language: less than a thousand of them are ever asked for twice."""
    # Parliament's search knows the English names.
    search = f"/members/Commons?{urlencode({'SearchText': english})}" if english else "/FindYourMP"
    home = {
        "kind": kind,
        "name": name,
        "name_language": "en" if name == english else language,
        "mp": _MEMBERS + search,
    }
    return render_to_string("petitions/_home.html", home)
