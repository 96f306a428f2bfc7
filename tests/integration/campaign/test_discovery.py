"""Metadata for search engines, feed readers and other sites."""

import json
import re
import struct
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaign.models import Statement, StatementText
from petitions.counting import tallies
from petitions.formatting.languages import direction
from petitions.models import Petition, PetitionText
from tests import icons
from tests.hostile import TITLES
from tests.pages import Visitor

SITE = "https://petition.example.org"
LANGUAGES = ("en", "ar", "cy")
IN_EACH = pytest.mark.parametrize("language", LANGUAGES)
HOME = {"en": "/", "ar": "/ar/", "cy": "/cy/"}
LOCALES = {"en": "en_GB", "ar": "ar_AR", "cy": "cy_GB"}
XML = {
    "map": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "xhtml": "http://www.w3.org/1999/xhtml",
    "atom": "http://www.w3.org/2005/Atom",
}
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
IMAGES = Path(django_settings.BASE_DIR) / "static" / "img"


@pytest.fixture(autouse=True)
def _site(settings: Settings) -> None:
    settings.SITE_URL = SITE
    settings.ALLOWED_HOSTS = ["*"]


class Head(HTMLParser):
    """The tags of a page's head as machines read them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.meta: dict[str, list[str]] = {}
        self.links: list[dict[str, str]] = []
        self.data: list[Any] = []
        self._script = ""
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "meta":
            name = values.get("property") or values.get("name", "")
            self.meta.setdefault(name, []).append(values.get("content", ""))
        elif tag == "link":
            self.links.append(values)
        elif tag == "script":
            self.scripts += 1
            self._script = values.get("type", "text/javascript")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = ""

    def handle_data(self, data: str) -> None:
        if self._script == "application/ld+json":
            self.data.append(json.loads(data))

    def one(self, name: str) -> str:
        (value,) = self.meta[name]
        return value

    def link(self, rel: str, **wanted: str) -> str:
        (found,) = [
            link["href"]
            for link in self.links
            if link["rel"] == rel and wanted.items() <= link.items()
        ]
        return found

    def alternates(self) -> dict[str, str]:
        return {link["hreflang"]: link["href"] for link in self.links if "hreflang" in link}


def head_of(client: Client, path: str, **headers: str) -> Head:
    return Head(client.get(path, headers=headers).content.decode())


EVERYWHERE = {code: SITE + HOME[code] for code in LANGUAGES} | {"x-default": SITE + "/"}


@IN_EACH
@pytest.mark.parametrize("page", ["petitions/protect/", ""])
def test_each_page_has_metadata_and_alternates_in_each_language(
    petition: Petition, client: Client, language: str, page: str
) -> None:
    visitor = Visitor(petition, language)
    visitor.publish_statement()
    path = HOME[language] + page
    page = page or "statements/urgent/"
    # No tag contains the request's host.
    told = head_of(client, path, Host="evil.example")

    assert told.link("canonical") == told.one("og:url") == SITE + HOME[language] + page
    assert told.alternates() == {code: home + page for code, home in EVERYWHERE.items()}
    text = PetitionText.objects.get(language=language)
    assert told.one("og:title") == told.one("twitter:title") == text.title
    summaries = {told.one(name) for name in ("description", "og:description")}
    assert summaries == {told.one("twitter:description")} == {text.ask}
    assert told.one("og:type") == ("website" if "petitions" in page else "article")
    assert told.one("og:site_name") == "SBC"
    assert told.one("og:locale") == LOCALES[language]
    others = {LOCALES[code] for code in LANGUAGES if code != language}
    assert set(told.meta["og:locale:alternate"]) == others
    image = f"{SITE}{HOME[language]}share/protect.png"
    assert told.one("og:image") == told.one("twitter:image") == image
    assert (told.one("og:image:width"), told.one("og:image:height")) == ("1200", "630")
    assert told.one("og:image:alt") == text.title
    assert told.one("twitter:card") == "summary_large_image"
    feed = told.link("alternate", type="application/atom+xml")
    assert feed == f"{SITE}{HOME[language]}feed.atom"
    assert client.get(image.removeprefix(SITE)).status_code == 200


@IN_EACH
def test_pages_contain_structured_data(petition: Petition, client: Client, language: str) -> None:
    Visitor(petition, language).publish_statement()
    for page, kind in (("statements/urgent/", "Article"), ("petitions/protect/", None)):
        path = HOME[language] + page
        (data,) = head_of(client, path).data
        text = PetitionText.objects.get(language=language)
        assert data["@context"] == "https://schema.org"
        assert data["@type"] == (kind or "WebPage")
        assert (data["name"], data["description"]) == (text.title, text.ask)
        assert (data["url"], data["inLanguage"]) == (SITE + path, language)
        assert data["publisher"]["name"] == "SBC"


def test_the_structured_data_contains_the_signature_count(
    petition: Petition, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "total", lambda petition_id: 1284)
    (data,) = head_of(client, "/petitions/protect/").data
    assert data["interactionStatistic"]["userInteractionCount"] == 1284


def test_an_untranslated_page_has_the_url_of_the_shown_language_as_canonical(
    petition: Petition, client: Client
) -> None:
    PetitionText.objects.filter(language="cy").delete()
    told = head_of(client, "/cy/petitions/protect/")

    assert told.link("canonical") == f"{SITE}/petitions/protect/"
    assert told.alternates().keys() == {"en", "ar", "x-default"}

    PetitionText.objects.filter(language="en").update(published_at=None)
    told = head_of(client, "/petitions/protect/")
    assert told.link("canonical") == f"{SITE}/ar/petitions/protect/"
    assert told.alternates() == dict.fromkeys(("ar", "x-default"), f"{SITE}/ar/petitions/protect/")


def test_a_statement_without_a_petition_has_the_default_share_image(
    petition: Petition, client: Client
) -> None:
    Visitor(petition, "en").publish_statement()
    Statement.objects.update(petition=None)
    assert head_of(client, "/").one("og:image") == f"{SITE}/static/img/share.png"


def test_the_canonical_url_of_the_front_page_is_that_of_its_statement(
    petition: Petition, client: Client
) -> None:
    """A link to the front page shows another text once another statement is featured."""
    Visitor(petition, "en").publish_statement()
    own = f"{SITE}/statements/urgent/"
    for path in ("/", "/statements/urgent/"):
        told = head_of(client, path)
        assert told.link("canonical") == told.one("og:url") == own
        assert told.data[0]["url"] == own


def test_a_statement_without_a_summary_is_described_by_its_first_words(
    petition: Petition, client: Client
) -> None:
    Visitor(petition, "en").publish_statement()
    body = "# A heading\n\nWe **ask** for [this](https://example.org) & more.\n\n- First\n- Second"
    StatementText.objects.update(summary="", body=body)

    beginning = "A heading We ask for this & more. First Second"
    assert head_of(client, "/").one("description") == beginning
    (summary,) = [
        unescape(said(entry, "summary"))
        for entry in entries(client, "/feed.atom")
        if "#statement" in said(entry, "id") or "/statement" in said(entry, "id")
    ]
    assert summary == beginning


@pytest.mark.parametrize("title", TITLES)
def test_a_hostile_title_is_escaped_in_every_tag(
    petition: Petition, client: Client, title: str
) -> None:
    Visitor(petition, "en").publish_statement()
    plain = [head_of(client, path).scripts for path in ("/", "/petitions/protect/")]
    PetitionText.objects.update(title=title, ask=title)
    StatementText.objects.update(title=title, summary=title)

    for path, scripts in zip(("/", "/petitions/protect/"), plain, strict=True):
        told = head_of(client, path)
        assert told.scripts == scripts
        (data,) = told.data
        shown = told.one("og:title")
        assert data["name"] == shown == told.one("description")
        assert shown in {title, _legible(title)}


def _legible(title: str) -> str:
    dropped = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\u202e\u2066]", "", title)
    return " ".join(dropped.split())


# --- Sitemap, robots, feed ---------------------------------------------------------------


def listed(client: Client) -> dict[str, dict[str, str]]:
    """Each address of the sitemap, with its alternates."""
    root = ET.fromstring(client.get("/sitemap.xml").content)  # noqa: S314 - our own
    assert root.tag == f"{{{XML['map']}}}urlset"
    found = {}
    for url in root:
        loc = url.find("map:loc", XML)
        assert loc is not None
        assert loc.text
        links = url.findall("xhtml:link", XML)
        assert {link.get("rel") for link in links} == {"alternate"}
        assert loc.text not in found
        found[loc.text] = {str(link.get("hreflang")): str(link.get("href")) for link in links}
    return found


def test_robots_txt_names_the_sitemap_and_disallows_token_urls(client: Client) -> None:
    response = client.get("/robots.txt", headers={"Host": "evil.example"})
    assert response["Content-Type"].startswith("text/plain")
    lines = response.content.decode().splitlines()
    assert "Disallow: /t/" in lines
    assert f"Sitemap: {SITE}/sitemap.xml" in lines


def test_every_sitemap_url_is_public_and_among_its_own_alternates(
    petition: Petition, client: Client
) -> None:
    Visitor(petition, "en").publish_statement()
    found = listed(client)

    # The front page shows a statement, which is listed at its own address.
    assert not {SITE + home for home in HOME.values()} & found.keys()
    assert {f"{SITE}{home}statements/urgent/" for home in HOME.values()} <= found.keys()
    assert {f"{SITE}{home}petitions/protect/" for home in HOME.values()} <= found.keys()
    assert {f"{SITE}{home}petitions/" for home in HOME.values()} <= found.keys()
    for address, others in found.items():
        assert address.startswith(SITE)
        assert address in others.values()
        assert others["x-default"] == others["en"]
        response = client.get(address.removeprefix(SITE))
        assert response.status_code == 200, address
        assert response["Content-Type"].startswith("text/html"), address
        assert response.get("X-Robots-Tag") is None


def test_sitemap_and_feed_list_only_public_content(petition: Petition, client: Client) -> None:
    Visitor(petition, "en").publish_statement()
    StatementText.objects.update(published_at=None)
    hidden: list[dict[str, Any]] = [
        {"state": Petition.State.DRAFT},
        {"state": Petition.State.REMOVED, "removed_reason": "A court told us to."},
    ]
    for change in hidden:
        Petition.objects.update(**change)
        assert not [address for address in listed(client) if "protect" in address]
        # Nothing is published at the front page either.
        assert f"{SITE}/" not in listed(client)
        for home in HOME.values():
            feed = client.get(f"{home}feed.atom").content.decode()
            assert "<entry" not in feed
    Petition.objects.update(state=Petition.State.OPEN)
    PetitionText.objects.update(published_at=None)
    assert not [address for address in listed(client) if "protect" in address]
    PetitionText.objects.filter(language="ar").update(published_at=timezone.now())
    found = {
        address: others
        for address, others in listed(client).items()
        if address.endswith("/protect/")
    }
    arabic = f"{SITE}/ar/petitions/protect/"
    assert found == {arabic: {"ar": arabic, "x-default": arabic}}


def entries(client: Client, path: str) -> list[ET.Element]:
    response = client.get(path)
    assert response["Content-Type"].startswith("application/atom+xml")
    root = ET.fromstring(response.content)  # noqa: S314 - our own
    assert root.tag == f"{{{XML['atom']}}}feed"
    return root.findall("atom:entry", XML)


def said(entry: ET.Element, name: str) -> str:
    found = entry.find(f"atom:{name}", XML)
    assert found is not None
    return found.text or ""


@pytest.mark.parametrize(
    ("language", "opened", "closed"),
    [
        ("en", "Petition opened: Protect the people", "Petition closed: Protect the people"),
        ("ar", "فُتحت العريضة: احموا الناس", "أُغلقت العريضة: احموا الناس"),
        ("cy", "Deiseb wedi’i hagor: Diogelwch bobl", "Deiseb wedi’i chau: Diogelwch bobl"),
    ],
)
def test_the_feed_contains_statements_openings_and_closings(
    petition: Petition, client: Client, language: str, opened: str, closed: str
) -> None:
    Visitor(petition, language).publish_statement()
    Petition.objects.update(closes_at=timezone.now() - timedelta(hours=1))

    found = entries(client, f"{HOME[language]}feed.atom")

    title = PetitionText.objects.get(language=language).title
    assert [said(entry, "title") for entry in found] == [title, closed, opened]
    assert {entry.get(XML_LANG) for entry in found} == {language}
    for entry in found:
        link = entry.find("atom:link", XML)
        assert link is not None
        assert str(link.get("href")).startswith(SITE + HOME[language])
    ids = {said(entry, "id") for entry in found}
    assert len(ids) == 3
    assert not any("//" in one for one in ids)


def test_an_unchanged_feed_is_answered_with_304(petition: Petition, settings: Settings) -> None:
    Visitor(petition, "en").publish_statement()
    settings.PAGE_CACHE_SECONDS = 0
    client = Client()
    etag = client.get("/feed.atom")["ETag"]
    assert client.get("/feed.atom", headers={"If-None-Match": etag}).status_code == 304


def test_a_feed_entry_keeps_its_id_when_another_statement_is_featured(
    petition: Petition, client: Client
) -> None:
    Visitor(petition, "en").publish_statement()
    before = {said(entry, "id") for entry in entries(client, "/feed.atom")}
    Statement.objects.update(is_featured=False)
    other = Statement.objects.create(slug="other", is_featured=True)
    other.texts.create(language="en", title="Other", body="x", published_at=timezone.now())
    after = {said(entry, "id"): said(entry, "title") for entry in entries(client, "/feed.atom")}
    assert {key for key, title in after.items() if title != "Other"} == before
    assert "Other" in after.values()


def test_an_untranslated_feed_entry_is_marked_with_its_language(
    petition: Petition, client: Client
) -> None:
    PetitionText.objects.filter(language="cy").delete()
    (entry,) = entries(client, "/cy/feed.atom")
    assert entry.get(XML_LANG) == "en"


@pytest.mark.parametrize("title", TITLES)
def test_a_hostile_title_leaves_sitemap_and_feed_well_formed(
    petition: Petition, client: Client, title: str
) -> None:
    Visitor(petition, "en").publish_statement()
    PetitionText.objects.update(title=title, ask=title)
    StatementText.objects.update(title=title, summary=title)

    assert listed(client)
    for entry in entries(client, "/feed.atom"):
        assert _legible(title) in said(entry, "title")
        # Feed readers treat the summary as HTML, so it must be escaped once more.
        assert unescape(said(entry, "summary")) == _legible(title)
        assert "<" not in said(entry, "summary")


# --- Manifest and icons ------------------------------------------------------------------


@IN_EACH
def test_the_manifest_has_its_language_and_existing_icons(
    petition: Petition, client: Client, language: str
) -> None:
    page = head_of(client, f"{HOME[language]}petitions/protect/")
    path = page.link("manifest")
    assert path == f"{HOME[language]}manifest.webmanifest"
    response = client.get(path)
    told = response.json()

    assert response["Content-Type"] == "application/manifest+json"
    assert (told["lang"], told["dir"]) == (language, direction(language))
    assert (told["name"], told["start_url"]) == ("SBC", HOME[language])
    for icon in told["icons"]:
        picture = (IMAGES / Path(icon["src"]).name).read_bytes()
        width, height = struct.unpack(">II", picture[16:24])
        assert icon["sizes"] == f"{width}x{height}"


def test_icons_exist_where_browsers_look_for_them(client: Client, db: None) -> None:
    response = client.get("/favicon.ico")
    assert response["Content-Type"] == "image/vnd.microsoft.icon"
    assert response.content[:4] == b"\0\0\1\0"
    assert response.content[22:30] == b"\x89PNG\r\n\x1a\n"
    told = head_of(client, "/")
    for link in told.links:
        if link["rel"] in {"icon", "apple-touch-icon"}:
            assert (IMAGES / Path(link["href"]).name).is_file()


def test_the_committed_icons_match_freshly_drawn_ones(tmp_path: Path) -> None:
    icons.draw(tmp_path)
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert len(drawn) == 6
    for name in drawn:
        committed, fresh = (IMAGES / name).read_bytes(), (tmp_path / name).read_bytes()
        # Edges are smoothed a little differently by other processors; its size says the rest.
        assert committed[:32] == fresh[:32], name
        assert len(committed) == pytest.approx(len(fresh), rel=0.1), name


@pytest.mark.parametrize(
    "path",
    ["/sitemap.xml", "/robots.txt", "/favicon.ico", "/ar/feed.atom", "/manifest.webmanifest"],
)
def test_machine_readable_urls_allow_head_and_refuse_post(
    petition: Petition, client: Client, path: str
) -> None:
    whole = client.get(path, headers={"Host": "evil.example"})
    assert whole.status_code == client.head(path).status_code == 200
    assert client.head(path).content == b""
    assert client.post(path).status_code == 405
    assert b"evil.example" not in whole.content
    assert not whole.cookies
    assert "Cookie" not in whole.get("Vary", "")
