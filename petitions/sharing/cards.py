"""Share images (Open Graph), badges, posters and leaflets of petitions, in the active language."""

import base64
import io
import logging
from pathlib import Path
from typing import Any

import segno
from django.conf import settings
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from petitions.counting import goals, sources
from petitions.formatting.languages import day, direction, grouped
from petitions.formatting.sanitising import legible
from petitions.models import Petition, PetitionText
from petitions.publishing import logo
from petitions.publishing.organisation import organisation as whose
from petitions.sharing import typesetting

logger = logging.getLogger(__name__)

WIDTH, HEIGHT = 1200, 630
BADGE_HEIGHT = 32
# Pixels of a badge's letter at 14 px, generous because readers' fonts are unknown, and of a margin.
_LETTER, _MARGIN = 8, 10
# The longest word that fits on a line in the smallest font size of the card.
_MAX_WORD = 24
_BREAK = "\u200b"


def card(text: PetitionText, *, count: int, organisation: str) -> bytes:
    """Return a petition's share image (PNG, 1200 x 630), or the plain one if typesetting fails.

    Raises `typesetting.Busy`: sites that fetched the plain image at that moment would keep it.
    """
    words = {
        **_shared_inputs(text, organisation),
        **_support(text.petition, count),
        "organisation": _safe(organisation),
    }
    try:
        return typesetting.png("card.typ", words)
    except typesetting.Busy:
        raise
    except Exception:  # noqa: BLE001 - whatever it is, a link without a picture is worse
        # Only the slug is logged: an error of typst could quote the text.
        logger.error("the share image of %s could not be set", text.petition.slug)  # noqa: TRY400
        return (Path(settings.BASE_DIR) / "static" / "img" / "share.png").read_bytes()


def badge(text: PetitionText, *, count: int) -> dict[str, Any]:
    """Return template context for a petition's badge in the active language: text and geometry.

    Sizes are in pixels. Two fields stand side by side with centred text. The second may be empty.
    """
    language = get_language() or "en"
    label = _call(text.petition)
    # As on share images, a small count is not shown: nobody likes to be the first.
    is_shown = count >= goals.LEAST_FOR_A_BAR
    value = f"{grouped(count)} {ngettext('signature', 'signatures', count)}" if is_shown else ""
    label_width = len(label) * _LETTER + 2 * _MARGIN
    value_width = len(value) * _LETTER + 2 * _MARGIN if value else 0
    is_rtl = direction(language) == "rtl"
    label_at, value_at = (value_width, 0) if is_rtl else (0, label_width)
    return {
        "title": f"{legible(text.title)}: {value or label}",
        "language": language,
        "direction": direction(language),
        "label": label,
        "value": value,
        "width": label_width + value_width,
        "height": BADGE_HEIGHT,
        "label_at": label_at,
        "label_width": label_width,
        "label_middle": label_at + label_width // 2,
        "value_at": value_at,
        "value_width": value_width,
        "value_middle": value_at + value_width // 2,
    }


def poster(text: PetitionText, *, organisation: str) -> bytes:
    """Return a poster of a petition with a QR code, as PDF in A4."""
    return typesetting.pdf("poster.typ", _print_inputs(text, organisation, "poster"))


def leaflets(text: PetitionText, *, organisation: str) -> bytes:
    """Return a sheet of four leaflets of a petition, as PDF in A4."""
    return typesetting.pdf("leaflets.typ", _print_inputs(text, organisation, "leaflet"))


def mark() -> str:
    return (Path(settings.BASE_DIR) / "static" / "img" / "favicon.svg").read_text()


def _own_mark() -> str:
    """Return the organisation's logo on white as SVG, at most 2:1, or else the site's logo."""
    of = whose()
    content = logo.find(of.logo_hash) if of.logo_hash else None
    if content is None:
        return mark()
    edge = of.logo_height // 10
    width, height = min(of.logo_width, 2 * of.logo_height), of.logo_height
    picture = base64.b64encode(content).decode()
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {width + 2 * edge} {height + 2 * edge}">'
        '<rect width="100%" height="100%" fill="#fff"/>'
        f'<image x="{edge}" y="{edge}" width="{width}" height="{height}" '
        f'href="data:image/png;base64,{picture}"/></svg>'
    )


def qr_code(address: str) -> str:
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(out, kind="svg", border=2, dark="#1b262d")
    return out.getvalue().decode()


def _shared_inputs(text: PetitionText, organisation: str) -> dict[str, str]:
    """Return the template inputs that cards, posters and leaflets share."""
    language, named = get_language() or settings.LANGUAGE_CODE, {"addressee": text.addressee}
    kicker = _("A petition to %(addressee)s") % named
    if organisation:
        kicker = _("A petition to %(addressee)s from %(name)s") % {**named, "name": organisation}
    return {
        "mark": _own_mark(),
        "language": language,
        "direction": direction(language),
        "text-language": text.language,
        "text-direction": direction(text.language),
        "title": _safe(text.title),
        "kicker": _safe(kicker),
    }


def _support(petition: Petition, count: int) -> dict[str, str]:
    """Return the count and its share of the goal, or a call to action if the count is too small."""
    if count >= goals.LEAST_FOR_A_BAR:
        share = count / goals.goal_for(count, petition.goal)
        unit = ngettext("signature", "signatures", count)
        # A missed goal is not shown once it is closed.
        shown = {} if petition.has_closed else {"share": f"{share:.2f}"}
        return {"count": grouped(count), "unit": unit, **shown}
    if petition.is_announced() and petition.opens_at:
        return {"call": _("Opens for signatures on %(day)s") % {"day": day(petition.opens_at)}}
    return {"call": _("Read and sign the petition")} if petition.is_accepting() else {}


def _call(petition: Petition) -> str:
    if petition.is_accepting():
        return _("Sign the petition")
    if petition.is_announced():
        return _("This petition is not open yet")
    return _("Signing is paused") if petition.is_interrupted else _("This petition is closed")


def _print_inputs(text: PetitionText, organisation: str, channel: str) -> dict[str, str]:
    footer = _("This is not a Government site.")
    if organisation:
        named = {"name": organisation}
        footer = _("This site is run by %(name)s. It is not a Government site.") % named
    return {
        **_shared_inputs(text, organisation),
        "organisation": _safe(organisation),
        "ask": _safe(text.ask),
        "call": _("This petition is closed. Scan to read it")
        if text.petition.has_closed
        else _("Scan with a phone to read and sign"),
        # Only the QR code contains the source's code: a URL to type from paper should be short.
        "code": qr_code(sources.address(text.petition, channel)),
        "address": _safe(sources.address(text.petition).partition("://")[2]),
        "footer": _safe(footer),
    }


def _safe(words: str) -> str:
    """Return sanitised text for a template: no control characters, no overlong unbreakable word."""

    def breakable(word: str) -> str:
        starts = range(0, len(word), _MAX_WORD)
        return _BREAK.join(word[start : start + _MAX_WORD] for start in starts)

    return " ".join(map(breakable, legible(words).split()))
