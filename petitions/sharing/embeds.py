"""What a partner puts on their own site: a frame, a badge, a link; and what oEmbed says of them.

Only the sites that a partner registered may show the frame; the badge and the link may stand
anywhere. None of them runs a script, sets a cookie or has a field: signing happens here.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.db.models import Case, When
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from petitions import goals, sources
from petitions.context import in_language
from petitions.languages import direction, grouped
from petitions.models import Petition, PetitionText, Source
from petitions.sharing import cards, heads
from petitions.sharing.legible import legible

WIDTH, HEIGHT = 480, 320
LEAST_WIDTH = 240
_AN_HOUR = 3600
_ABOUT_AS_LONG = 2048


@cache
def style() -> SafeString:
    """The frame's style sheet, which stands in the page itself: a frame is one answer."""
    sheet = Path(settings.BASE_DIR) / "static" / "css" / "embed.css"
    return mark_safe(sheet.read_text(encoding="utf-8"))  # noqa: S308 - a file of ours


def frame_policy(partner: Source) -> str:
    """The frame's Content-Security-Policy: that one sheet, nothing else, and who may frame it.

    We may ourselves, for the partner's page shows it. Who has registered no site gets no frame.
    """
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    ancestors = " ".join(["'self'", *partner.origins])
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {ancestors}"
    )


def frame_address(petition: Petition, partner: Source) -> str:
    """Where the frame is found, in the active language."""
    return heads.absolute(reverse("sharing:frame", args=[partner.code, petition.slug]))


def badge_address(petition: Petition) -> str:
    """Where the badge is found, in the active language."""
    return heads.absolute(reverse("sharing:badge", args=[petition.slug]))


@dataclass(frozen=True)
class Snippets:
    """What a partner copies for one petition, in the active language."""

    text: PetitionText
    link: str
    link_html: str
    badge_html: str
    frame_html: str
    frame: str
    badge: str


def snippets(text: PetitionText, partner: Source) -> Snippets:
    """HTML for other sites: every address is absolute, and over https where this site is."""
    petition = text.petition
    link = sources.address(petition, partner.code)
    title = legible(text.title)
    return Snippets(
        text=text,
        link=link,
        link_html=format_html(
            '<a href="{}">{}</a>', link, _("Read and sign: %(title)s") % {"title": title}
        ),
        badge_html=format_html(
            '<a href="{}"><img src="{}" alt="{}" height="{}"></a>',
            link,
            badge_address(petition),
            _("Read and sign: %(title)s") % {"title": title},
            BADGE_HEIGHT,
        ),
        frame_html=frame_html(text, partner, width=WIDTH, height=HEIGHT),
        frame=frame_address(petition, partner),
        badge=badge_address(petition),
    )


def texts_to_sign(language: str) -> list[PetitionText]:
    """The text to show of every petition that can be signed now, as on its page; one query."""
    rank = Case(When(language=language, then=0), When(language="en", then=1), default=2)
    texts = PetitionText.objects.filter(
        petition__state=Petition.State.OPEN, published_at__isnull=False
    ).select_related("petition")
    found = texts.order_by("petition_id", rank, "-version").distinct("petition_id")
    return [text for text in found if text.petition.is_accepting(timezone.now())]


def frame_html(text: PetitionText, partner: Source, *, width: int, height: int) -> SafeString:
    """The frame as HTML: it is not even told which page it stands in."""
    return format_html(
        '<iframe src="{}" title="{}" width="{}" height="{}" loading="lazy" '
        'referrerpolicy="no-referrer" style="border:0;max-width:100%"></iframe>',
        frame_address(text.petition, partner),
        legible(text.title),
        width,
        height,
    )


# --- The badge ---------------------------------------------------------------------------

BADGE_HEIGHT = 32
# Rough widths of a letter at 14 px, on the generous side: nobody knows the reader's fonts.
_LETTER, _MARGIN = 8, 10


