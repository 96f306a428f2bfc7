"""A petition on other sites and on paper: its share image, posters and leaflets, share links."""

import os
import re
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import typst
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from petitions.counting import tallies
from petitions.models import UNKNOWN, Petition, PetitionText
from petitions.sharing import cards, typesetting
from tests.hostile import TITLES

IMAGES = {"en": "/share/protect.png", "ar": "/ar/share/protect.png", "cy": "/cy/share/protect.png"}
PAPERS = ("/share/protect-poster.pdf", "/ar/share/protect-leaflets.pdf")
LANGUAGES = pytest.mark.parametrize("language", ["en", "ar", "cy"])
MOST_BYTES = 300 * 1024


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The inputs of each template that is rendered from here on."""
    given: list[dict[str, str]] = []
    compile_: Any = typst.compile

    def note(*args: Any, sys_inputs: dict[str, str], **options: Any) -> bytes:
        given.append(sys_inputs)
        made: bytes = compile_(*args, sys_inputs=sys_inputs, **options)
        return made

    monkeypatch.setattr(typst, "compile", note)
    typesetting._compile.cache_clear()
    return given


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@LANGUAGES
def test_the_share_image_is_a_small_png_of_1200_by_630_pixels(
    petition: Petition, client: Client, language: str
) -> None:
    response = client.get(IMAGES[language])

    assert response["Content-Type"] == "image/png"
    assert size_of(response.content) == (1200, 630)
    assert 10_000 < len(response.content) < MOST_BYTES
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert not response.cookies


@LANGUAGES
def test_the_share_image_is_translated(
    petition: Petition, client: Client, language: str, words: list[dict[str, str]]
) -> None:
    PetitionText.objects.filter(language="ar").update(addressee="الحكومة البريطانية")
    client.get(IMAGES[language])

    (said,) = words
    expected = {
        "en": (
            "Protect people",
            "sign the petition",
            "A petition to the British Government from SBC",
        ),
        "ar": ("احموا الناس", "العريضة", "عريضة"),
        "cy": ("Diogelwch bobl", "ddeiseb", "SBC"),
    }[language]
    assert said["title"] == expected[0]
    assert expected[1] in said["call"]
    assert expected[2] in said["kicker"]
    assert said["direction"] == ("rtl" if language == "ar" else "ltr")


def test_the_share_image_differs_between_languages(petition: Petition, client: Client) -> None:
    assert len({client.get(path).content for path in IMAGES.values()}) == 3


def test_the_share_image_shows_count_and_progress_from_25_signatures_on(
    petition: Petition,
    client: Client,
    words: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for count in (24, 25, 60):
        monkeypatch.setattr(tallies, "total", lambda petition_id, count=count: count)
        client.get(IMAGES["en"])

    assert [(said.get("count"), said.get("share")) for said in words] == [
        (None, None), ("25", "0.25"), ("60", "0.60"),
    ]  # fmt: skip
    assert words[0]["call"] == "Read and sign the petition"
    assert "call" not in words[1]


def test_the_share_image_shows_the_same_count_as_the_page(
    petition: Petition, client: Client, words: list[dict[str, str]]
) -> None:
    tallies.move(petition.pk, {(UNKNOWN, 0): 41})
    client.get(IMAGES["en"])

    assert words[0]["count"] == "41"
    page = client.get("/petitions/protect/").content.decode()
    assert '<strong class="count-number">41</strong>' in page


def test_the_share_image_of_a_closed_petition_does_not_ask_to_sign(
    petition: Petition, client: Client, words: list[dict[str, str]]
) -> None:
    Petition.objects.update(closes_at=timezone.now() - timedelta(hours=1))
    client.get(IMAGES["en"])
    assert "call" not in words[0]


def test_the_share_image_formats_a_large_count_as_the_page_does(
    petition: Petition,
    client: Client,
    words: list[dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tallies, "total", lambda petition_id: 10_001_284)
    assert size_of(client.get(IMAGES["ar"]).content) == (1200, 630)
    assert words[0]["count"] == "10,001,284"
    assert "10,001,284" in client.get("/ar/petitions/protect/").content.decode()


def test_the_share_image_is_rendered_once_and_then_cached(
    petition: Petition, client: Client, words: list[dict[str, str]]
) -> None:
    for _ in range(3):
        client.get(IMAGES["cy"])
    assert len(words) == 1


def test_the_share_image_of_a_text_in_another_language_keeps_its_direction(
    petition: Petition, client: Client, words: list[dict[str, str]]
) -> None:
    PetitionText.objects.exclude(language="ar").delete()

    assert size_of(client.get(IMAGES["en"]).content) == (1200, 630)

    assert (words[0]["direction"], words[0]["text-direction"]) == ("ltr", "rtl")


@pytest.mark.parametrize("title", TITLES)
def test_a_hostile_title_does_not_break_share_images_or_pdfs(
    petition: Petition, client: Client, title: str, caplog: pytest.LogCaptureFixture
) -> None:
    PetitionText.objects.update(title=title, addressee=title[:100], ask=title * 2)
    for path in IMAGES.values():
        assert size_of(client.get(path).content) == (1200, 630)
    for path in PAPERS:
        assert client.get(path).content.startswith(b"%PDF-")
    # A typst failure would be logged, and a plain image used instead.
    assert not caplog.records


def typeset(number: int) -> bool:
    """Typeset a unique image; return whether there was a free place."""
    try:
        typesetting.png("plain.typ", {"mark": cards.mark(), "number": str(number)})
    except typesetting.Busy:
        return False
    return True


def test_at_most_two_images_are_rendered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_: Any = typst.compile
    under_way, most = list[int](), list[int]()

    def slowly(*args: Any, **options: Any) -> bytes:
        under_way.append(1)
        most.append(len(under_way))
        time.sleep(0.5)
        made: bytes = compile_(*args, **options)
        under_way.pop()
        return made

    monkeypatch.setattr(typst, "compile", slowly)
    with ThreadPoolExecutor(6) as threads:
        had_turns = list(threads.map(typeset, range(6)))

    assert had_turns.count(True) == max(most) == typesetting.MAX_AT_ONCE
    assert typeset(6)


def test_a_rendering_slot_is_released_after_an_error() -> None:
    for _ in range(typesetting.MAX_AT_ONCE + 1):
        with pytest.raises(RuntimeError, match="No such file"):
            typesetting.png("absent.typ", {})


@pytest.fixture
def all_turns_taken() -> Iterator[None]:
    with typesetting._slot(), typesetting._slot():
        yield


@pytest.mark.parametrize("path", [IMAGES["en"], *PAPERS])
def test_without_a_free_rendering_slot_the_response_is_503_with_retry_after(
    petition: Petition, client: Client, all_turns_taken: None, path: str
) -> None:
    response = client.get(path)

    assert response.status_code == 503
    assert response["Retry-After"] == "30"
    assert response["Cache-Control"] == "no-store"


def test_without_a_free_rendering_slot_the_previous_image_is_served(
    petition: Petition, client: Client, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 0
    before = client.get(IMAGES["en"]).content
    typesetting._compile.cache_clear()
    with typesetting._slot(), typesetting._slot():
        response = client.get(IMAGES["en"])

    assert response.status_code == 200
    assert response.content == before


def test_typst_markup_in_a_title_is_not_executed() -> None:
    """Two characters that would call a function stay two characters in the image."""

    def picture(title: str) -> bytes:
        words = {"title": title, "mark": cards.mark(), "language": "en", "text-language": "en"}
        return typesetting.png("card.typ", words)

    assert picture("#h(9pt)") != picture("")
    assert picture("*bold*") != picture("bold")
    assert picture("#panic()") != picture("")


def test_arabic_letters_are_joined() -> None:
    """Joined letters take less room than separate ones."""
    source = b"""
        #set text(font: "Noto Naskh Arabic", fallback: false)
        #context [#metadata(measure(sys.inputs.words).width.pt()) <width>]
    """

    def width(words: str) -> float:
        fonts = typesetting._fonts()
        told = typst.query(
            source,
            "<width>",
            field="value",
            one=True,
            font_paths=fonts,
            sys_inputs={"words": words},
        )
        return float(told)

    joined, apart = "ببببب", "\u200c".join("ببببب")
    assert 0 < width(joined) < width(apart) * 0.8


FONTS = {
    "NotoSansEthiopic-Regular.ttf": "fonts-noto-core",
    "wqy-microhei.ttc": "fonts-wqy-microhei",
}
ON_PAPER = {
    "mark": "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>",
    "code": "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>",
    "call": "Scan", "organisation": "SBC", "direction": "ltr", "text-direction": "ltr",
    "language": "en", "text-language": "en",
}  # fmt: skip


@pytest.fixture
def machine_fonts() -> None:
    """The system's fonts for other scripts. Skips, or fails in CI, if one is missing."""
    installed = {path.name for path in Path("/usr/share/fonts").rglob("*.tt?")}
    missing = sorted({FONTS[name] for name in FONTS.keys() - installed})
    if missing:
        reason = f"needs fonts: apt-get install {' '.join(missing)}"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)


