"""Draw the site's icons and the plain share image from static/img/favicon.svg.

The pictures are committed: after changing the mark, run `python -m tests.icons`, and commit what it
writes.
"""

import os
import struct
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "static" / "img"
# File, pixels, how much of the side the mark takes, and whether its colour fills the rest.
ICONS = (
    ("icon-192.png", 192, 1.0, False),
    ("icon-512.png", 512, 1.0, False),
    ("icon-512-maskable.png", 512, 0.9, True),
    ("apple-touch-icon.png", 180, 1.0, True),
)
ICO_SIZE = 32


def draw(folder: Path) -> None:
    """Write all of them into a folder."""
    from petitions.sharing import cards, typesetting  # need Django to be set up

    def icon(size: int, share: float, *, fills: bool) -> bytes:
        words = {"mark": cards.mark(), "size": str(size), "share": str(share)}
        return typesetting.png("icon.typ", {**words, "fills": "yes" if fills else ""})

    for name, size, share, fills in ICONS:
        (folder / name).write_bytes(icon(size, share, fills=fills))
    (folder / "favicon.ico").write_bytes(ico(icon(ICO_SIZE, 1.0, fills=False)))
    (folder / "share.png").write_bytes(typesetting.png("plain.typ", {"mark": cards.mark()}))


def ico(picture: bytes) -> bytes:
    """One PNG of 32 pixels as an ICO file: a header of 6 bytes, an entry of 16, the picture."""
    header = struct.pack("<HHH", 0, 1, 1)
    entry = struct.pack("<BBBBHHII", ICO_SIZE, ICO_SIZE, 0, 0, 1, 32, len(picture), 22)
    return header + entry + picture


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campaign.settings")
    django.setup()
    draw(FOLDER)
