"""The organisation's logo: which uploads are accepted, what is served, and where it is shown."""

import io
import re
import struct
import tracemalloc
import zlib
from http import HTTPStatus

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from PIL import Image, PngImagePlugin

from petitions.models import AuditRecord, Organisation, Petition
from petitions.publishing import logo
from petitions.publishing import organisation as known
from petitions.sharing import cards
from petitions.staff.refusal import Refused

FORM = "/admin/petitions/organisation/1/change/"


def picture(size: tuple[int, int] = (400, 200), kind: str = "PNG", **more: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (180, 40, 40)).save(out, kind, **more)
    return out.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def header_alone(width: int, height: int) -> bytes:
    """Return a PNG whose header claims a size, with almost no data after it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    ended = chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + ended


def webp_header_alone(side: int) -> bytes:
    """Return an animated WebP with one pixel on a square canvas of this side length."""
    canvas = (side - 1).to_bytes(3, "little") * 2
    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "WEBP", lossless=True)
    frame = pixel.getvalue()[12:]
    frames = bytes(6) + bytes(3) * 2 + bytes(3) + b"\0" + frame
    parts = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas
    parts += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    parts += b"ANMF" + struct.pack("<I", len(frames)) + frames
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_each_kind_of_picture_becomes_a_small_png(kind: str) -> None:
    made = logo.read(picture((1000, 500), kind))
    with Image.open(io.BytesIO(made.png)) as shown:
        assert (shown.format, shown.size) == ("PNG", (224, 112))
    assert (made.width, made.height) == (224, 112)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16"])
def test_pictures_in_every_colour_mode_are_accepted(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (100, 100)).save(out, "JPEG" if mode == "CMYK" else "PNG")
    assert logo.read(out.getvalue()).height == 100


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"GIF89a" + bytes(100), "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "not a picture"),
        (picture((400, 400), "GIF"), "not a picture"),
        (picture((400, 400))[:-40], "damaged"),
        (picture((400, 400), "JPEG")[:-200], "damaged"),
        (bytes(logo.MAX_BYTES + 1), "larger than 1 MB"),
        (picture((31, 400)), "31 by 400 pixels. Use one of at least 32"),
        (header_alone(1_000_000, 40), "1,000,000 by 40 pixels. Make it smaller"),
        (header_alone(30_000, 30_000), "far too many pixels"),
        (header_alone(12_000, 12_000), "far too many pixels"),
        (webp_header_alone(16_384), "far too many pixels"),
        (header_alone(2999, 2999), "damaged"),
    ],
)
def test_an_invalid_picture_is_refused_with_an_explanation(content: bytes, words: str) -> None:
    with pytest.raises(Refused, match=words):
        logo.read(content)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    # 8 KB that unpack to 8 MB of text, and a header that claims 36 GB of pixels.
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(8_000_000)))
    bomb = picture((100, 100))
    bomb = bomb[:33] + text + bomb[33:]
    tracemalloc.start()
    for content in (bomb, header_alone(95_000, 95_000)):
        with pytest.raises(Refused):
            logo.read(content)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_image_metadata_is_removed() -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "made by Amina in Idlib", 6
    content = picture((300, 150), "JPEG", exif=exif, comment=b"secret place") + b"<script>tail"
    made = logo.read(content)
    assert (made.width, made.height) == (56, 112), "turned upright, as its EXIF says"
    note = PngImagePlugin.PngInfo()
    note.add_text("Author", "Amina")
    both = made.png + logo.read(picture(pnginfo=note, icc_profile=bytes(200), dpi=(72, 72))).png
    for word in (b"Amina", b"secret", b"script", b"iCCP", b"pHYs", b"eXIf"):
        assert word not in both


@pytest.fixture
def omar(organiser: User, organisation: Organisation, client: Client) -> Client:
    client.force_login(organiser)
    return client


def upload(client: Client, content: bytes | None = None, **changed: str) -> str:
    """Submit the form with a file, as a browser does."""
    stored = Organisation.objects.get()
    form = {"name": stored.name, "privacy_email": stored.privacy_email, **changed}
    # The file name is not trusted.
    file = {} if content is None else {"new_logo": SimpleUploadedFile("../a.exe", content)}
    answer = client.post(FORM, {**form, **file}, follow=True)
    known.invalidate()
    return answer.content.decode()


def test_a_logo_can_be_uploaded_is_shown_and_can_be_removed(
    omar: Client, petition: Petition, browser: Client
) -> None:
    assert "img/favicon.svg" in header(browser)
    assert "was changed successfully" in upload(omar, picture())
    stored = Organisation.objects.get()
    address = reverse("logo", args=[stored.logo_hash])

    for path in ("/petitions/protect/", "/ar/petitions/", "/cy/find/"):
        assert f'<img class="logo" src="{address}" alt="SBC" width="224"' in header(browser, path)
    assert address in omar.get(FORM).content.decode()
    assert AuditRecord.objects.filter(action="changed", why__contains="logo").exists()

    assert "was changed successfully" in upload(omar, no_logo="on")
    assert "img/favicon.svg" in header(browser)
    assert browser.get(address).status_code == HTTPStatus.NOT_FOUND


def header(browser: Client, path: str = "/petitions/protect/") -> str:
    found = re.search(r'class="site-name".*?</a>', browser.get(path).content.decode(), re.DOTALL)
    assert found
    return found[0]


def test_a_refused_upload_changes_nothing_and_says_why(omar: Client) -> None:
    upload(omar, picture())
    before = Organisation.objects.get()
    assert "Make it smaller" in upload(omar, header_alone(1_000_000, 40), name="Other")
    assert "This is not a picture" in upload(omar, b"no picture at all")
    after = Organisation.objects.get()
    assert (after.name, after.logo_hash) == (before.name, before.logo_hash)


def test_a_form_without_a_file_keeps_the_logo(omar: Client) -> None:
    upload(omar, picture())
    upload(omar, website="https://example.org")
    stored = Organisation.objects.get()
    assert stored.website
    assert stored.logo
    assert stored.logo_hash


def test_the_logo_url_is_cached_for_a_year_and_changes_with_the_logo(
    omar: Client, browser: Client
) -> None:
    upload(omar, picture())
    first = reverse("logo", args=[Organisation.objects.get().logo_hash])
    answer = browser.get(first)
    assert answer["Content-Type"] == "image/png"
    assert {"public", "immutable", "max-age=31536000"} <= set(answer["Cache-Control"].split(", "))
    assert not answer.cookies
    upload(omar, picture((300, 300)))
    assert reverse("logo", args=[Organisation.objects.get().logo_hash]) != first
    assert browser.get(first).status_code == HTTPStatus.NOT_FOUND
    assert browser.post(first).status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_loading_the_organisation_defers_the_logo(omar: Client) -> None:
    upload(omar, picture())
    assert "logo" in Organisation.load().get_deferred_fields()


def test_the_share_image_contains_the_logo(omar: Client, petition: Petition) -> None:
    text = petition.texts.get(language="en")
    plain = cards.card(text, count=5, organisation="SBC")
    upload(omar, picture())
    own = cards.card(text, count=5, organisation="SBC")
    with Image.open(io.BytesIO(own)) as shown, Image.open(io.BytesIO(plain)) as before:
        red = (180, 40, 40)
        assert red in {shown.convert("RGB").getpixel((x, 560)) for x in range(900, 1200, 2)}
        assert red not in {before.convert("RGB").getpixel((x, 560)) for x in range(900, 1200, 2)}