@pytest.mark.parametrize("template", ["poster.typ", "leaflets.typ"])
@pytest.mark.parametrize(
    "name",
    [
        "李明", "さくら", "김민준", "አበበ በቀለ", "שרה לוי", "សុខ សុភា", "நாராயணன்", "ဒေါ်အောင်", "กมล",
        "গৌরী", "ਗੁਰਪ੍ਰੀਤ", "ირაკლი", "Հայկ", "ދިވެހި", "سارة", "ھەڤال", "Łukasz Đặng", "Ιωάννης",
        "Ирина",
    ],
)  # fmt: skip
def test_posters_and_leaflets_have_glyphs_for_every_script(
    machine_fonts: None, template: str, name: str
) -> None:
    """PDF/A, the archive format, refuses letters that no font can show."""
    words = {**ON_PAPER, **dict.fromkeys(("title", "kicker", "ask", "footer"), name)}
    typst.compile(
        typesetting._FOLDER / template,
        root=typesetting._FOLDER,
        font_paths=typesetting._fonts(),
        format="pdf",
        pdf_standards=["a-2b"],
        sys_inputs=words,
    )


@LANGUAGES
def test_system_fonts_do_not_change_the_share_image(
    petition: Petition, client: Client, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picture() -> bytes:
        typesetting._fonts.cache_clear()
        typesetting._compile.cache_clear()
        return client.get(IMAGES[language]).content

    with_the_machines = picture()
    monkeypatch.setattr(typesetting, "_SYSTEM_FONTS", [])
    assert picture() == with_the_machines
    typesetting._fonts.cache_clear()


def test_a_plain_image_is_served_and_an_error_logged_if_rendering_fails(
    petition: Petition,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*args: object, **options: object) -> bytes:
        raise RuntimeError("Protect people")

    typesetting._compile.cache_clear()
    monkeypatch.setattr(typst, "compile", fails)

    response = client.get(IMAGES["en"])

    assert response.status_code == 200
    assert size_of(response.content) == (1200, 630)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "protect" in caplog.text
    assert "Protect people" not in caplog.text


@pytest.mark.parametrize("path", [*IMAGES.values(), *PAPERS])
def test_a_draft_or_removed_petition_has_no_share_images_or_pdfs(
    petition: Petition, client: Client, path: str
) -> None:
    Petition.objects.update(state=Petition.State.DRAFT)
    assert client.get(path).status_code == 404
    Petition.objects.update(state=Petition.State.REMOVED)
    gone = client.get(path)
    assert gone.status_code == 410
    assert gone["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert client.get(path.replace("protect", "nowhere")).status_code == 404


@pytest.mark.parametrize("path", [*IMAGES.values(), *PAPERS])
def test_share_images_and_pdfs_are_cached_and_support_head_and_etags(
    petition: Petition, settings: Settings, path: str
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    client = Client()
    whole = client.get(path)
    head = client.head(path)
    again = client.get(path, headers={"If-None-Match": whole["ETag"], "Accept-Encoding": "gzip"})

    assert (head.content, head["Content-Length"]) == (b"", str(len(whole.content)))
    assert (again.status_code, again.content) == (304, b"")
    # An already compressed file is not compressed again.
    assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "gzip"})
    assert client.post(path).status_code == 405


def test_the_share_image_returns_410_after_the_petition_is_removed(
    petition: Petition, settings: Settings
) -> None:
    settings.PAGE_CACHE_SECONDS = 0
    client = Client()
    assert client.get(IMAGES["en"]).status_code == 200
    Petition.objects.update(state=Petition.State.REMOVED)
    assert client.get(IMAGES["en"]).status_code == 410


# --- Papers ------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_posters_and_leaflets_have_a_language_and_a_qr_code_to_the_petition(
    petition: Petition,
    client: Client,
    settings: Settings,
    language: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    addresses: list[str] = []
    qr_code = cards.qr_code

    def note(address: str) -> str:
        addresses.append(address)
        return qr_code(address)

    monkeypatch.setattr(cards, "qr_code", note)
    settings.SITE_URL = "https://petition.example.org"
    home = "/" if language == "en" else f"/{language}/"
    for name in ("poster", "leaflets"):
        response = client.get(f"{home}share/protect-{name}.pdf")
        assert response["Content-Type"] == "application/pdf"
        assert len(response.content) < MOST_BYTES
        assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
        # One sheet of A4, in points.
        (box,) = re.findall(rb"/MediaBox\s*\[([^\]]+)\]", response.content)
        assert [round(float(number)) for number in box.split()] == [0, 0, 595, 842]
        assert f"/Lang({language}".encode() in response.content
    address = f"https://petition.example.org{home}petitions/protect/"
    assert addresses == [f"{address}?s=poster", f"{address}?s=leaflet"]


# --- Links to share ----------------------------------------------------------------------


def shared(page: str) -> dict[str, str]:
    """Return the links of the sharing section by their names."""
    section = page.partition('class="sharing"')[2].partition("</section>")[0]
    found = re.findall(r'<a class="btn[^"]*" href="([^"]+)"[^>]*>([^<]+)</a>', section)
    return {name: unescape(address) for address, name in found}


def message_in(address: str) -> str:
    """Return everything that the link tells the app."""
    parts = urlsplit(address)
    told = parse_qs(parts.query)
    return " ".join(value for values in told.values() for value in values)


@pytest.mark.parametrize(
    ("home", "words"),
    [("/", "Read and sign: Protect people"), ("/ar/", "احموا الناس"), ("/cy/", "Diogelwch bobl")],
)
def test_share_links_contain_the_petition_and_nothing_about_the_signer(
    petition: Petition, client: Client, settings: Settings, home: str, words: str
) -> None:
    settings.SITE_URL = "https://petition.example.org"
    links = shared(client.get(f"{home}petitions/protect/").content.decode())

    assert len(links) == 7
    channels = {}
    for name, address in links.items():
        told = message_in(address)
        assert f"https://petition.example.org{home}petitions/protect/" in told, name
        channels[name] = told.partition(f"{home}petitions/protect/?s=")[2].split()[0]
        assert "I signed" not in told
        if "facebook" not in address:
            assert words in told, name
    assert list(channels.values()) == [
        "whatsapp", "facebook", "x", "bluesky", "telegram", "email", "sms",
    ]  # fmt: skip
    hosts = {urlsplit(address).netloc for address in links.values()}
    assert hosts == {"wa.me", "www.facebook.com", "x.com", "bsky.app", "t.me", ""}
    assert {urlsplit(address).scheme for address in links.values()} == {"https", "mailto", "sms"}


@pytest.mark.parametrize("title", TITLES)
def test_a_hostile_title_is_url_encoded_in_share_links(
    petition: Petition, client: Client, title: str
) -> None:
    PetitionText.objects.update(title=title)
    page = client.get("/petitions/protect/").content.decode()

    links = shared(page)
    assert len(links) == 7
    for name, address in links.items():
        assert "<" not in address
        assert '"' not in address
        if name != "Facebook":
            assert " ".join(title.split()) in " ".join(unquote(address).split()), name


def test_the_share_address_can_be_copied_without_javascript(
    petition: Petition, client: Client
) -> None:
    page = client.get("/cy/petitions/protect/").content.decode()
    field = re.search(r'<input[^>]+id="share-address"[^>]*>', page)
    assert field
    assert "/cy/petitions/protect/" in field[0]
    assert "readonly" in field[0]
    # Buttons that need a script stay hidden until it runs.
    section = page.partition('class="sharing"')[2].partition("</section>")[0]
    buttons = re.findall(r"<li[^>]*><button|<button[^>]*>", section)
    assert buttons
    assert all("hidden" in button for button in buttons)


def test_a_closed_petition_page_has_no_share_links(petition: Petition, client: Client) -> None:
    Petition.objects.update(closes_at=petition.opens_at, opens_at=None)
    assert 'class="sharing"' not in client.get("/petitions/protect/").content.decode()


def test_a_qr_code_is_generated_as_svg() -> None:
    with translation.override("ar"):
        code = cards.qr_code("https://petition.example.org/ar/petitions/protect/")
    assert "<svg" in code
    assert "<path" in code
