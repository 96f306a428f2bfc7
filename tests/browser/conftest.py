"""A real Chromium, the machine's own or else Playwright's, and fonts that the tests name."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

# Chromium without its windows is the same engine at a third of the price of each page.
_NAMES = (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome",
    "google-chrome-stable",
)  # fmt: skip
# Nothing that calls home: these tests fail on any request to another site.
_FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# Milliseconds: what is expected comes at once on a quiet machine, and also on a busy one.
expect.set_options(timeout=20_000)
HOW_TO = (
    "no Chromium: install the machine's own (Debian: apt-get install"
    f" chromium-headless-shell) or Playwright's ({sys.executable} -m playwright install chromium),"
    " and run make test again"
)
# One that is wide and one that is narrow, with Debian's package of each. What a page looks like
# with the fonts that a machine happens to have tells nothing of others.
FONTS = {"DejaVu Sans": "fonts-dejavu-core", "Liberation Sans": "fonts-liberation"}


# Not for the session: while Playwright's event loop runs in this thread, Django refuses queries
# and `asyncio.run` fails, also in tests that need no browser.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def fonts() -> tuple[str, ...]:
    """The fonts that pages are tried with; skipped or failed by name where one is missing."""
    for font, package in FONTS.items():
        if not has_font(font):
            do_without(f"no font {font}: install it (Debian: apt-get install fontconfig {package})")
    return tuple(FONTS)


def has_font(name: str) -> bool:
    """Whether fontconfig finds this very font, and not the next best."""
    try:
        command = ["fc-match", "--format", "%{family[0]}", name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout == name
    except (OSError, subprocess.CalledProcessError):
        return False


def launch(playwright: Playwright) -> Browser:
    """A browser; without one the test is skipped at once, or fails where all must be there.

    Nothing is downloaded: six tests would each try, for minutes where there is no network.
    """
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    found = next(filter(None, map(shutil.which, _NAMES)), playwright.chromium.executable_path)
    if not Path(found).exists():
        do_without(HOW_TO)
    return playwright.chromium.launch(executable_path=found, args=flags)


def do_without(reason: str) -> NoReturn:
    """Skip the test for want of something on this machine; in CI nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
