"""Embeds on partners' sites: the frame, the badge, oEmbed, and the page with the codes."""

import re
from base64 import b64encode
from datetime import timedelta
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.models import Petition, PetitionText, Source
from petitions.sharing import embeds
from tests.hostile import TITLES
from tests.people import sign_and_confirm

HOME = pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
SITE = "https://petition.example.org"
THEIRS = ["https://www.mosque.example", "https://mosque.example:8443"]
MOST_BYTES = 15 * 1024
SVG = "{http://www.w3.org/2000/svg}"
# Other URLs of the site: a page, one behind a token, one for machines, one that does not exist.
ELSEWHERE = (
    "/petitions/protect/", "/share/partner/mosque/", "/t/en/confirm/x/", "/share/protect-badge.svg",
    "/share/partner/nobody/protect/", "/share/partner/mosque/other/", "/oembed", "/admin/login/",
    "/nothing/",
)  # fmt: skip


@pytest.fixture(autouse=True)
def partner(db: None, settings: Any) -> Source:
    settings.SITE_URL = SITE
    return Source.objects.create(code="mosque", name="The Mosque", origins=THEIRS)


def frame(client: Client, home: str = "/") -> Any:
    return client.get(f"{home}share/partner/mosque/protect/")


def ancestors(response: Any) -> str:
    """Return the sites that may frame a response, from its policy."""
    (found,) = re.findall(r"frame-ancestors ([^;]*)", response["Content-Security-Policy"])
    return str(found)


def oembed(client: Client, address: str, **more: str) -> Any:
    return client.get("/oembed", {"url": address, **more})


def parsed(picture: bytes) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - our own


# --- The frame ---------------------------------------------------------------------------


@HOME
def test_the_embed_frame_shows_the_count_and_a_link_with_the_partner_code(
    petition: Petition, client: Client, home: str
) -> None:
    sign_and_confirm(petition)

    response = frame(client, home)
    html = response.content.decode()

    assert response.status_code == 200
    assert "<strong>1</strong>" in html
    (link,) = re.findall(r"<a ([^>]*)>", html)
    assert f'href="{SITE}{home}petitions/protect/?s=mosque"' in link
    assert 'target="_top"' in link
    assert 'rel="noopener"' in link


