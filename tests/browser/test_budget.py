"""What a visit costs somebody with a cheap phone in a bad network: bytes, requests, jumps.

How soon the largest part is painted, Lighthouse says: `make lighthouse`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from campaign.local.stack import Stack
from tests import SLUG

pytestmark = pytest.mark.browser

MOST_BYTES, MOST_REQUESTS = 40_000, 8
# A page and what it may not be painted without: two or three flights of a new connection.
MOST_BYTES_TO_PAINT = 25_000
# What Lighthouse and others call slow 4G: 150 ms there and back, 1.6 Mbit/s, and a phone whose
# processor is a quarter as fast as a desk's.
SLOW_4G = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6 * 1024 * 1024 / 8,
    "uploadThroughput": 0.75 * 1024 * 1024 / 8,
}
SLOWER = 4
# The sum of all shifts, once the browser has told of a paint.
WATCH = """
window.shift = 0;
window.painted = new Promise((resolve) => {
  new PerformanceObserver(resolve).observe({ type: "largest-contentful-paint", buffered: true });
});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# What the browser waits for, and who asked for it: the page itself, or what came after it.
BLOCKING = """() => [...performance.getEntriesByType("navigation"),
  ...performance.getEntriesByType("resource")]
  .filter((entry) => entry.entryType === "navigation" || entry.renderBlockingStatus === "blocking")
  .map((entry) => [entry.initiatorType, entry.transferSize])"""
LANGUAGES = pytest.mark.parametrize("prefix", ["", "/ar", "/cy"])


class Visit:
    """What comes over the network from a browser's first page on, with an empty cache."""

    def __init__(self, page: Page) -> None:
        # Compressed, with headers, of each answer that was not in the cache already.
        self.sizes: list[int] = []
        self.sites: set[str] = set()
        self.headers: set[str] = set()
        cdp = page.context.new_cdp_session(page)
        cdp.on("Network.requestWillBeSent", self._asked)
        cdp.on("Network.responseReceivedExtraInfo", self._answered)
        cdp.on("Network.loadingFinished", self._came)
        cdp.send("Network.enable")

    def _asked(self, told: dict[str, Any]) -> None:
        address = urlsplit(told["request"]["url"])
        if address.scheme != "data":
            self.sites.add(address.netloc)

    def _answered(self, told: dict[str, Any]) -> None:
        self.headers |= {name.lower() for name in told["headers"]}

    def _came(self, told: dict[str, Any]) -> None:
        if size := int(told["encodedDataLength"]):
            self.sizes.append(size)


@contextmanager
def opened(chromium: Browser, stack: Stack) -> Iterator[Page]:
    context = chromium.new_context(
        base_url=stack.site_url,
        viewport={"width": 360, "height": 640},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
    )
    try:
        yield context.new_page()
    finally:
        context.close()


@LANGUAGES
def test_a_visit_stays_within_its_byte_budget_without_third_parties_or_cookies(
    chromium: Browser, stack: Stack, prefix: str
) -> None:
    with opened(chromium, stack) as page:
        visit = Visit(page)
        page.goto(f"{prefix}/")
        page.wait_for_load_state("networkidle")
        page.click("main a[href*=petitions]")
        page.wait_for_url("**/petitions/**")
        page.wait_for_load_state("networkidle")
        assert page.locator("form [name=consent]").count() == 1
        assert sum(visit.sizes) <= MOST_BYTES
        assert 5 <= len(visit.sizes) <= MOST_REQUESTS
        assert visit.sites == {urlsplit(stack.site_url).netloc}
        assert "content-security-policy" in visit.headers
        assert "set-cookie" not in visit.headers
        assert page.context.cookies() == []


FIRST_PAGES = pytest.mark.parametrize(
    "path",
    [f"{prefix}{page}" for page in ("/", f"/petitions/{SLUG}/") for prefix in ("", "/ar", "/cy")],
)


@FIRST_PAGES
def test_render_blocking_resources_stay_within_their_budget(
    chromium: Browser, stack: Stack, path: str
) -> None:
    with opened(chromium, stack) as page:
        page.goto(path, wait_until="networkidle")
        blocking = page.evaluate(BLOCKING)
    # No script, and no sheet that another sheet imports.
    assert [by for by, _size in blocking] == ["navigation", "link", "link"]
    assert min(size for _by, size in blocking) > 0
    assert sum(size for _by, size in blocking) <= MOST_BYTES_TO_PAINT


@FIRST_PAGES
def test_pages_load_without_layout_shift(chromium: Browser, stack: Stack, path: str) -> None:
    assert _moved(chromium, stack, path) == 0


def _moved(chromium: Browser, stack: Stack, path: str) -> float:
    """How far things moved until the largest paint and after it, on a first visit."""
    with opened(chromium, stack) as page:
        page.add_init_script(WATCH)
        cdp = page.context.new_cdp_session(page)
        cdp.send("Network.enable")
        cdp.send("Network.emulateNetworkConditions", SLOW_4G)
        cdp.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        page.goto(path, wait_until="networkidle")
        return float(page.evaluate("painted.then(() => shift)"))
