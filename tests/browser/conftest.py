"""A real Chromium: the machine's own, else Playwright's download, else skipped by name."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, Playwright, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nothing that calls home: these tests fail on any request to another site.
_FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# Milliseconds: what is expected comes at once on a quiet machine, and also on a busy one.
expect.set_options(timeout=20_000)
HOW_TO = "no Chromium: install it (Debian: apt-get install chromium) and run make test again"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


def launch(playwright: Playwright) -> Browser:
    """A browser; without one the test is skipped, or fails where everything must be there."""
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found:
        return playwright.chromium.launch(executable_path=found, args=flags)
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    try:
        subprocess.run(command, check=True, timeout=300, capture_output=True)
        return playwright.chromium.launch(args=flags)
    except (subprocess.SubprocessError, Error):
        if os.environ.get("CI"):
            pytest.fail(HOW_TO)
        pytest.skip(HOW_TO)
