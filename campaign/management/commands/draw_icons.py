"""Draw the site's icons and the plain share image from static/img/favicon.svg.

The pictures are committed: run this after changing the mark, and commit what it writes.
"""

import struct
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from petitions.sharing import cards, typesetting

FOLDER = Path(settings.BASE_DIR) / "static" / "img"
# File, pixels, how much of the side the mark takes, and whether its colour fills the rest.
ICONS = (
    ("icon-192.png", 192, 1.0, False),
    ("icon-512.png", 512, 1.0, False),
    ("icon-512-maskable.png", 512, 0.9, True),
    ("apple-touch-icon.png", 180, 1.0, True),
)
ICO_SIZE = 32


class Command(BaseCommand):
    help = "Draw the icons and the plain share image from the mark."

    def handle(self, *args: Any, **options: Any) -> None:
        for name, size, share, fills in ICONS:
            (FOLDER / name).write_bytes(icon(size, share=share, fills=fills))
        (FOLDER / "favicon.ico").write_bytes(ico(icon(ICO_SIZE, share=1.0, fills=False)))
        plain = typesetting.png("plain.typ", {"mark": cards.mark()})
        (FOLDER / "share.png").write_bytes(plain)


def icon(size: int, *, share: float, fills: bool) -> bytes:
    """The mark on a square of `size` pixels, as a PNG file."""
    words = {"mark": cards.mark(), "size": str(size), "share": str(share)}
    return typesetting.png("icon.typ", {**words, "fills": "yes" if fills else ""})


def ico(picture: bytes) -> bytes:
    """One PNG of 32 pixels as an ICO file: a header of 6 bytes, an entry of 16, the picture."""
    header = struct.pack("<HHH", 0, 1, 1)
    entry = struct.pack("<BBBBHHII", ICO_SIZE, ICO_SIZE, 0, 0, 1, 32, len(picture), 22)
    return header + entry + picture
