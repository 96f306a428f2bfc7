"""Embed codes for partners' sites: a link, a badge and a frame, and oEmbed.

The frame (iframe) runs no script, sets no cookie and has no form: people sign on this site. Only
sites that a partner registered may show it. The badge and the link work anywhere.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.urls import Resolver404, resolve, reverse
from django.utils import translation
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from petitions.counting import sources
from petitions.formatting.sanitising import legible
from petitions.models import Petition, PetitionText, Source
from petitions.sharing import cards
from petitions.sharing.heads import absolute, image_of

# The frame's size in pixels.
WIDTH, HEIGHT = 480, 320
MIN_WIDTH = 240
_CACHE_AGE = 3600
_MAX_URL = 2048


@cache
def style() -> SafeString:
    """Return the frame's inline style sheet, so that the frame needs only one response."""
    sheet = Path(settings.BASE_DIR) / "static" / "css" / "embed.css"
    return mark_safe(sheet.read_text(encoding="utf-8"))  # noqa: S308 - a file of ours


def frame_policy(partner: Source) -> str:
    """Return the frame's Content-Security-Policy: its own style sheet and `frame-ancestors` only.

    `'self'` is allowed for the partner's page on this site. Without sites there is no frame.
    """
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    ancestors = " ".join(["'self'", *partner.origins])
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {ancestors}"
    )


def frame_url(petition: Petition, partner: Source) -> str:
    """Return the frame's absolute URL in the active language."""
    return absolute(reverse("sharing:frame", args=[partner.code, petition.slug]))


def _iframe(text: PetitionText, partner: Source, *, width: int) -> SafeString:
    """Return the `iframe` element. With `no-referrer` it does not learn which page embeds it."""
    return format_html(
        '<iframe src="{}" title="{}" width="{}" height="{}" loading="lazy" '
        'referrerpolicy="no-referrer" style="border:0;max-width:100%"></iframe>',
        frame_url(text.petition, partner),
        legible(text.title),
        width,
        HEIGHT,
    )


def snippets(text: PetitionText, partner: Source) -> dict[str, Any]:
    """Return template context with a petition's embed codes for a partner in the active language.

    Every URL is absolute, and uses https if this site does.
    """
    link = sources.address(text.petition, partner.code)
    call = _("Read and sign: %(title)s") % {"title": legible(text.title)}
    badge = absolute(reverse("sharing:badge", args=[text.petition.slug]))
    image = format_html('<img src="{}" alt="{}" height="{}">', badge, call, cards.BADGE_HEIGHT)
    return {
        "text": text,
        "link": link,
        "link_html": format_html('<a href="{}">{}</a>', link, call),
        "badge_html": format_html('<a href="{}">{}</a>', link, image),
        "frame_html": _iframe(text, partner, width=WIDTH),
    }


@dataclass(frozen=True)
class ParsedURL:
    """A parsed URL: a petition's slug, the language, and the partner's code in it."""

    slug: str
    language: str
    code: str


def parse_url(address: str) -> ParsedURL | None:
    """Parse a URL of a petition's page or frame on this site. Return None for any other URL."""
    if len(address) > _MAX_URL:
        return None
    try:
        parts, ours = urlsplit(address), urlsplit(settings.SITE_URL)
        if parts.scheme not in {"http", "https"} or parts.netloc.lower() != ours.netloc.lower():
            return None
        language = translation.get_language_from_path(parts.path) or settings.LANGUAGE_CODE
        with translation.override(language):
            match = resolve(parts.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    except (ValueError, Resolver404):
        return None
    if match.view_name == "petitions:petition":
        return ParsedURL(match.kwargs["slug"], language, sources.read(query))
    if match.view_name == "sharing:frame":
        return ParsedURL(match.kwargs["slug"], language, match.kwargs["code"])
    return None


def oembed(
    text: PetitionText, partner: Source | None, *, organisation: str, width: int, height: int
) -> dict[str, Any]:
    """Return the oEmbed response for a petition, within a width and height (oembed.com, 2.3.4).

    The type is `rich`, with the frame, for sites of a registered partner if it fits, else `link`.
    """
    answer: dict[str, Any] = {
        "version": "1.0",
        "title": legible(text.title),
        "provider_name": legible(organisation),
        "provider_url": absolute("/"),
        # Seconds. The response contains no count.
        "cache_age": _CACHE_AGE,
    }
    if width >= cards.WIDTH and height >= cards.HEIGHT:
        answer |= {
            "thumbnail_url": image_of(text.petition),
            "thumbnail_width": cards.WIDTH,
            "thumbnail_height": cards.HEIGHT,
        }
    has_room = width >= MIN_WIDTH and height >= HEIGHT
    if partner is None or not partner.origins or not has_room:
        return {"type": "link", **answer}
    width = min(width, WIDTH)
    html = _iframe(text, partner, width=width)
    return {"type": "rich", "html": html, "width": width, "height": HEIGHT, **answer}


def oembed_url(page: str) -> str:
    """Return the URL of a page's oEmbed response, for discovery in the page's head."""
    return f"{absolute(reverse('oembed'))}?{urlencode({'url': page, 'format': 'json'})}"
