"""Share images (Open Graph), posters and leaflets, typeset by typst and cached."""

import io
import logging
from functools import cache, lru_cache
from pathlib import Path

import segno
from django.conf import settings
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from petitions.counting import goals, sources
from petitions.formatting.languages import day, direction, grouped
from petitions.models import Petition, PetitionText
from petitions.sharing import typesetting
from petitions.sharing.legible import legible

logger = logging.getLogger(__name__)

WIDTH, HEIGHT = 1200, 630
# The longest run of letters that fits on a line in the smallest size of the card.
_LONGEST_WORD = 24
_BREAK = "\u200b"

# A template and its inputs: the key of the caches.
Job = tuple[str, tuple[tuple[str, str], ...]]


def card(text: PetitionText, *, count: int, organisation: str) -> bytes:
    """The share image of a petition in the active language: PNG, 1200 x 630.

    Rendered again only when something in it has changed. If that fails, a plain image without words
    stands in for it.
    """
    words = {
        **_both(text, organisation),
        **_support(text.petition, count),
        "organisation": _text(organisation),
    }
    try:
        return _picture(_job("card.typ", words))
    except Exception:  # noqa: BLE001 - whatever it is, a link without a picture is worse
        # The slug alone: what typst says could quote the words.
        logger.error("the share image of %s could not be set", text.petition.slug)  # noqa: TRY400
        return plain()


def poster(text: PetitionText, *, organisation: str) -> bytes:
    """A poster of a petition in the active language, with a QR code: PDF, A4."""
    return _paper(_job("poster.typ", _on_paper(text, organisation, "poster")))


def leaflets(text: PetitionText, *, organisation: str) -> bytes:
    """A sheet of four leaflets of a petition in the active language: PDF, A4."""
    return _paper(_job("leaflets.typ", _on_paper(text, organisation, "leaflet")))


@cache
def plain() -> bytes:
    """The fallback share image."""
    return (Path(settings.BASE_DIR) / "static" / "img" / "share.png").read_bytes()


@cache
def mark() -> str:
    """The site's logo, as SVG."""
    return (Path(settings.BASE_DIR) / "static" / "img" / "favicon.svg").read_text()


def _both(text: PetitionText, organisation: str) -> dict[str, str]:
    """Template inputs that all of these share."""
    language = get_language() or settings.LANGUAGE_CODE
    kicker = _("A petition to %(addressee)s") % {"addressee": text.addressee}
    if organisation:
        kicker = _("A petition to %(addressee)s from %(name)s") % {
            "addressee": text.addressee,
            "name": organisation,
        }
    return {
        "mark": mark(),
        "language": language,
        "direction": direction(language),
        "text-language": text.language,
        "text-direction": direction(text.language),
        "title": _text(text.title),
        "kicker": _text(kicker),
    }


def _support(petition: Petition, count: int) -> dict[str, str]:
    """The count and its share of the goal; while it is too small to show, a call to action."""
    if count >= goals.LEAST_FOR_A_BAR:
        share = count / goals.goal_for(count, petition.goal)
        unit = ngettext("signature", "signatures", count)
        return {"count": grouped(count), "unit": unit, "share": f"{share:.2f}"}
    if petition.is_announced() and petition.opens_at:
        return {"call": _("Opens for signatures on %(day)s") % {"day": day(petition.opens_at)}}
    return {"call": _("Read and sign the petition")} if petition.is_accepting() else {}


def _on_paper(text: PetitionText, organisation: str, channel: str) -> dict[str, str]:
    address = sources.address(text.petition)
    footer = _("This is not a Government site.")
    if organisation:
        footer = _("This site is run by %(name)s. It is not a Government site.") % {
            "name": organisation
        }
    return {
        **_both(text, organisation),
        "organisation": _text(organisation),
        "ask": _text(text.ask),
        "call": _("Scan with a phone to read and sign"),
        # Only the QR code has the source's code: a URL that is typed from paper should be short.
        "code": qr_code(sources.address(text.petition, channel)),
        "address": _text(address.partition("://")[2]),
        "footer": _text(footer),
    }


def qr_code(address: str) -> str:
    """A QR code of a URL, as SVG."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(out, kind="svg", border=2, dark="#1b262d")
    return out.getvalue().decode()


def _text(words: str) -> str:
    """Sanitised text for a template: no control characters, and no run without a break."""
    return " ".join(map(_breakable, legible(words).split()))


def _breakable(word: str) -> str:
    if len(word) <= _LONGEST_WORD:
        return word
    starts = range(0, len(word), _LONGEST_WORD)
    return _BREAK.join(word[start : start + _LONGEST_WORD] for start in starts)


def _job(template: str, words: dict[str, str]) -> Job:
    return template, tuple(sorted(words.items()))


@lru_cache(maxsize=50)
def _picture(job: Job) -> bytes:
    template, words = job
    return typesetting.png(template, dict(words))


@lru_cache(maxsize=20)
def _paper(job: Job) -> bytes:
    template, words = job
    return typesetting.pdf(template, dict(words))