@HOME
def test_the_embed_frame_is_below_15_kb_without_scripts_or_form_fields(
    petition: Petition, client: Client, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = {"title": "م" * 150, "addressee": "ي" * 100}
    PetitionText.objects.update(**long)
    monkeypatch.setattr(tallies, "total", lambda petition_id: 10_001_284)

    html = frame(client, home).content.decode()

    assert len(html.encode()) < MOST_BYTES
    assert "10,001,284" in html
    tags = {tag.lower() for tag in re.findall(r"<([a-zA-Z]\w*)", html)}
    assert not tags & {"form", "input", "button", "script", "img", "iframe", "object", "select"}
    assert not re.search(r"""\b(?:src=|action=|@import|url\()""", html)
    assert re.findall(r'<link rel="(\w+)"', html) == ["alternate"]


@HOME
def test_the_embed_frame_is_translated_and_supports_dark_mode(
    petition: Petition, client: Client, home: str
) -> None:
    html = frame(client, home).content.decode()
    title = {"/": "Protect people", "/ar/": "احموا الناس", "/cy/": "Diogelwch bobl"}[home]
    call = {"/": "Read and sign", "/ar/": "للقراءة والتوقيع", "/cy/": "Darllenwch a llofnodwch"}[
        home
    ]
    assert f"<title>{title}</title>" in html
    assert f">{call}</a>" in html
    assert 'dir="rtl"' in html if home == "/ar/" else 'dir="ltr"' in html
    assert "prefers-color-scheme:dark" in html
    # Only logical properties, so that right-to-left text needs no second style sheet.
    assert not re.search(r"[;{](?:margin|padding|border)?-?(?:left|right)\b", html)


def test_frame_ancestors_lists_only_the_registered_origins_of_the_partner(
    petition: Petition, client: Client
) -> None:
    response = frame(client)
    assert ancestors(response) == "'self' https://www.mosque.example https://mosque.example:8443"
    assert "X-Frame-Options" not in response
    assert response["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")


def test_the_embed_frame_contains_the_style_sheet_that_its_csp_allows(
    petition: Petition, client: Client, partner: Source
) -> None:
    response = frame(client)
    (sheet,) = re.findall(r"<style>(.*?)</style>", response.content.decode(), re.DOTALL)
    allowed = b64encode(sha256(sheet.encode()).digest()).decode()
    assert f"'sha256-{allowed}'" in response["Content-Security-Policy"]


def test_frame_ancestors_is_self_for_a_partner_without_origins(
    petition: Petition, client: Client
) -> None:
    Source.objects.update(origins=[])
    assert ancestors(frame(client)) == "'self'"


@pytest.mark.parametrize("path", ELSEWHERE)
@HOME
def test_all_other_pages_forbid_framing(
    petition: Petition, client: Client, path: str, home: str
) -> None:
    response = client.get(home.rstrip("/") + path)
    assert ancestors(response) == "'none'"
    assert response["X-Frame-Options"] == "DENY"


def test_the_embed_frame_is_publicly_cached_with_an_etag(
    petition: Petition, settings: Any, client: Client, django_assert_num_queries: Any
) -> None:
    response = frame(client)
    assert "public" in response["Cache-Control"]
    assert not response.cookies
    settings.PAGE_CACHE_SECONDS = 60
    kept = Client()
    first = frame(kept)
    with django_assert_num_queries(0):
        again = kept.get("/share/partner/mosque/protect/?x=1", headers={"If-None-Match": "x"})
        unchanged = kept.get(
            "/share/partner/mosque/protect/", headers={"If-None-Match": first["ETag"]}
        )
    assert again.content == first.content
    assert ancestors(again) == ancestors(first)
    assert "X-Frame-Options" not in again
    assert unchanged.status_code == 304


def test_the_embed_frame_makes_three_queries(
    petition: Petition, client: Client, django_assert_num_queries: Any
) -> None:
    frame(client)
    with django_assert_num_queries(3):
        frame(client)


def test_the_embed_frame_says_that_a_petition_is_closed(petition: Petition, client: Client) -> None:
    Petition.objects.update(state=Petition.State.CLOSED, closes_at=timezone.now())
    html = frame(client).content.decode()
    assert "This petition is closed" in html
    assert "Read the petition</a>" in html
    assert "Read and sign" not in html


def test_the_embed_frame_of_a_removed_petition_returns_410_and_says_so(
    petition: Petition, client: Client
) -> None:
    """The frame stays visible, because the partner's readers want to know."""
    Petition.objects.update(state=Petition.State.REMOVED)
    response = frame(client)
    assert response.status_code == 410
    assert "https://www.mosque.example" in ancestors(response)
    assert "This petition was removed" in response.content.decode()
    assert "Protect people</h1>" not in response.content.decode()


@pytest.mark.parametrize(
    "path",
    [
        "share/partner/mosque/protect/",
        "share/protect-badge.svg",
    ],
)
@HOME
def test_a_draft_has_no_embed_frame_badge_or_oembed(
    petition: Petition, client: Client, path: str, home: str
) -> None:
    assert client.get(home + path).status_code == 200
    Petition.objects.update(state=Petition.State.DRAFT)
    assert client.get(home + path).status_code == 404
    assert oembed(client, f"{SITE}{home}petitions/protect/").status_code == 404
    assert "Protect people" not in client.get(f"{home}share/partner/mosque/").content.decode()


@pytest.mark.parametrize(
    "code", ["nobody", "MOSQUE", "mosque-", "whatsapp", "m" * 3000, "%3Cb%3E", "mosque%00", "-"]
)
def test_an_unknown_partner_code_has_no_page_and_no_embed_frame(
    petition: Petition, client: Client, code: str
) -> None:
    Source.objects.get_or_create(code="whatsapp", name="WhatsApp", is_channel=True)
    for path in (f"/share/partner/{code}/", f"/share/partner/{code}/protect/"):
        response = client.get(path)
        assert response.status_code in {400, 404}
        assert b"<b>" not in response.content
        assert ancestors(response) == "'none'"


def test_the_page_and_embed_frame_of_an_inactive_partner_return_404(
    petition: Petition, client: Client
) -> None:
    Source.objects.update(is_active=False)
    assert frame(client).status_code == 404
    assert client.get("/share/partner/mosque/").status_code == 404
    assert oembed(client, f"{SITE}/petitions/protect/?s=mosque").json()["type"] == "link"


@pytest.mark.parametrize("title", TITLES)
def test_a_hostile_title_is_escaped_in_every_embed(
    petition: Petition, client: Client, title: str
) -> None:
    PetitionText.objects.update(title=title)
    html = frame(client).content.decode()
    assert html.count("<script") == 0
    assert html.count("<h1") == 1
    parsed(client.get("/share/protect-badge.svg").content)
    page = client.get("/share/partner/mosque/").content.decode()
    assert page.count("<script") == 1
    assert page.count("<textarea") == page.count("</textarea>") == 4
    made = oembed(client, f"{SITE}/petitions/protect/?s=mosque").json()["html"]
    assert re.fullmatch(r'<iframe( \w+="[^"<>]*"){7}></iframe>', made)


# --- The badge ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("home", "label", "value"),
    [
        ("/", "Sign the petition", "10,001,284 signatures"),
        ("/ar/", "توقيع العريضة", "10,001,284 توقيعًا"),
        ("/cy/", "Llofnodi’r ddeiseb", "10,001,284 llofnod"),
    ],
)
def test_the_badge_is_an_svg_with_an_accessible_title(
    petition: Petition,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    home: str,
    label: str,
    value: str,
) -> None:
    monkeypatch.setattr(tallies, "total", lambda petition_id: 10_001_284)

    response = client.get(f"{home}share/protect-badge.svg")
    picture = parsed(response.content)

    assert response["Content-Type"] == "image/svg+xml"
    assert len(response.content) < 3000
    assert [text.text for text in picture.iter(f"{SVG}text")] == [label, value]
    assert picture.get("role") == "img"
    (title,) = picture.iter(f"{SVG}title")
    assert picture.get("aria-labelledby") == title.get("id")
    assert value in str(title.text)
    names = {element.tag.removeprefix(SVG) for element in picture.iter()}
    assert names == {"svg", "title", "clipPath", "rect", "g", "text"}


