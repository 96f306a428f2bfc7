"""The organisation's logo: checks an upload before decoding it, and re-encodes it as a small PNG.

Whatever was uploaded is never served: only the pixels of its first picture, made small, without
metadata (who made it, where, with what). What is too large is refused by the header alone, so that
a small file which unpacks to gigabytes (a decompression bomb) costs nothing.
"""

import hashlib
import io
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from petitions.models import Organisation
from petitions.staff.refusal import Refused

# Imported where it is used: it takes 5 MB of every process, and decodes a logo once.
if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 1024 * 1024
# Pixels of a side: of the upload, and of what is kept, which is twice what pages show.
MOST_PIXELS, LEAST_PIXELS = 3000, 32
WIDTH, HEIGHT = 560, 112
_WORDS = "Upload a PNG, JPEG or WebP picture."
_AT_MOST = f"Make it smaller: {MOST_PIXELS:,} a side at most; {HEIGHT} high is enough."


class Logo(NamedTuple):
    """A re-encoded logo: PNG, its hash, and its size in pixels."""

    png: bytes
    hash: str
    width: int
    height: int


def read(content: bytes) -> Logo:
    """Re-encode an uploaded picture. Raises `Refused`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(content) > MOST_BYTES:
        raise Refused("The file is larger than 1 MB. Save the picture smaller.")
    try:
        # Reads the header, and no pixel.
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
        _need_sensible(*picture.size)
        upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except UnidentifiedImageError:
        raise Refused(f"This is no picture that browsers show everywhere. {_WORDS}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(f"The picture has far too many pixels. {_AT_MOST}") from None
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, MemoryError):
        raise Refused(f"The picture is damaged or cut. Save it again. {_WORDS}") from None
    upright.thumbnail((WIDTH, HEIGHT))
    png = _encoded(upright)
    return Logo(png, hashlib.sha256(png).hexdigest()[:16], *upright.size)


def put(organisation: Organisation, logo: Logo | None) -> None:
    """Give the organisation a logo, or take it away; the caller saves it."""
    organisation.logo = logo.png if logo else None
    organisation.logo_hash = logo.hash if logo else ""
    organisation.logo_width = logo.width if logo else 0
    organisation.logo_height = logo.height if logo else 0


def find(digest: str) -> bytes | None:
    """The PNG of this hash; None if the organisation has another logo by now, or none."""
    found = Organisation.objects.filter(pk=1, logo_hash=digest).values_list("logo", flat=True)
    content = found.first()
    return bytes(content) if content else None


def _need_sensible(width: int, height: int) -> None:
    size = f"The picture is {width:,} by {height:,} pixels."
    if max(width, height) > MOST_PIXELS:
        raise Refused(f"{size} {_AT_MOST}")
    if min(width, height) < LEAST_PIXELS:
        raise Refused(f"{size} Use one of {LEAST_PIXELS} at least on each side.")


def _encoded(picture: "Image.Image") -> bytes:
    """PNG of the pixels alone: a new picture has no colour profile, text or EXIF."""
    from PIL import Image

    bare = Image.new("RGBA", picture.size)
    bare.paste(picture)
    out = io.BytesIO()
    bare.save(out, "PNG", optimize=True)
    return out.getvalue()
