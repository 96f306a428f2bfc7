"""The embed (iframe) of a petition, which a registered partner may put on their own sites.

It runs no script, sets no cookie and has no field: signing happens here.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from petitions.models import Petition, PetitionText, Source
from petitions.sharing import heads
from petitions.sharing.legible import legible

WIDTH, HEIGHT = 480, 320
LEAST_WIDTH = 240


@cache
def style() -> SafeString:
    """The embed's inline style sheet: a frame is one response."""
    sheet = Path(settings.BASE_DIR) / "static" / "css" / "embed.css"
    return mark_safe(sheet.read_text(encoding="utf-8"))  # noqa: S308 - a file of ours


def policy(partner: Source) -> str:
    """The embed's Content-Security-Policy: that one sheet, nothing else, and `frame-ancestors`.

    `'self'` is among them, for the partner's page shows it. A partner without sites gets no frame.
    """
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    ancestors = " ".join(["'self'", *partner.origins])
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors {ancestors}"
    )


def address(petition: Petition, partner: Source) -> str:
    """The embed's absolute URL in the active language."""
    return heads.absolute(reverse("sharing:frame", args=[partner.code, petition.slug]))


def as_html(text: PetitionText, partner: Source, *, width: int, height: int) -> SafeString:
    """The `iframe` element, with `no-referrer`: it is not told which page it stands in."""
    return format_html(
        '<iframe src="{}" title="{}" width="{}" height="{}" loading="lazy" '
        'referrerpolicy="no-referrer" style="border:0;max-width:100%"></iframe>',
        address(text.petition, partner),
        legible(text.title),
        width,
        height,
    )