def test_the_badge_allows_cross_origin_use_and_caching(petition: Petition, client: Client) -> None:
    response = client.get("/share/protect-badge.svg")
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "public" in response["Cache-Control"]
    again = client.get("/share/protect-badge.svg", headers={"If-None-Match": response["ETag"]})
    assert again.status_code == 304
    head = client.head("/share/protect-badge.svg")
    assert (head.status_code, head.content) == (200, b"")


def test_the_badge_shows_no_count_below_25_signatures(
    petition: Petition, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count, fields in ((0, 1), (24, 1), (25, 2)):
        monkeypatch.setattr(tallies, "total", lambda petition_id, n=count: n)
        picture = parsed(client.get("/share/protect-badge.svg").content)
        assert len(list(picture.iter(f"{SVG}text"))) == fields


def test_the_badge_says_closed_and_returns_410_for_a_removed_petition(
    petition: Petition, client: Client
) -> None:
    Petition.objects.update(state=Petition.State.CLOSED, closes_at=timezone.now())
    assert "This petition is closed" in client.get("/share/protect-badge.svg").content.decode()
    Petition.objects.update(state=Petition.State.REMOVED)
    assert client.get("/share/protect-badge.svg").status_code == 410


# --- The page to copy from ---------------------------------------------------------------


def copied(html: str) -> list[str]:
    """Return the contents of the fields, as somebody would copy them."""
    fields = re.findall(r"<textarea[^>]*>(.*?)</textarea>", html, re.DOTALL)
    return [unescape(code) for code in fields]


@HOME
def test_the_partner_page_has_link_badge_and_frame_html_with_the_partner_code(
    petition: Petition, client: Client, home: str
) -> None:
    response = client.get(f"{home}share/partner/mosque/")
    link, anchor, badge, framed = copied(response.content.decode())

    address = f"{SITE}{home}petitions/protect/?s=mosque"
    assert link == address
    assert anchor.startswith(f'<a href="{address}">')
    assert badge.startswith(f'<a href="{address}"><img src="{SITE}{home}share/protect-badge.svg" ')
    assert framed.startswith(f'<iframe src="{SITE}{home}share/partner/mosque/protect/" ')
    # Nothing is loaded over http, even if the partner's page is.
    assert "http:" not in f"{link}{anchor}{badge}{framed}"


def test_the_partner_page_is_noindex_and_not_in_the_sitemap(
    petition: Petition, client: Client
) -> None:
    response = client.get("/share/partner/mosque/")
    assert response["X-Robots-Tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in response.content.decode()
    assert "mosque" not in client.get("/sitemap.xml").content.decode()
    assert "frame-src 'self'" in response["Content-Security-Policy"]
    assert not response.cookies


def test_the_partner_page_says_if_no_origin_or_no_open_petition_exists(
    petition: Petition, client: Client
) -> None:
    Source.objects.update(origins=[])
    assert "No site of yours is registered" in client.get("/share/partner/mosque/").content.decode()
    Petition.objects.update(state=Petition.State.CLOSED, closes_at=timezone.now())
    html = client.get("/share/partner/mosque/").content.decode()
    assert "No petition can be signed" in html
    assert not copied(html)


def test_the_partner_page_makes_two_queries(
    petition: Petition, client: Client, django_assert_num_queries: Any
) -> None:
    other = Petition.objects.create(slug="other", state=Petition.State.OPEN)
    PetitionText.objects.create(
        petition=other, language="en", title="Other", addressee="x", ask="x",
        published_at=timezone.now() - timedelta(days=1),
    )  # fmt: skip
    client.get("/share/partner/mosque/")
    with django_assert_num_queries(2):
        html = client.get("/ar/share/partner/mosque/").content.decode()
    assert "Other" in html
    assert "احموا الناس" in html


# --- oEmbed ------------------------------------------------------------------------------


@HOME
def test_the_petition_page_has_an_oembed_discovery_link(
    petition: Petition, client: Client, home: str
) -> None:
    html = client.get(f"{home}petitions/protect/").content.decode()
    (address,) = re.findall(
        r'<link rel="alternate" type="application/json\+oembed" href="([^"]+)"', html
    )
    assert unescape(address).startswith(f"{SITE}/oembed?")

    said = client.get(unescape(address).removeprefix(SITE)).json()

    title = {"/": "Protect people", "/ar/": "احموا الناس", "/cy/": "Diogelwch bobl"}[home]
    assert (said["version"], said["type"], said["title"]) == ("1.0", "link", title)
    assert said["thumbnail_url"] == f"{SITE}{home}share/protect.png"
    assert "html" not in said


@HOME
@pytest.mark.parametrize("path", ["petitions/protect/?s=mosque", "share/partner/mosque/protect/"])
def test_oembed_returns_the_embed_frame_for_a_partner_url(
    petition: Petition, client: Client, home: str, path: str
) -> None:
    response = oembed(client, f"{SITE}{home}{path}")
    said = response.json()
    assert said["type"] == "rich"
    assert said["html"].startswith(f'<iframe src="{SITE}{home}share/partner/mosque/protect/" ')
    assert (said["width"], said["height"]) == (embeds.WIDTH, embeds.HEIGHT)
    assert response["Access-Control-Allow-Origin"] == "*"


def test_the_embed_frame_has_an_oembed_discovery_link(petition: Petition, client: Client) -> None:
    (address,) = re.findall(r'json\+oembed" href="([^"]+)"', frame(client).content.decode())
    assert client.get(unescape(address).removeprefix(SITE)).json()["type"] == "rich"


@pytest.mark.parametrize(
    ("limits", "kind", "width"),
    [
        ({"maxwidth": "300"}, "rich", 300),
        ({"maxwidth": "9999"}, "rich", 480),
        ({"maxwidth": "100"}, "link", None),
        ({"maxheight": "100"}, "link", None),
        ({"maxwidth": "-1", "maxheight": "x"}, "rich", 480),
        ({"maxwidth": "9" * 2000}, "rich", 480),
        ({"maxwidth": "٣٠٠"}, "rich", 480),
    ],
)
def test_oembed_returns_a_link_if_the_embed_frame_does_not_fit(
    petition: Petition, client: Client, limits: dict[str, str], kind: str, width: int | None
) -> None:
    said = oembed(client, f"{SITE}/petitions/protect/?s=mosque", **limits).json()
    assert (said["type"], said.get("width")) == (kind, width)
    if "300" in limits.values():
        assert "thumbnail_url" not in said, "it would be wider than was asked for"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "//",
        "http://[",
        "https://elsewhere.example/petitions/protect/",
        "https://petition.example.org.elsewhere.example/petitions/protect/",
        "https://petition.example.org@elsewhere.example/petitions/protect/",
        "https://user@petition.example.org/petitions/protect/",
        "javascript://petition.example.org/petitions/protect/",
        f"{SITE}/",
        f"{SITE}/petitions/other/",
        f"{SITE}/de/petitions/protect/",
        f"{SITE}/share/partner/mosque/",
        f"{SITE}/admin/",
        f"{SITE}/petitions/<script>/",
        f"{SITE}/petitions/protect/" + "x" * 5000,
    ],
)
def test_oembed_returns_404_for_any_other_url(
    petition: Petition, client: Client, address: str
) -> None:
    response = oembed(client, address)
    assert response.status_code == 404
    assert b"<script>/" not in response.content


