"""Every screen of the admin, as each role: axe finds nothing, nothing sticks out or overlaps."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from campaign.local.stack import Stack
from petitions.staff.roles import ADMINISTRATORS, MODERATORS, ORGANISERS
from tests import SLUG
from tests.browser.staff import log_in
from tests.browser.test_journeys import fits

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

AXE = Axe().axe_script
# No rule that runs reads style sheets by itself; reading them anew costs more than the rest.
RUN = """() => axe.run({resultTypes: ["violations"], preload: false})
    .then(r => r.violations.map(v => v.id + ' ' + v.nodes[0].html.slice(0, 120)))"""
# Cells of a table whose text runs into the next: a box that is narrower than what is in it.
OVERLAPS = """() => [...document.querySelectorAll('.results :is(td, th)')]
    .filter((cell) => cell.innerText.trim() && cell.scrollWidth > cell.clientWidth + 1)
    .map((cell) => cell.innerText.slice(0, 60))"""
# Menus whose chosen words are cut off, although there is room beside them.
CUT = """() => [...document.querySelectorAll('select:not([multiple])')].filter((menu) => {
    const style = getComputedStyle(menu), pen = document.createElement('canvas').getContext('2d');
    pen.font = style.font;
    const words = menu.selectedOptions[0]?.text ?? '';
    const room = menu.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return menu.offsetWidth && pen.measureText(words).width > room + 1
        && menu.offsetWidth < menu.parentElement.clientWidth - 1;
}).map((menu) => menu.selectedOptions[0].text)"""
# Labels that run into the field beside them.
CROWDED = """() => [...document.querySelectorAll('.form-row > label')].filter((label) => {
    const field = label.nextElementSibling?.getBoundingClientRect();
    const words = label.getBoundingClientRect();
    return field && field.top < words.bottom && field.left >= words.left
        && field.left - words.right < 8;
}).map((label) => label.innerText)"""
# Each width with one scheme: light or dark changes colours alone, and the width none of them.
VIEWS = [(1280, "light"), (360, "dark")]
OPEN = ["login/", "forgotten/", "forgotten/sent/", "password/MQ/a-b/"]
SCREENS = {
    MODERATORS: [
        "", "petitions/activityminute/", "petitions/signature/", "petitions/decision/",
        "petitions/alert/", "petitions/alert/mail/", "petitions/rule/", "petitions/rule/add/",
        "petitions/petition/", "petitions/export/", "nowhere/",
        "second-factor/set-up/", "password_change/", "password-again/",
    ],
    ORGANISERS: [
        "", "petitions/petition/", "petitions/petition/add/", "petitions/milestone/",
        "petitions/milestone/add/", "petitions/source/", "petitions/source/add/",
        "petitions/organisation/", "petitions/mail/", "petitions/enquiry/", "petitions/snapshot/",
        "petitions/export/", "petitions/export/new/", "petitions/export/new/hand-in/",
        "petitions/news/add/", "petitions/erasure/", "petitions/erasurestop/",
        "campaign/statement/", "campaign/statement/add/", "petitions/signature/",
        "petitions/activityminute/",
    ],
    ADMINISTRATORS: ["", "auth/user/", "auth/user/add/", "petitions/auditrecord/"],
}  # fmt: skip
# What a list leads to: its first row.
FIRST_ROW = {
    MODERATORS: ["petitions/signature/", "petitions/decision/"],
    ORGANISERS: ["petitions/petition/", "campaign/statement/"],
    ADMINISTRATORS: ["auth/user/"],
}


def wrong_on(page: Page) -> Iterator[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    yield from page.evaluate(RUN)
    yield from (f"overlaps: {text}" for text in page.evaluate(OVERLAPS))
    yield from (f"cut off: {text}" for text in page.evaluate(CUT))
    yield from (f"runs into its field: {text}" for text in page.evaluate(CROWDED))
    if not fits(page):
        yield "scrolls sideways"


def looked_at(page: Page, path: str) -> Iterator[str]:
    """What is wrong on one page in all its views."""
    # Colours that fade from one scheme to the other have no contrast on the way.
    page.add_style_tag(content="* { transition: none !important }")
    for width, scheme in VIEWS:
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        yield from (f"/admin/{path} {width} {scheme}: {what}" for what in wrong_on(page))


PILE_UP = """
import sys, django
django.setup()
from petitions.models import Petition
from petitions.signers.sealing import Attempt
from tests.people import sign_and_confirm
piled = Attempt(name="Z" + "\u030b" * 60 + "o Example", email="zo@example.net", postcode="M145RX",
                name_use="withheld")
