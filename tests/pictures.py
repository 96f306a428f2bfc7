"""Take the screenshots of README: `make pictures`.

Starts the site, lets invented people sign, and opens the petition on a desktop and on a phone.
"""

import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from campaign.local.stack import Stack
from tests import SLUG
from tests.browser.conftest import launch

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "petition.png"
SIGNED = "1284"
HEIGHT = 720
# Path of each page, and the width of its window in pixels.
VIEWS = ((f"/petitions/{SLUG}/", 1100), (f"/ar/petitions/{SLUG}/", 340))
SHEET = """<body style="display: flex; gap: 20px; margin: 20px; background: #dfe5e6">
{}</body>"""
VIEW = '<img src="data:image/png;base64,{}" style="border-radius: 10px">'


def main() -> None:
    """Take the screenshots, and write them as the image that README shows."""
    folder = tempfile.TemporaryDirectory(prefix="undersigned-pictures-")
    with folder as name, Stack(Path(name) / "site").start() as stack, sync_playwright() as player:
        _sign(stack)
        browser = launch(player)
        PICTURE.write_bytes(_sheet(browser, [_view(browser, stack, *view) for view in VIEWS]))
        browser.close()


def _sign(stack: Stack) -> None:
    command = [sys.executable, "manage.py", "seed_signatures", SLUG, SIGNED]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **stack.environment}, check=True)


def _view(browser: Browser, stack: Stack, path: str, width: int) -> bytes:
    page = browser.new_page(viewport={"width": width, "height": HEIGHT})
    page.goto(f"{stack.site_url}{path}", wait_until="networkidle")
    return page.screenshot()


def _sheet(browser: Browser, views: list[bytes]) -> bytes:
    width = sum(width for _path, width in VIEWS) + 20 * (len(VIEWS) + 1)
    page = browser.new_page(viewport={"width": width, "height": HEIGHT + 40})
    encoded = (base64.b64encode(view).decode() for view in views)
    page.set_content(SHEET.format("".join(map(VIEW.format, encoded))), wait_until="load")
    return page.screenshot()


if __name__ == "__main__":
    main()
