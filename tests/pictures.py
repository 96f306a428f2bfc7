"""Take the screenshots of README and of the handbooks: `make pictures`.

Starts the site, lets invented people and a script sign, and opens each screen as whoever works at
it: a member of one role, never a superuser.
"""

import base64
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import django
from playwright.sync_api import Browser, Page, sync_playwright

from campaign.local.stack import Stack
from tests import SLUG
from tests.browser.conftest import launch

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SIGNED = "1284"
HEIGHT = 720
DESK, TELEPHONE = 1280, 360
# Path of each page of README's picture, and the width of its window in pixels.
VIEWS = ((f"/petitions/{SLUG}/", 1100), (f"/ar/petitions/{SLUG}/", 340))
SHEET = """<body style="display: flex; gap: 20px; margin: 20px; background: #dfe5e6">
{}</body>"""
VIEW = '<img src="data:image/png;base64,{}" style="border-radius: 10px">'
# An attack that raises alerts, among people who sign; a message; figures as at the next full hour.
_PREPARE = """
import sys, django
django.setup()
from datetime import timedelta
from django.utils import timezone
from petitions.counting import figures
from petitions.mail import enquiries
from petitions.mail.enquiries import Letter
from petitions.models import Petition, Rule
from petitions.moderation import activity, alert_causes
from tests import drill
drill.attack(Petition.objects.get(slug=sys.argv[1]), scripted=160, genuine=40, networks=3)
alert_causes.raise_and_close()
rule = {"note": "A conference.", "expires_at": timezone.now() + timedelta(days=7)}
Rule.objects.create(kind="network", action="allow", pattern="192.0.2.0/24", **rule)
rule["note"] = "A script."
Rule.objects.create(kind="domain", action="block", pattern="example.net", **rule)
activity.roll_up()
said = "I signed last week, and would like to know which day you hand it in."
letter = Letter(name="Robin Example", email="robin@example.org", message=said, language="en")
enquiries.receive(kind="question", letter=letter)
figures.count_due(timezone.now() + timedelta(hours=1))
"""


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of the admin: `name` of its image, `path`, and what is pressed on the way there."""

    name: str
    path: str
    pressed: tuple[str, ...] = ()
    width: int = DESK
    height: int = HEIGHT


LIST, PETITIONS = "/admin/petitions/signature/", "/admin/petitions/petition/"
FIRST = "#result_list tbody a"


def _of_petition(name: str, tool: str, height: int = HEIGHT) -> Screen:
    """A screen that one of the links at the top of a petition's page leads to."""
    return Screen(name, PETITIONS, (FIRST, f".object-tools a:has-text('{tool}')"), height=height)


SCREENS = {
    "Moderators": (
        Screen("home", "/admin/"),
        Screen("list", LIST),
        Screen("list-telephone", LIST, width=TELEPHONE),
        Screen("signature", LIST, (FIRST,), height=900),
        Screen("alert", "/admin/", ("text=What to do",), height=900),
        Screen("alerts", "/admin/petitions/alert/"),
        Screen("alerts-by-mail", "/admin/petitions/alert/mail/"),
        Screen("cockpit", "/admin/petitions/activityminute/", height=1200),
        Screen("preview", LIST, ("[name=scope][value=all]", "[value=approve]"), height=900),
        Screen("decisions", "/admin/petitions/decision/"),
        Screen("decision", "/admin/petitions/decision/", (FIRST,), height=900),
        Screen("rule", "/admin/petitions/rule/add/"),
        Screen("rules", "/admin/petitions/rule/"),
        _of_petition("switches", "Switches"),
    ),
    "Organisers": (
        _of_petition("texts", "Texts", height=1000),
        _of_petition("preview", "Preview", height=1000),
        _of_petition("checklist", "Checklist", height=1000),
        _of_petition("figures", "Figures", height=1400),
        _of_petition("exports", "Export", height=1000),
        Screen("mail", "/admin/petitions/sendercheck/", height=900),
        Screen("news", "/admin/petitions/news/add/", height=900),
        Screen("message", "/admin/petitions/enquiry/", (FIRST,), height=1200),
    ),
}


def main() -> None:
    """Take the screenshots, and write them as the images that the documents show."""
    folder = tempfile.TemporaryDirectory(prefix="undersigned-pictures-")
    with folder as name, Stack(Path(name) / "site").start() as stack, sync_playwright() as player:
        os.environ.update(stack.environment)
        django.setup()
        from tests.browser.staff import log_in

        _run("manage.py", "seed_signatures", SLUG, SIGNED)
        browser = launch(player)
        sheet = _sheet(browser, [_view(browser, stack, *view) for view in VIEWS])
        (IMAGES / "petition.png").write_bytes(sheet)
        _run("-c", _PREPARE, SLUG)
        for role, screens in SCREENS.items():
            page = browser.new_page(base_url=stack.site_url)
            log_in(page, stack, role)
            for screen in screens:
                path = IMAGES / role.lower() / f"{screen.name}.webp"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(_taken(page, screen))
        browser.close()


def _run(*command: str) -> None:
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True)


def _taken(page: Page, screen: Screen) -> bytes:
    page.set_viewport_size({"width": screen.width, "height": screen.height})
    page.goto(screen.path)
    for selector in screen.pressed:
        page.locator(selector).first.click()
    page.wait_for_load_state("networkidle")
    session = page.context.new_cdp_session(page)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": 75})
    return base64.b64decode(taken["data"])


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