@dataclass(frozen=True)
class Badge:
    """Two fields side by side, each with its words in the middle; the second may be empty."""

    title: str
    language: str
    direction: str
    label: str
    value: str
    width: int
    height: int
    label_at: int
    label_width: int
    value_at: int
    value_width: int

    @property
    def label_middle(self) -> int:
        return self.label_at + self.label_width // 2

    @property
    def value_middle(self) -> int:
        return self.value_at + self.value_width // 2


def _label(petition: Petition) -> str:
    if petition.is_accepting():
        return _("Sign the petition")
    if petition.is_announced():
        return _("This petition is not open yet")
    return _("Signing is paused") if petition.is_interrupted else _("This petition is closed")


def badge(text: PetitionText, *, count: int) -> Badge:
    """The badge of a petition in the active language."""
    language = translation.get_language() or settings.LANGUAGE_CODE
    label = _label(text.petition)
    # A zero beside a link asks nobody to be the first: as on share images.
    is_telling = count >= goals.LEAST_FOR_A_BAR
    value = f"{grouped(count)} {ngettext('signature', 'signatures', count)}" if is_telling else ""
    label_width, value_width = _width(label), _width(value) if value else 0
    is_rtl = direction(language) == "rtl"
    return Badge(
        title=f"{legible(text.title)}: {value or label}",
        language=language,
        direction=direction(language),
        label=label,
        value=value,
        width=label_width + value_width,
        height=BADGE_HEIGHT,
        label_at=value_width if is_rtl else 0,
        label_width=label_width,
        value_at=0 if is_rtl else label_width,
        value_width=value_width,
    )


def _width(words: str) -> int:
    return len(words) * _LETTER + 2 * _MARGIN


# --- oEmbed ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """The petition that an address is about, its language, and the partner whose code it has."""

    slug: str
    language: str
    code: str


def asked(address: str) -> Asked | None:
    """What an address of ours is about: a petition's page or its frame. None for any other."""
    if len(address) > _ABOUT_AS_LONG:
        return None
    try:
        parts = urlsplit(address)
        ours = urlsplit(settings.SITE_URL)
        if parts.scheme not in {"http", "https"} or parts.netloc.lower() != ours.netloc.lower():
            return None
        with translation.override(settings.LANGUAGE_CODE):
            match = resolve(in_language(parts.path, settings.LANGUAGE_CODE))
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    except (ValueError, Resolver404):
        return None
    language = next(
        (code for code, _name in settings.LANGUAGES if parts.path.startswith(f"/{code}/")),
        settings.LANGUAGE_CODE,
    )
    if match.view_name == "petitions:petition":
        return Asked(match.kwargs["slug"], language, sources.read(query))
    if match.view_name == "sharing:frame":
        return Asked(match.kwargs["slug"], language, match.kwargs["code"])
    return None


def oembed(
    text: PetitionText, partner: Source | None, *, organisation: str, width: int, height: int
) -> dict[str, Any]:
    """What oEmbed says of a petition, within a width and height. Source: oembed.com, 2.3.4.

    A frame for the sites of a registered partner, if it has room; else a link with a picture.
    """
    said: dict[str, Any] = {
        "version": "1.0",
        "title": legible(text.title),
        "provider_name": legible(organisation),
        "provider_url": heads.absolute("/"),
        # There is no count in it.
        "cache_age": _AN_HOUR,
    }
    if width >= cards.WIDTH and height >= cards.HEIGHT:
        said |= {
            "thumbnail_url": heads.image_of(text.petition),
            "thumbnail_width": cards.WIDTH,
            "thumbnail_height": cards.HEIGHT,
        }
    if partner is None or not partner.origins or width < LEAST_WIDTH or height < HEIGHT:
        return {"type": "link", **said}
    width = min(width, WIDTH)
    html = frame_html(text, partner, width=width, height=HEIGHT)
    return {"type": "rich", "html": html, "width": width, "height": HEIGHT, **said}


def oembed_address(address: str) -> str:
    """Where a page's oEmbed is found, for its head."""
    return f"{heads.absolute(reverse('oembed'))}?{urlencode({'url': address, 'format': 'json'})}"
