"""Somebody writes in Arabic, and a plain organiser answers: at a desk, and on a telephone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from campaign.local.stack import Stack
from petitions.staff.roles import ORGANISERS
from tests.browser.staff import log_in
from tests.browser.test_admin_screens import looked_at
from tests.conftest import Mailbox

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

LIST = "/admin/petitions/enquiry/?to_do=waiting"


@pytest.fixture
def page(chromium: Browser, stack: Stack) -> Iterator[Page]:
    # With the page's policy in force axe could not be brought in.
    context = chromium.new_context(base_url=stack.site_url, bypass_csp=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("size", [(1280, 800), (360, 640)])
def test_a_contact_message_is_answered_and_mailed_exactly_once(
    page: Page, stack: Stack, mailbox: Mailbox, size: tuple[int, int]
) -> None:
    width, height = size
    address = f"writer-{width}@example.org"
    page.set_viewport_size({"width": width, "height": height})
    page.goto("/ar/contact/")
    page.check("input[name=kind][value=data]")
    page.fill("[name=email]", address)
    page.fill("[name=message]", f"اسمي في القائمة. {width}")
    page.click("form button[type=submit]")
    expect(page).to_have_url(f"{stack.site_url}/ar/contact/sent/")

    log_in(page, stack, ORGANISERS)
    waiting = page.locator(".needs", has_text="to answer")
    expect(waiting.get_by_role("link", name="Request about data, ").first).to_be_visible()
    page.goto(LIST)
    expect(page.locator("#result_list")).to_contain_text("answer by ")
    page.get_by_role("link", name="Request about data, ").last.click()
    expect(page.locator("h1", has_text="Request about data, ")).to_contain_text(", answer by ")
    expect(page.locator(".said").first).to_contain_text(f"اسمي في القائمة. {width}")
    answered = page.url
    assert list(looked_at(page, answered.partition("/admin/")[2])) == []

    page.set_viewport_size({"width": width, "height": height})
    expect(page.get_by_label("Your answer")).to_have_value(re.compile("^مرحبًا،"))
    page.locator("summary").click()
    expect(page.locator("details")).to_contain_text("everything that we hold about a signature")
    # Pressed twice at once.
    page.get_by_role("button", name="Send the answer").dblclick()
    expect(page.locator(".messagelist")).to_contain_text(re.compile("on its way|sent already"))
    page.goto(answered)
    expect(page.locator("h1", has_text="Request about data, ")).to_contain_text(", answered on ")
    expect(page.locator(".said")).to_have_count(2)

    (letter,) = mailbox.wait_for(address)
    assert letter["Subject"] == "الرد على رسالتك"
    plain = letter.get_body(("plain",))
    assert plain
    assert "/ar/find/" in plain.get_content()
    page.goto(answered)
    expect(page.locator(".said").last).to_contain_text("Sent.")
    assert list(looked_at(page, answered.partition("/admin/")[2])) == []
    assert len(mailbox.to(address)) == 1
