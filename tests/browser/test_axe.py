"""axe-core finds nothing: every state of every public page, light and dark, narrow and wide."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from campaign.local.stack import Stack
from petitions.models import Petition
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
    _shipped_providers,
    organisation,
    petition,
    places,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
__all__ = ["_fresh", "_shipped_providers", "organisation", "petition", "places"]

AXE = Axe().axe_script
# No rule that runs reads style sheets by itself; reading them anew costs more than the rest.
OPTIONS: dict[str, Any] = {"resultTypes": ["violations"], "preload": False}
COLOURS = {**OPTIONS, "runOnly": ["color-contrast", "link-in-text-block"]}
RUN = "(options) => axe.run(options).then((results) => results.violations)"
# Each language is seen narrow and wide, light and dark. The other two pairs add colours, which
# no language changes.
VIEWS: dict[str, list[tuple[int, str, dict[str, Any]]]] = {
    "ar": [(NARROW, "light", OPTIONS), (WIDE, "dark", OPTIONS)],
    "cy": [(NARROW, "dark", OPTIONS), (WIDE, "light", OPTIONS)],
    "en": [
        (NARROW, "light", OPTIONS),
        (NARROW, "dark", COLOURS),
        (WIDE, "dark", OPTIONS),
        (WIDE, "light", COLOURS),
    ],
}


def violations(language: str, page: Page) -> Iterator[str]:
    """What axe finds on a page in all its views."""
    page.evaluate(AXE)
    for width, scheme, options in VIEWS[language]:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        yield from _violations(page, width, scheme, options)


def _violations(page: Page, width: int, scheme: Any, options: dict[str, Any]) -> Iterator[str]:
    page.emulate_media(color_scheme=scheme)
    for violation in page.evaluate(RUN, options):
        where = [node["target"] for node in violation["nodes"]]
        why = violation["nodes"][0]["failureSummary"]
        yield f"{violation['id']} at {width} px, {scheme}: {json.dumps(where)} {why}"


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_axe_finds_nothing_in_any_state_of_any_page(
    petition: Petition, stack: Stack, language: str
) -> None:
    states = all_states(petition, stack, language)
    assert len(states) > 100
    # With the page's policy in force, axe could not be brought in. Half-way through a change of
    # colour there is no contrast to speak of: with less motion, colours change at once.
    found = look_at(
        one_of_each_build(states),
        stack,
        partial(violations, language),
        bypass_csp=True,
        reduced_motion="reduce",
    )
    assert not found, "\n".join(found)


def test_axe_does_find_what_is_wrong(stack: Stack) -> None:
    html = "<!doctype html><html><body><img src='x.png'><input><p style='color: #ccc'>faint"
    found = look_at([State("wrong", html)], stack, partial(violations, "en"), bypass_csp=True)
    rules = {trouble.split()[1] for trouble in found}
    assert rules >= {"color-contrast", "document-title", "html-has-lang", "image-alt", "label"}