@pytest.mark.parametrize("code", ["nobody", "%3Cscript%3E", "whatsapp", "m" * 500])
def test_oembed_returns_a_link_without_an_unknown_partner_code(
    petition: Petition, client: Client, code: str
) -> None:
    response = oembed(client, f"{SITE}/petitions/protect/?s={code}")
    assert response.json()["type"] == "link"
    assert code not in response.content.decode()


@pytest.mark.parametrize(("written", "status"), [("json", 200), ("xml", 501), ("<b>", 501)])
def test_oembed_returns_501_for_formats_other_than_json(
    petition: Petition, client: Client, written: str, status: int
) -> None:
    response = oembed(client, f"{SITE}/petitions/protect/", format=written)
    assert response.status_code == status
    assert b"<b>" not in response.content


def test_oembed_responses_are_not_stored_in_the_page_cache(
    petition: Petition, settings: Any
) -> None:
    """The page cache ignores query strings, so these responses must not be cached in it."""
    settings.PAGE_CACHE_SECONDS = 60
    client = Client()
    there = oembed(client, f"{SITE}/petitions/protect/")
    not_there = oembed(client, f"{SITE}/petitions/other/")
    assert (there.status_code, not_there.status_code) == (200, 404)
    assert "public" not in there["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["/oembed", "/share/protect-badge.svg", "/share/partner/mosque/protect/"]
)
@pytest.mark.parametrize("method", ["post", "options", "delete"])
def test_embed_urls_refuse_post_options_and_delete(
    petition: Petition, client: Client, path: str, method: str
) -> None:
    assert getattr(client, method)(path).status_code in {403, 405}


def test_a_huge_query_string_does_not_change_the_embed_frame(
    petition: Petition, client: Client
) -> None:
    plain = frame(client).content
    assert client.get("/share/partner/mosque/protect/?" + "a=1&" * 900).content == plain
    huge = client.get("/oembed?" + quote("x" * 900) + "&" + "a=1&" * 2500)
    assert huge.status_code in {400, 404}
