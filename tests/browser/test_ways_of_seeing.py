"""Enlarged, spaced out, in forced colours, without motion, and on paper."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from campaign.local.stack import Stack
from petitions.models import Petition
from tests.browser.states import State, all_states, look_at, one_of_each_build
from tests.browser.test_journeys import PHONE, OpenPage, open_page
from tests.conftest import SLUG
from tests.integration.conftest import (
    _fresh,
    _shipped_providers,
    organisation,
    petition,
    places,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
__all__ = ["_fresh", "_shipped_providers", "open_page", "organisation", "petition", "places"]

PAGE = f"/petitions/{SLUG}/"
PREFIXES = pytest.mark.parametrize("prefix", ["", "/ar", "/cy"])
# A window of 1280 by 1024 pixels at 400 %: WCAG 2.2, 1.4.10.
ENLARGED = {"width": 320, "height": 256}
# WCAG 2.2, 1.4.12. Arabic letters join, and have no space between them to widen.
SPACED = """
* { line-height: 1.5 !important; word-spacing: .16em !important; }
:not(:lang(ar)) { letter-spacing: .12em !important; }
p { margin-block-end: 2em !important; }
"""
# What sticks out at the side, and text whose box hides a part of it. What is clipped on purpose
# measures a pixel.
CUT = """() => [...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  if (box.width <= 1 || box.height <= 1 || element.closest(".for-nobody, svg")) return false;
  const sticksOut = box.right > innerWidth + 1 || box.left < -1;
  const hides = getComputedStyle(element).overflowX !== "visible"
    && !["INPUT", "SELECT", "TEXTAREA", "PROGRESS"].includes(element.tagName)
    && element.scrollWidth > element.clientWidth + 1;
  return sticksOut || hides;
}).map((element) => `${element.tagName.toLowerCase()}.${element.className}`)"""


def cut_off(page: Page) -> Iterator[str]:
    """What does not fit at 400 %, as it is and with more space between lines, words and letters."""
    page.set_viewport_size(ENLARGED)  # type: ignore[arg-type]
    for how in ("at 400 %", "spaced out"):
        if how == "spaced out":
            page.add_style_tag(content=SPACED)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            yield f"{how}: scrolls sideways"
        yield from (f"{how}: {element}" for element in page.evaluate(CUT))


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_nothing_is_cut_at_400_per_cent_or_spaced_out(
    petition: Petition, stack: Stack, language: str
) -> None:
    states = one_of_each_build(all_states(petition, stack, language))
    # The pages' policy allows no style of ours.
    found = look_at(states, stack, cut_off, bypass_csp=True)
    assert not found, "\n".join(found)


def test_what_is_cut_is_noticed(stack: Stack) -> None:
    html = "<!doctype html><body><p>fine<div class=wide style='width: 30rem'>x</div>"
    found = look_at([State("wrong", html)], stack, cut_off, bypass_csp=True)
    assert "wrong: at 400 %: scrolls sideways" in found
    assert "wrong: at 400 %: div.wide" in found


def outline(page: Page, selector: str) -> str:
    return str(page.locator(selector).first.evaluate("(it) => getComputedStyle(it).outlineStyle"))


@PREFIXES
def test_forced_colours_keep_choices_ticks_errors_and_the_focus_visible(
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
def test_whoever_wants_less_motion_gets_none(open_page: OpenPage, prefix: str) -> None:
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
def test_paper_gets_the_text_without_form_languages_or_buttons(
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
