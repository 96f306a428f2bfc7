"""In forced colours, without motion, and on paper."""

import pytest
from playwright.sync_api import Page, expect

from tests import SLUG
from tests.browser.test_journeys import PHONE, OpenPage, open_page

pytestmark = pytest.mark.browser
__all__ = ["open_page"]

PAGE = f"/petitions/{SLUG}/"
# Welsh has the style sheet of English.
PREFIXES = pytest.mark.parametrize("prefix", ["", "/ar"])


def outline(page: Page, selector: str) -> str:
    return str(page.locator(selector).first.evaluate("(it) => getComputedStyle(it).outlineStyle"))


@PREFIXES
def test_forced_colours_keep_selections_errors_and_focus_visible(
    open_page: OpenPage, prefix: str
) -> None:
    page = open_page(PHONE)
    page.emulate_media(forced_colors="active")
    page.goto(f"{prefix}{PAGE}")
    page.check("[name=name_use][value=withheld]")
    assert outline(page, ".choice:has(:checked)") == "solid"
    assert outline(page, ".choice:not(:has(:checked))") == "none"
    # The system draws its own ticks, in its own colours.
    drawn = page.locator("[name=consent]").evaluate("(it) => getComputedStyle(it).appearance")
    assert drawn == "auto"
    page.focus("[name=name]")
    page.keyboard.press("Tab")
    assert outline(page, ":focus") == "solid"
    page.click("main form button[type=submit]")
    expect(page.locator("#error-summary")).to_be_focused()
    edge = page.locator("#error-summary").evaluate(
        "(it) => parseFloat(getComputedStyle(it).borderInlineStartWidth)"
    )
    assert edge >= 3


@PREFIXES
def test_reduced_motion_disables_all_animation(open_page: OpenPage, prefix: str) -> None:
    moving = """() => [...document.querySelectorAll("*")].filter((element) => {
      const look = getComputedStyle(element);
      return look.transitionProperty !== "none" && parseFloat(look.transitionDuration) > 0
        || look.animationName !== "none" || look.scrollBehavior === "smooth";
    }).length"""
    page = open_page(PHONE)
    page.goto(f"{prefix}{PAGE}")
    assert page.evaluate(moving) > 0, "Bootstrap moves, or this looks for the wrong thing"
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(moving) == 0


@PREFIXES
def test_the_print_style_hides_the_form_navigation_and_buttons(
    open_page: OpenPage, prefix: str
) -> None:
    page = open_page()
    for path in (f"{prefix}/", f"{prefix}{PAGE}"):
        page.goto(path)
        page.emulate_media(media="print")
        for selector in ("nav", ".skip-link", ".btn", "form", ".sharing"):
            for element in page.locator(selector).all():
                expect(element).to_be_hidden()
        for selector in ("h1", ".lead", ".prose", ".count-number"):
            expect(page.locator(selector).first).to_be_visible()
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"
        page.emulate_media(media="screen")
