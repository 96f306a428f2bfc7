"""An organiser goes live in a real browser, at a desk and on a phone: previews, a secret link for
colleagues, and a statement published together with its petition, planned, taken back, and done.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from campaign.local.stack import Stack
from petitions.staff.roles import ORGANISERS
from tests.browser.staff import log_in
from tests.browser.test_journeys import fits

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

_WRITE = """
import sys, django
django.setup()
from campaign.models import Statement
from petitions.models import Petition
name = sys.argv[1]
petition = Petition.objects.create(slug=f"ask-{name}")
statement = Statement.objects.create(slug=f"words-{name}", petition=petition)
for language, title in (("en", f"Ask {name}"), ("ar", f"نطلب {name}"), ("cy", f"Gofyn {name}")):
    petition.texts.create(language=language, title=title, addressee="SBC", ask=title, body=title)
    statement.texts.create(language=language, title=title, body=title)
"""
_END = """
import sys, django
django.setup()
from campaign.models import Statement
from petitions.models import Petition
Statement.objects.filter(slug=f"words-{sys.argv[1]}").delete()
Petition.objects.filter(slug=f"ask-{sys.argv[1]}").delete()
"""


def run(stack: Stack, script: str, name: str) -> None:
    environment = {**os.environ, **stack.environment}
    command = [sys.executable, "-c", script, name]
    subprocess.run(command, env=environment, cwd=settings.BASE_DIR, check=True)


@pytest.fixture(params=[1280, 360])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def page(chromium: Browser, stack: Stack, width: int) -> Iterator[Page]:
    context = chromium.new_context(
        base_url=stack.site_url, viewport={"width": width, "height": 800}
    )
    yield context.new_page()
    context.close()


@pytest.fixture
def written(stack: Stack, width: int) -> Iterator[str]:
    """A statement and a petition, both drafts: the end of their addresses."""
    name = f"w{width}"
    run(stack, _WRITE, name)
    yield name
    run(stack, _END, name)


def to_publish(page: Page, name: str) -> None:
    page.goto("/admin/")
    page.locator("li", has_text=f"“Ask {name}”").get_by_role("link").click()
    assert fits(page)


def choose(page: Page) -> None:
    """What the form asks besides the time."""
    page.get_by_label("Why, before everything").fill("It is urgent.")
    page.get_by_label("never becomes a draft again").check()
    page.get_by_role("button", name="Publish together").click()


def make_link(page: Page) -> str:
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator(".messagelist")).to_contain_text("The link works.")
    assert fits(page)
    return page.locator(".draft-link textarea").input_value()


def read_and_try_to_sign(colleague: Page, secret: str) -> None:
    """In Arabic, where the form says that it stored nothing."""
    colleague.goto(secret)
    expect(colleague.locator(".notice")).to_contain_text("DRAFT")
    colleague.get_by_role("link", name="العربيّة").click()
    expect(colleague.locator(".notice")).to_contain_text("مسودة")
    assert fits(colleague)
    colleague.locator(".btn-primary:visible").first.click()
    assert fits(colleague)
    colleague.get_by_role("button", name="توقيع العريضة").click()
    expect(colleague.locator(".notice").first).to_contain_text("لم يُحفظ شيء")


def test_an_organiser_previews_a_draft_and_shares_a_secret_link(
    page: Page, stack: Stack, chromium: Browser, written: str, width: int
) -> None:
    log_in(page, stack, ORGANISERS)
    page.goto("/admin/campaign/statement/")
    page.get_by_role("link", name=f"Ask {written}", exact=True).click()
    page.get_by_role("link", name="Preview and links").click()
    assert fits(page)
    assert page.locator("iframe:visible").count() == (6 if width > 1000 else 3)
    for language, direction in (("en", "ltr"), ("ar", "rtl"), ("cy", "ltr")):
        frame = page.frame_locator(f'iframe[src$="/{language}/"]').first
        frame.locator("h1").scroll_into_view_if_needed()
        expect(frame.locator("html")).to_have_attribute("dir", direction)

    secret = make_link(page)
    colleague = chromium.new_page(viewport={"width": width, "height": 800})
    read_and_try_to_sign(colleague, secret)
    for path in (f"/statements/words-{written}/", f"/petitions/ask-{written}/"):
        assert page.request.get(path).status == 404
    page.get_by_role("button", name="End it now").click()
    expect(page.locator(".messagelist")).to_contain_text("no longer works")
    colleague.reload()
    expect(colleague.locator("h1")).to_have_text("هذا الرابط لا يعمل")
    colleague.close()

    page.get_by_role("link", name="The mails").click()
    assert fits(page)
    expect(page.frame_locator("iframe").first.locator("body")).to_contain_text("Continue")
    page.get_by_role("link", name="Arabic").click()
    body = page.frame_locator("iframe").first.locator("html")
    expect(body).to_have_attribute("dir", "rtl")


def test_an_organiser_publishes_a_statement_with_its_petition(
    page: Page, stack: Stack, written: str
) -> None:
    log_in(page, stack, ORGANISERS)
    to_publish(page, written)
    page.get_by_label("At a later time").check()
    page.locator("#id_at_0").fill("2031-03-30")
    page.locator("#id_at_1").fill("01:30")
    choose(page)
    expect(page.locator(".errorlist")).to_contain_text("01:30 does not exist on that night")
    page.locator("#id_at_1").fill("09:00")
    choose(page)
    expect(page.locator(".messagelist")).to_contain_text("on 30 March 2031 at 09:00")
    to_publish(page, written)
    page.get_by_role("button", name="Take back").click()
    expect(page.locator(".messagelist")).to_contain_text("both are drafts again")
    page.get_by_role("radio", name="Now").check()
    choose(page)
    expect(page.locator(".messagelist")).to_contain_text("are public now")
    page.goto(f"/statements/words-{written}/")
    page.locator(".btn-primary:visible").first.click()
    expect(page.locator("h1")).to_have_text(f"Ask {written}")
