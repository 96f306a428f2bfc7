"""How a petition is going, as it looks: on every screen, in every language and scheme."""

from itertools import combinations
from typing import Literal, NamedTuple

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from campaign.local.stack import Stack
from tests.browser.conftest import FONTS
from tests.browser.test_every_state import FONT, SPACED
from tests.browser.test_journeys import DESK, PHONE, OpenPage, fits, open_page
from tests.e2e.test_the_line import manage

pytestmark = pytest.mark.browser
__all__ = ["open_page"]

# One of its own, so that nobody else's counts move.
SLUG = "how-it-goes"
HOMES = pytest.mark.parametrize("home", ["/", "/ar/", "/cy/"])
LEAST_LETTERS = 12
NARROW: ViewportSize = {"width": 320, "height": 800}
PETITION = f"""
from datetime import timedelta
from django.utils import timezone
from petitions.models import Milestone, Petition, PetitionText
now = timezone.now()
petition, is_new = Petition.objects.get_or_create(
    slug="{SLUG}", state="open", defaults={{"opens_at": now - timedelta(days=40)}}
)
if is_new:
    PetitionText.objects.create(
        petition=petition, language="en", title="How it goes", addressee="the Government",
        ask="Protect people.", published_at=now,
    )
    for kind, days in (("handed_in", -3), ("debate", 400)):
        day = timezone.localdate() + timedelta(days=days)
        Milestone.objects.create(petition=petition, kind=kind, day=day, is_public=True)
"""
# Samples know no constituencies, and of fewer regions than these none is shown.
REGIONS = f"""
from petitions.models import Region, Snapshot, SnapshotPart
SnapshotPart.objects.bulk_create(
    [
        SnapshotPart(snapshot=snapshot, group=region, n=100, shown=100)
        for snapshot in Snapshot.objects.filter(petition__slug="{SLUG}")
        for region in Region.values
    ],
    ignore_conflicts=True,
)
"""


class Box(NamedTuple):
    """What something takes of the screen, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


@pytest.fixture(scope="module")
def _petition(stack: Stack) -> None:
    for command in (
        ["shell", "-c", PETITION],
        ["seed_signatures", SLUG, "2000", "--days", "40"],
        ["shell", "-c", REGIONS],
    ):
        done = manage(stack, *command)
        assert done.returncode == 0, done.stderr.decode()


def opened(open_page: OpenPage, home: str, size: tuple[int, int]) -> Page:
    page = open_page(size, javascript=False)
    page.goto(f"{home}petitions/{SLUG}/progress/")
    return page


def boxes(found: Locator) -> list[Box]:
    """Where each of them stands on the screen; asked for at once, for there are many."""
    every = found.evaluate_all(
        """all => all.map(one => {
            const { left, top, right, bottom } = one.getBoundingClientRect();
            return [left, top, right, bottom];
        })"""
    )
    assert every
    return [Box(*box) for box in every]


def apart(one: Box, other: Box) -> bool:
    """Whether two boxes cover nothing of each other; a pixel is left to rounding."""
    beside = one.right <= other.left + 1 or other.right <= one.left + 1
    below = one.bottom <= other.top + 1 or other.bottom <= one.top + 1
    return beside or below


@pytest.mark.usefixtures("_petition")
@pytest.mark.parametrize(
    ("home", "size"),
    [("/", PHONE), ("/ar/", PHONE), ("/cy/", PHONE), ("/ar/", (768, 1024)), ("/", DESK)],
)
def test_charts_and_their_labels_fit_every_screen_without_overlaps(
    open_page: OpenPage, home: str, size: tuple[int, int]
) -> None:
    page = opened(open_page, home, size)
    for summary in page.locator(".figures summary").all():
        summary.click()
    expect(page.locator("table").first).to_be_visible()
    assert fits(page)
    assert page.locator("svg[role=img]").count() == 3
    for chart in page.locator("svg[role=img]").all():
        (frame,) = boxes(chart)
        assert frame.left >= 0
        assert frame.right <= size[0] + 1
        words = boxes(chart.locator("text"))
        for box in words:
            assert frame.left - 1 <= box.left < box.right <= frame.right + 1
            assert box.bottom - box.top >= LEAST_LETTERS
        assert all(apart(one, other) for one, other in combinations(words, 2))


@pytest.mark.usefixtures("_petition", "fonts")
@HOMES
def test_progress_tables_fit_a_narrow_screen_with_text_spacing_and_wide_fonts(
    chromium: Browser, stack: Stack, home: str
) -> None:
    # With the page's policy in force, no style sheet could be brought in.
    page = chromium.new_page(base_url=stack.site_url, bypass_csp=True, viewport=NARROW)
    page.goto(f"{home}petitions/{SLUG}/progress/")
    for summary in page.locator(".figures summary").all():
        summary.click()
    # Numbers as long as they may become.
    page.locator("td.number").evaluate_all(
        "all => all.forEach(one => one.textContent = '−123,456')"
    )
    for font in FONTS:
        page.add_style_tag(content=SPACED + FONT.format(font))
        for table in boxes(page.locator(".figures table")):
            assert 0 <= table.left < table.right <= NARROW["width"], font
        assert fits(page), font
    page.close()


@pytest.mark.usefixtures("_petition")
@HOMES
def test_chart_columns_cover_no_numbers_and_follow_the_reading_direction(
    open_page: OpenPage, home: str
) -> None:
    page = opened(open_page, home, PHONE)
    charts = page.locator(".chart-columns").all()
    assert len(charts) == 2
    for chart in charts:
        columns = boxes(chart.locator(".bar"))
        numbers = boxes(chart.locator(".tick"))
        assert all(apart(column, number) for column in columns for number in numbers)
        places = [column.left for column in columns]
        assert places == sorted(places, reverse=home == "/ar/")
        assert all(column.right - column.left >= 2 for column in columns)


@pytest.mark.usefixtures("_petition")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("forced", ["none", "active"])
def test_charts_have_enough_contrast_in_every_colour_scheme(
    open_page: OpenPage, scheme: Literal["light", "dark"], forced: Literal["none", "active"]
) -> None:
    page = opened(open_page, "/", DESK)
    page.emulate_media(color_scheme=scheme, forced_colors=forced)
    ground = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    for kind, least in ((".bar", 3), (".chart .tick", 4.5), (".chart .label", 4.5)):
        fill = page.locator(kind).first.evaluate("shape => getComputedStyle(shape).fill")
        assert contrast(fill, ground) >= least, (kind, fill, ground)


def contrast(one: str, other: str) -> float:
    """Of two colours as browsers write them. Source: WCAG 2.2, relative luminance."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour.strip("rgba()").split(",")[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
