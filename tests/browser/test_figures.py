"""An organiser's page of figures by keyboard and by mouse, at a desk and on a phone: the map, the
table that sorts, and every table as CSV and XLSX.
"""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from django.conf import settings
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from campaign.local.stack import Stack
from petitions.staff.roles import ORGANISERS
from tests import SLUG
from tests.browser.staff import log_in
from tests.browser.test_admin_screens import OVERLAPS, looked_at
from tests.browser.test_journeys import fits

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

_COUNT = """
import sys, django
django.setup()
from datetime import timedelta
from django.utils import timezone
from petitions.counting import figures
from petitions.models import Petition, Signature
from petitions.moderation import decisions
from tests.benchmarks import seeding
petition = Petition.objects.get(slug=sys.argv[1])
seeding.seed(petition=petition, total=300)
figures.count_due(timezone.now() + timedelta(hours=1))
# Other tests of the site wait for moderators to have nothing left to do.
held = list(Signature.objects.filter(state="held").values_list("pk", flat=True))
decisions.decide(
    kind="remove", petition=petition, ids=held, reason="automated", note="", actor=None
)
print(petition.pk)
"""
FEWER = """() => [["#constituencies tbody", "tr"], [".hexmap", ".seat"]].forEach(([all, one]) =>
    [...document.querySelectorAll(`${all} ${one}`)].slice(30).forEach((each) => each.remove()))"""

DESK = pytest.mark.parametrize("page", [1280], indirect=True)


@pytest.fixture(scope="module")
def path(stack: Stack) -> str:
    """The page of a petition that three hundred more have signed; below the admin's."""
    done = subprocess.run(
        [sys.executable, "-c", _COUNT, SLUG],
        env={**os.environ, **stack.environment},
        cwd=settings.BASE_DIR, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return f"petitions/petition/{done.stdout.strip()}/figures/"


@pytest.fixture(params=[1280, 360])
def page(
    chromium: Browser, stack: Stack, path: str, request: pytest.FixtureRequest
) -> Iterator[Page]:
    size = ViewportSize(width=int(request.param), height=800)
    # With the page's policy in force axe could not be brought in.
    context = chromium.new_context(base_url=stack.site_url, bypass_csp=True, viewport=size)
    page = context.new_page()
    log_in(page, stack, ORGANISERS)
    page.goto(f"/admin/{path}")
    yield page
    context.close()


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def press_until(page: Page, key: str, wanted: Locator, most: int = 60) -> None:
    """Press a key until this has the focus."""
    for _ in range(most):
        page.keyboard.press(key)
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
    pytest.fail(f"{most} times {key} do not lead to {wanted}")


def names(page: Page) -> list[str]:
    page.wait_for_load_state()
    return page.locator("#constituencies tbody th").all_inner_texts()


def test_the_figures_page_fits_all_650_constituencies_without_overlaps(page: Page) -> None:
    assert page.locator("#constituencies tbody tr").count() == 650
    assert fits(page)
    assert page.evaluate(OVERLAPS) == []


# `looked_at` sets both widths by itself.
@DESK
def test_the_figures_page_passes_axe(page: Page, path: str) -> None:
    """Thirty rows and seats of the map stand for 650 alike, for which axe takes a minute."""
    page.evaluate(FEWER)
    assert page.locator("#constituencies tbody tr").count() == 30
    assert not list(looked_at(page, path))


def test_the_map_is_one_tab_stop_with_arrow_keys_and_links_to_table_rows(page: Page) -> None:
    seats = page.locator(".hexmap .seat")
    assert seats.count() == 650
    press_until(page, "Tab", seats.first)
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        before = str(focused(page).get_attribute("href"))
        page.keyboard.press(key)
        expect(focused(page)).not_to_have_attribute("href", before)
        expect(focused(page).locator("text")).to_be_visible()
    seat = focused(page)
    code = str(seat.get_attribute("href")).removeprefix("#")
    label = str(seat.locator("text").text_content())
    page.keyboard.press("Tab")
    expect(focused(page)).to_contain_text("CSV")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")

    row = page.locator(f"#{code}")
    expect(row).to_be_in_viewport()
    name, count = label.split(": ")
    expect(row.locator("th")).to_have_text(name)
    expect(row.locator("[data-label=signatures]")).to_have_text(count.split(",")[0])


def test_constituency_names_are_not_cut_off_above_the_map(page: Page) -> None:
    ends = page.evaluate(
        """() => [...document.querySelectorAll(".hexmap text")].map(
            (text) => text.getBoundingClientRect().right)"""
    )
    assert len(ends) == 650
    edge = "document.querySelector('.hexmap').getBoundingClientRect().right"
    assert max(ends) <= page.evaluate(edge)


def test_the_constituency_table_can_be_sorted_by_keyboard(page: Page) -> None:
    def head() -> Locator:
        return page.get_by_role("columnheader", name="constituency")

    page.locator("#constituencies").focus()
    press_until(page, "Tab", head().get_by_role("link"), most=4)
    page.keyboard.press("Enter")
    expect(head()).to_have_attribute("aria-sort", "ascending")
    up = names(page)
    assert up == sorted(up)
    expect(page.locator("#constituencies")).to_be_in_viewport()
    # The focus goes on from the table, where the address leads.
    press_until(page, "Tab", head().get_by_role("link"), most=4)
    page.keyboard.press("Enter")
    expect(head()).to_have_attribute("aria-sort", "descending")
    assert names(page) == up[::-1]


@DESK
def test_every_table_of_figures_can_be_downloaded_as_csv_and_xlsx(
    page: Page, tmp_path: Path
) -> None:
    tables = page.locator("#content-main table")
    csvs = page.get_by_role("link", name="CSV")
    books = page.get_by_role("link", name="XLSX")
    assert csvs.count() == books.count() == tables.count() >= 8
    for number in range(csvs.count()):
        rows = list(
            csv.reader(saved(page, csvs.nth(number), tmp_path).read_text("utf-8-sig").splitlines())
        )
        book = openpyxl.load_workbook(saved(page, books.nth(number), tmp_path))
        assert [[str(cell) for cell in row] for row in book.worksheets[0].values] == rows
        assert len(rows) - 1 == tables.nth(number).locator("tbody tr").count()


def saved(page: Page, link: Locator, folder: Path) -> Path:
    with page.expect_download() as download:
        link.click()
    target = folder / download.value.suggested_filename
    download.value.save_as(target)
    return target
