"""oEmbed provider: what editors of other sites learn about a URL of ours that is pasted there."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.urls import Resolver404, resolve, reverse
from django.utils import translation
from django.utils.http import urlencode

from petitions.counting import sources
from petitions.models import PetitionText, Source
from petitions.sharing import cards, frames, heads
from petitions.sharing.legible import legible

_AN_HOUR = 3600
_ABOUT_AS_LONG = 2048


@dataclass(frozen=True)
class Asked:
    """A parsed URL: the petition that it is about, its language, and the partner's code in it."""

    slug: str
    language: str
    code: str


def asked(address: str) -> Asked | None:
    """Parse a URL of ours: a petition's page or its embed. None for any other."""
    if len(address) > _ABOUT_AS_LONG:
        return None
    try:
        parts = urlsplit(address)
        ours = urlsplit(settings.SITE_URL)
        if parts.scheme not in {"http", "https"} or parts.netloc.lower() != ours.netloc.lower():
            return None
        language = translation.get_language_from_path(parts.path) or settings.LANGUAGE_CODE
        with translation.override(language):
            match = resolve(parts.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    except (ValueError, Resolver404):
        return None
    if match.view_name == "petitions:petition":
        return Asked(match.kwargs["slug"], language, sources.read(query))
    if match.view_name == "sharing:frame":
        return Asked(match.kwargs["slug"], language, match.kwargs["code"])
    return None


def answer(
    text: PetitionText, partner: Source | None, *, organisation: str, width: int, height: int
) -> dict[str, Any]:
    """The oEmbed response for a petition, within a width and height. Source: oembed.com, 2.3.4.

    `rich`, with the embed, for a registered partner's sites, if it has room; else `link`.
    """
    said: dict[str, Any] = {
        "version": "1.0",
        "title": legible(text.title),
        "provider_name": legible(organisation),
        "provider_url": heads.absolute("/"),
        # Seconds. There is no count in it.
        "cache_age": _AN_HOUR,
    }
    if width >= cards.WIDTH and height >= cards.HEIGHT:
        said |= {
            "thumbnail_url": heads.image_of(text.petition),
            "thumbnail_width": cards.WIDTH,
            "thumbnail_height": cards.HEIGHT,
        }
    has_room = width >= frames.LEAST_WIDTH and height >= frames.HEIGHT
    if partner is None or not partner.origins or not has_room:
        return {"type": "link", **said}
    frame = {"width": min(width, frames.WIDTH), "height": frames.HEIGHT}
    return {"type": "rich", "html": frames.as_html(text, partner, **frame), **frame, **said}


def address_about(page: str) -> str:
    """The URL of a page's oEmbed, for discovery in its head."""
    return f"{heads.absolute(reverse('oembed'))}?{urlencode({'url': page, 'format': 'json'})}"
