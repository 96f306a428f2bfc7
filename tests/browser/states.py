"""Every state of every public page, in a browser: what `tests.pages` meets, and the shipped texts.

Playwright keeps an event loop running in the thread that starts it, and beside a running loop
Django refuses the database. So the browsers here live in threads of their own.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock

import requests
from playwright.sync_api import Page, Route, sync_playwright

from campaign.local.stack import Stack
from petitions.models import Petition
from tests import SLUG
from tests.browser.conftest import launch
from tests.pages import Visitor

NARROW, WIDE = 320, 1280
HEIGHT = 800
BROWSERS = 2
Troubles = Iterable[str]
# While it starts, Python changes for a moment which warnings are errors, for all threads.
_ONE_AT_A_TIME = Lock()
# Only words and addresses may differ between two pages that are built alike.
_WORDS = re.compile(r"""\s(?:value|href|action|content|data-[a-z-]+)="[^"]*"|>[^<]+(?=<)""")


@dataclass(frozen=True)
class State:
    """What a page is like at one moment of somebody's visit."""

    name: str
    html: str

    @property
    def build(self) -> str:
        """The page without its words: tags, classes and what ties them together."""
        return _WORDS.sub(">", self.html[self.html.index("<body") :])


def all_states(petition: Petition, stack: Stack, language: str) -> list[State]:
    """What the running site shows with the texts that ship, then all that can happen."""
    visitor = Visitor(petition, language)
    paths = (visitor.home, f"{visitor.home}petitions/{SLUG}/", f"{visitor.home}nowhere/")
    shipped = [
        (f"shipped {path}", requests.get(f"{stack.site_url}{path}", timeout=30).text)
        for path in paths
    ]
    return [State(name, html) for name, html in (*shipped, *visitor.walk())]


def one_of_each_build(states: Iterable[State]) -> list[State]:
    """The first of those that differ in their words alone."""
    firsts: dict[str, State] = {}
    for state in states:
        firsts.setdefault(state.build, state)
    return list(firsts.values())


def look_at(
    states: list[State], stack: Stack, look: Callable[[Page], Troubles], **context: object
) -> list[str]:
    """Show the states to `look`, some browsers beside each other; what it found, by state."""

    def part(number: int) -> list[str]:
        return list(_look_at(states[number::BROWSERS], stack, look, context))

    browsers = min(BROWSERS, len(states))
    with ThreadPoolExecutor(browsers) as pool:
        return [trouble for found in pool.map(part, range(browsers)) for trouble in found]


def _look_at(
    states: list[State], stack: Stack, look: Callable[[Page], Troubles], context: dict[str, object]
) -> Iterator[str]:
    current = State("none", "")

    def answer(route: Route) -> None:
        route.fulfill(body=current.html, content_type="text/html; charset=utf-8")

    with ExitStack() as until_done:
        with _ONE_AT_A_TIME:
            playwright = until_done.enter_context(sync_playwright())
        browser = until_done.enter_context(launch(playwright))
        page = browser.new_page(
            base_url=stack.site_url,
            viewport={"width": NARROW, "height": HEIGHT},
            **context,  # type: ignore[arg-type]
        )
        # Style sheets, pictures and scripts come from the site itself.
        page.route("**/state/", answer)
        for current in states:
            page.goto("/state/")
            yield from (f"{current.name}: {trouble}" for trouble in look(page))
