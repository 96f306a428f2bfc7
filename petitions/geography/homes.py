"""The thank-you page's paragraph about the place where a signature counts."""

from functools import lru_cache
from urllib.parse import urlencode

from django.template.loader import render_to_string
from django.utils.translation import get_language

from petitions.geography import known
from petitions.models import UNKNOWN, Place

_MEMBERS = "https://members.parliament.uk"


def as_html(place_id: str) -> str:
    """HTML with the place where a signature counts, and how to write to the MP there; no query.

    The link to Parliament's site holds the constituency's name, which identifies nobody.
    """
    place = known.place(place_id)
    language = get_language()
    if place is None or place.kind != Place.Kind.CONSTITUENCY:
        return _rendered(language, place.kind if place else UNKNOWN, "", "")
    return _rendered(language, place.kind, place.name_in(language), place.name)


def invalidate() -> None:
    """Clear the cache of rendered paragraphs."""
    _rendered.cache_clear()


@lru_cache(maxsize=2048)
def _rendered(language: str, kind: str, name: str, english: str) -> str:
    """One entry per place and language: fewer than a thousand are ever asked for twice."""
    # Parliament's search takes the English names.
    search = f"/members/Commons?{urlencode({'SearchText': english})}" if english else "/FindYourMP"
    home = {
        "kind": kind,
        "name": name,
        "name_language": "en" if name == english else language,
        "mp": _MEMBERS + search,
    }
    return render_to_string("petitions/_home.html", home)
