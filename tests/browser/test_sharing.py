"""Sharing, and what stands in a page's head, in a real Chromium under the site's own policy."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from campaign.local.stack import Stack
from tests import SLUG

pytestmark = pytest.mark.browser

PHONE = ViewportSize(width=320, height=568)
OpenPage = Callable[..., Page]
# What the policy refused, from the page's first moment on.
WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (e) => refused.push(e.violatedDirective));
"""
WITHOUT_SHEET = "delete Navigator.prototype.share;"
WITH_SHEET = """
window.told = new Promise((resolve) => {
  Navigator.prototype.share = async (told) => resolve(told);
});
"""


@pytest.fixture
def open_page(chromium: Browser, stack: Stack) -> Iterator[OpenPage]:
    """Pages of a fresh browser; the test fails on any error that the console shows."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def open_one(path: str, *scripts: str, **options: Any) -> Page:
        context = chromium.new_context(viewport=PHONE, base_url=stack.site_url, **options)
        contexts.append(context)
        page = context.new_page()
        for script in (WATCH, *scripts):
            page.add_init_script(script)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "console",
            lambda told: troubles.append(told.text) if told.type in {"error", "warning"} else None,
        )
        page.goto(path)
        page.wait_for_load_state("networkidle")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not troubles


@pytest.mark.parametrize("path", ["/", f"/ar/petitions/{SLUG}/", "/cy/"])
def test_the_csp_does_not_block_json_ld(open_page: OpenPage, path: str) -> None:
    page = open_page(path)
    assert page.locator('script[type="application/ld+json"]').count() == 1
    assert page.evaluate("window.refused") == []


@pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
def test_the_copy_button_copies_the_share_link(
    open_page: OpenPage, stack: Stack, home: str
) -> None:
    page = open_page(
        f"{home}petitions/{SLUG}/",
        WITHOUT_SHEET,
        permissions=["clipboard-read", "clipboard-write"],
    )
    section = page.locator(".sharing")
    expect(section.locator(".share-sheet")).to_be_hidden()

    section.locator(".copy-row button").click()

    expect(section.locator("[role=status]")).not_to_be_empty()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{stack.site_url}{home}petitions/{SLUG}/?s=link"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_native_share_sheet_gets_the_url_text_and_title(
    open_page: OpenPage, stack: Stack
) -> None:
    page = open_page(f"/petitions/{SLUG}/", WITH_SHEET)

    page.locator(".share-sheet button").click()

    told = page.evaluate("window.told")
    assert told["url"] == f"{stack.site_url}/petitions/{SLUG}/?s=share"
    assert told["text"].startswith("Read and sign: ")
    assert told["title"] in told["text"]


def test_share_links_and_the_address_are_visible_without_javascript(open_page: OpenPage) -> None:
    page = open_page(f"/ar/petitions/{SLUG}/", java_script_enabled=False)
    section = page.locator(".sharing")
    assert section.locator(".share a").count() == 7
    assert section.locator("#share-address").is_visible()
    assert [button.is_visible() for button in section.locator("button").all()] == [False, False]
    for link in section.locator("a").all():
        box = link.bounding_box()
        assert box
        assert box["height"] >= 44


def test_every_icon_and_share_image_of_a_page_exists(open_page: OpenPage) -> None:
    page = open_page(f"/cy/petitions/{SLUG}/")
    told = page.request.get(str(page.locator("link[rel=manifest]").get_attribute("href"))).json()
    named = [icon["src"] for icon in told["icons"]]
    links = page.locator("link[rel=icon], link[rel=apple-touch-icon]").all()
    named += [str(link.get_attribute("href")) for link in links]
    named.append(str(page.locator("meta[property='og:image']").get_attribute("content")))
    for address in named:
        answer = page.request.get(address)
        assert answer.status == 200, address
        assert answer.headers["content-type"].startswith("image/")
