"""Every state of every public page: axe-core finds nothing, and nothing is cut when enlarged."""

import json
from collections.abc import Iterator
from functools import partial

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from campaign.local.stack import Stack
from petitions.models import Petition
from tests.browser.conftest import FONTS
from tests.browser.states import (
    HEIGHT,
    NARROW,
    WIDE,
    State,
    all_states,
    look_at,
    one_of_each_build,
)
from tests.integration.conftest import (
    _fresh,
    organisation,
    petition,
    places,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
__all__ = ["_fresh", "organisation", "petition", "places"]

AXE = Axe().axe_script
# No rule that runs reads style sheets by itself; reading them anew costs more than the rest.
OPTIONS = {"resultTypes": ["violations"], "preload": False}
RUN = "(options) => axe.run(options).then((results) => results.violations)"
# Each language in one view, for what a language changes are words and, in Arabic, the direction;
# and no width changes a colour. Both widths and both schemes are among the three.
VIEWS = {"en": (NARROW, "light"), "ar": (WIDE, "dark"), "cy": (NARROW, "dark")}
# A window of 1280 by 1024 pixels at 400 %: WCAG 2.2, 1.4.10.
ENLARGED = {"width": 320, "height": 256}
# WCAG 2.2, 1.4.12. Arabic letters join, and have no space between them to widen.
SPACED = """
* { line-height: 1.5 !important; word-spacing: .16em !important; }
:not(:lang(ar)) { letter-spacing: .12em !important; }
p { margin-block-end: 2em !important; }
"""
FONT = "* {{ font-family: '{}' !important; }}"
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
LANGUAGES = pytest.mark.parametrize("language", ["en", "ar", "cy"])
# What is wrong, by language: a page is opened once for all that looks at it.
_SEEN: dict[str, list[str]] = {}


def seen(petition: Petition, stack: Stack, language: str) -> list[str]:
    """What is wrong in any state, each line with the kind of trouble and the state's name."""
    if language not in _SEEN:
        states = all_states(petition, stack, language)
        assert len(states) > 100
        # With the page's policy in force, neither axe nor a style sheet could be brought in.
        # Half-way through a change of colour there is no contrast to speak of: with less motion,
        # colours change at once.
        _SEEN[language] = look_at(
            one_of_each_build(states),
            stack,
            partial(everything, language),
            bypass_csp=True,
            reduced_motion="reduce",
        )
    return _SEEN[language]


def everything(language: str, page: Page) -> Iterator[str]:
    """All that is looked at on one page; what changes the page comes last."""
    yield from (f"axe: {trouble}" for trouble in violations(language, page))
    yield from (f"cut: {trouble}" for trouble in cut_off(page))


def violations(language: str, page: Page) -> Iterator[str]:
    """What axe finds on a page in the view of its language."""
    width, scheme = VIEWS[language]
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.evaluate(AXE)
    for violation in page.evaluate(RUN, OPTIONS):
        where = [node["target"] for node in violation["nodes"]]
        why = violation["nodes"][0]["failureSummary"]
        yield f"{violation['id']} at {width} px, {scheme}: {json.dumps(where)} {why}"


@LANGUAGES
def test_every_state_of_every_public_page_passes_axe(
    petition: Petition, stack: Stack, language: str
) -> None:
    found = [trouble for trouble in seen(petition, stack, language) if ": axe: " in trouble]
    assert not found, "\n".join(found)


def test_axe_reports_known_accessibility_violations(stack: Stack) -> None:
    html = "<!doctype html><html><body><img src='x.png'><input><p style='color: #ccc'>faint"
    found = look_at([State("wrong", html)], stack, partial(everything, "en"), bypass_csp=True)
    rules = {trouble.split()[2] for trouble in found if ": axe: " in trouble}
    assert rules >= {"color-contrast", "document-title", "html-has-lang", "image-alt", "label"}


def cut_off(page: Page) -> Iterator[str]:
    """What does not fit at 400 %, as it is and with more space between lines, words and letters,
    in a wide font and a narrow one.
    """
    page.set_viewport_size(ENLARGED)  # type: ignore[arg-type]
    for how, added in (("at 400 %", ""), ("spaced out", SPACED)):
        for font in FONTS:
            page.add_style_tag(content=added + FONT.format(font))
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                yield f"{how} in {font}: scrolls sideways"
            yield from (f"{how} in {font}: {element}" for element in page.evaluate(CUT))


@pytest.mark.usefixtures("fonts")
@LANGUAGES
def test_public_pages_are_not_cut_off_at_400_per_cent_or_with_text_spacing(
    petition: Petition, stack: Stack, language: str
) -> None:
    found = [trouble for trouble in seen(petition, stack, language) if ": cut: " in trouble]
    assert not found, "\n".join(found)


@pytest.mark.usefixtures("fonts")
def test_content_that_is_cut_off_is_detected(stack: Stack) -> None:
    html = "<!doctype html><body><p>fine<div class=wide style='width: 30rem'>x</div>"
    found = look_at([State("wrong", html)], stack, partial(everything, "en"), bypass_csp=True)
    assert "wrong: cut: at 400 % in Liberation Sans: scrolls sideways" in found
    assert "wrong: cut: at 400 % in DejaVu Sans: div.wide" in found


@pytest.mark.usefixtures("fonts")
def test_a_word_cut_off_only_in_a_wide_font_is_detected(stack: Stack) -> None:
    html = "<!doctype html><body style='margin: 0'><p style='font-size: 40px'>mmmmmmmmm"
    found = look_at([State("wrong", html)], stack, partial(everything, "en"), bypass_csp=True)
    sideways = {trouble for trouble in found if trouble.endswith("scrolls sideways")}
    assert "wrong: cut: at 400 % in DejaVu Sans: scrolls sideways" in sideways
    assert "wrong: cut: at 400 % in Liberation Sans: scrolls sideways" not in sideways