sign_and_confirm(Petition.objects.get(slug=sys.argv[1]), piled)
"""


@pytest.fixture
def page(chromium: Browser, stack: Stack) -> Iterator[Page]:
    # With the page's policy in force axe could not be brought in.
    context = chromium.new_context(base_url=stack.site_url, bypass_csp=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("role", SCREENS)
def test_every_admin_page_passes_axe_and_has_no_overlaps_for_each_role(
    page: Page, stack: Stack, role: str
) -> None:
    log_in(page, stack, role)
    found: list[str] = []
    for path in SCREENS[role]:
        page.goto(f"/admin/{path}")
        found += looked_at(page, path)
    for path in FIRST_ROW[role]:
        page.goto(f"/admin/{path}")
        first = page.locator("#result_list tbody a").first
        if first.count():
            page.goto(str(first.get_attribute("href")))
            found += looked_at(page, f"{path} first row")
    assert not found


def test_the_admin_pages_before_login_pass_axe(page: Page) -> None:
    found: list[str] = []
    for path in OPEN:
        page.goto(f"/admin/{path}")
        found += looked_at(page, path)
    assert not found


def test_the_export_page_tells_a_moderator_whom_to_ask(page: Page, stack: Stack) -> None:
    log_in(page, stack, ORGANISERS)
    log_in(page, stack, MODERATORS)
    page.goto("/admin/petitions/export/new/")

    expect(page.locator("#content-main")).to_contain_text("Only organisers export signatures.")
    expect(page.locator("#content-main")).to_contain_text("Ask omar")


def test_the_list_filters_are_beside_the_list_on_desktop_and_below_on_a_phone(
    page: Page, stack: Stack
) -> None:
    log_in(page, stack)
    boxes = []
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"/admin/petitions/signature/?petition={SLUG}&order=newest")
        boxes.append([page.locator(one).bounding_box() for one in (".shown", "#filters")])
    (shown, beside), (above, below) = boxes
    assert shown
    assert beside
    assert beside["x"] >= shown["x"] + shown["width"]
    assert above
    assert below
    assert below["y"] >= above["y"] + above["height"]
    assert below["x"] == above["x"]


@pytest.fixture(scope="module")
def piled_up(stack: Stack) -> None:
    """Somebody who signed with marks piled up on their name, the newest."""
    command = [sys.executable, "-c", PILE_UP, SLUG]
    environment = {**os.environ, **stack.environment}
    subprocess.run(command, env=environment, cwd=settings.BASE_DIR, check=True)


def test_the_pages_about_one_signer_pass_axe(page: Page, stack: Stack, piled_up: None) -> None:
    log_in(page, stack)
    every = f"/admin/petitions/signature/?petition={SLUG}&order=newest"
    page.goto(every)
    page.locator("#result_list tbody a").first.click()
    page.get_by_text("Delete this person’s data at their request").click()
    found = list(looked_at(page, "erasing"))
    page.get_by_role("link", name="Reveal it").click()
    page.fill("#id_reason", "They wrote to us")
    page.get_by_role("button", name="Reveal the address").click()
    expect(page.locator(".revealed")).to_be_visible()
    found += looked_at(page, "revealed")
    page.goto(every)
    page.fill("#sought", "nobody@example.net")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("#content-main")).to_contain_text("No signature has that email address")
    expect(page.locator("#sought")).to_have_value("nobody@example.net")
    found += looked_at(page, "found nothing")
    assert not found


def test_stacked_combining_marks_of_a_name_cover_nothing_in_the_admin(
    page: Page, stack: Stack, piled_up: None
) -> None:
    log_in(page, stack)
    page.goto(f"/admin/petitions/signature/?petition={SLUG}&order=newest")
    assert is_clipped(page, "#result_list td bdi")
    page.locator("#result_list tbody a").first.click()
    assert is_clipped(page, ".facts bdi")


def is_clipped(page: Page, name: str) -> bool:
    """Whether what stands above the first such name looks the same with and without its marks."""
    box = page.locator(name).first.bounding_box()
    assert box
    above: Any = {"x": box["x"], "y": box["y"] - 100, "width": 300, "height": 90}
    with_marks = page.screenshot(clip=above)
    page.locator(name).first.evaluate("one => one.style.visibility = 'hidden'")
    return page.screenshot(clip=above) == with_marks


def test_the_skip_link_of_the_admin_home_works_by_keyboard(page: Page, stack: Stack) -> None:
    log_in(page, stack)
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_contain_text("Skip to main content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
