"""The organisation's logo: checks an upload before decoding it, and re-encodes it as a small PNG.

The uploaded file itself is never served, only the pixels of its first frame, scaled down and
without metadata (author, place, software). The header alone is enough to refuse oversized pictures,
so that a small file which unpacks to gigabytes (a decompression bomb) costs nothing.
"""

import hashlib
import io
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from petitions.models import Organisation
from petitions.staff.refusal import Refused

# Imported lazily: it takes 5 MB in every process, and is needed only when a logo is uploaded.
if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 1024 * 1024
# In pixels a side: limits for the upload, then the largest size kept, twice the size on pages.
MAX_PIXELS, MIN_PIXELS = 3000, 32
WIDTH, HEIGHT = 560, 112
_WORDS = "Upload a PNG, JPEG or WebP picture."
_AT_MOST = (
    f"Make it smaller: at most {MAX_PIXELS:,} pixels on each side. A height of {HEIGHT} is enough."
)


class Logo(NamedTuple):
    """A re-encoded logo: PNG, its hash, and its size in pixels."""

    png: bytes
    hash: str
    width: int
    height: int


def read(content: bytes) -> Logo:
    """Re-encode an uploaded picture. Raises `Refused`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if len(content) > MAX_BYTES:
        raise Refused("The file is larger than 1 MB. Save the picture smaller.")
    try:
        # This reads only the header, no pixels.
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
        _check_size(*picture.size)
        upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except UnidentifiedImageError:
        raise Refused(f"This is not a picture that every browser can show. {_WORDS}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(f"The picture has far too many pixels. {_AT_MOST}") from None
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, MemoryError):
        raise Refused(f"The picture is damaged or incomplete. Save it again. {_WORDS}") from None
    upright.thumbnail((WIDTH, HEIGHT))
    png = _encoded(upright)
    return Logo(png, hashlib.sha256(png).hexdigest()[:16], *upright.size)


def put(organisation: Organisation, logo: Logo | None) -> None:
    """Set or remove the organisation's logo, without saving."""
    organisation.logo = logo.png if logo else None
    organisation.logo_hash = logo.hash if logo else ""
    organisation.logo_width = logo.width if logo else 0
    organisation.logo_height = logo.height if logo else 0


def find(digest: str) -> bytes | None:
    """Return the PNG with this hash, or None if the organisation has another logo or none."""
    found = Organisation.objects.filter(pk=1, logo_hash=digest).values_list("logo", flat=True)
    content = found.first()
    return bytes(content) if content else None


def _check_size(width: int, height: int) -> None:
    size = f"The picture is {width:,} by {height:,} pixels."
    if max(width, height) > MAX_PIXELS:
        raise Refused(f"{size} {_AT_MOST}")
    if min(width, height) < MIN_PIXELS:
        raise Refused(f"{size} Use one of at least {MIN_PIXELS} on each side.")


def _encoded(picture: "Image.Image") -> bytes:
    """Encode only the pixels: a new picture has no colour profile, text or EXIF."""
    from PIL import Image

    bare = Image.new("RGBA", picture.size)
    bare.paste(picture)
    out = io.BytesIO()
    bare.save(out, "PNG", optimize=True)
    return out.getvalue()
