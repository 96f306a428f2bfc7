"""Traps and holding in a real browser: whom they catch, and what a moderator sees on a phone."""

import psycopg2
import pytest
from playwright.sync_api import expect

from campaign.local.stack import Stack
from tests import SLUG
from tests.browser.staff import log_in
from tests.browser.test_journeys import (
    PHONE,
    OpenPage,
    eventually_counts,
    fill,
    fits,
    new_address,
    open_page,
)
from tests.conftest import Mailbox, counted

pytestmark = pytest.mark.browser
__all__ = ["open_page"]

PAGE = f"/petitions/{SLUG}/"
MODERATORS_PHONE = (360, 640)
# What a program does: everything at once, with the events that a browser sends.
AT_ONCE = """(address) => {
  const set = (selector, change) => {
    const field = document.querySelector(selector);
    change(field);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  set("[name=name]", (field) => (field.value = "Robin Example"));
  set("[name=name_use][value=withheld]", (field) => (field.checked = true));
  set("[name=email]", (field) => (field.value = address));
  set("[name=residence][value=uk]", (field) => (field.checked = true));
  set("[name=postcode]", (field) => (field.value = "M14 5RX"));
  set("[name=consent]", (field) => (field.checked = true));
  document.querySelector("form button[type=submit]").click();
}"""


def newest(stack: Stack) -> tuple[str, list[str]]:
    """Verdict and signals of the newest signature."""
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT verdict, signals FROM petitions_signature ORDER BY created_at DESC LIMIT 1"
            )
            verdict, signals = cursor.fetchone()  # type: ignore[misc]
    finally:
        connection.close()
    return verdict, signals


def test_only_a_form_filled_in_by_script_gets_the_pace_signal(
    open_page: OpenPage, stack: Stack
) -> None:
    page = open_page()
    page.goto(PAGE)
    page.evaluate(AT_ONCE, new_address("program"))
    expect(page.locator("h1")).to_contain_text("Check your email")
    verdict, signals = newest(stack)
    assert verdict == "hold"
    assert "pace" in signals

    page.goto(PAGE)
    fill(page, "Sam Example", new_address("hand"), "M14 5RX")
    page.check("[name=consent]")
    page.click("form button[type=submit]")
    expect(page.locator("h1")).to_contain_text("Check your email")
    # All tests sign from one network: that there are many may be a sign, and is another one.
    verdict, signals = newest(stack)
    assert verdict == "pass"
    assert "pace" not in signals


def test_a_quick_correction_of_one_field_gets_no_pace_signal(
    open_page: OpenPage, stack: Stack
) -> None:
    page = open_page()
    page.goto(PAGE)
    fill(page, "Quick Example", new_address("quick"), "M14 5RX")
    page.click("form button[type=submit]")
    expect(page.locator("#error-summary")).to_be_focused()
    page.evaluate(
        "document.querySelector('[name=consent]').click();"
        "document.querySelector('form button[type=submit]').click()"
    )
    expect(page.locator("h1")).to_contain_text("Check your email")
    verdict, signals = newest(stack)
    assert verdict == "pass"
    assert "pace" not in signals


@pytest.mark.parametrize("prefix", ["", "/ar"])
def test_the_honeypot_is_invisible_and_cannot_be_reached_by_keyboard(
    open_page: OpenPage, prefix: str
) -> None:
    page = open_page(PHONE)
    page.goto(prefix + PAGE)
    box = page.locator(".for-nobody").bounding_box()
    assert box
    assert box["width"] <= 1
    assert box["height"] <= 1
    assert fits(page)
    page.focus("[name=name]")
    seen = set()
    for _ in range(20):
        seen.add(page.evaluate("document.activeElement.name"))
        page.keyboard.press("Tab")
    assert "text_version" not in seen
    assert "consent" in seen
    assert "feedback" not in seen


def test_a_moderator_approves_a_held_signature_on_a_phone_and_undoes_it(
    open_page: OpenPage, mailbox: Mailbox, stack: Stack
) -> None:
    page, address = open_page(MODERATORS_PHONE), new_address("held")
    page.goto(PAGE)
    page.evaluate(AT_ONCE, address)
    expect(page.locator("h1")).to_contain_text("Check your email")
    page.goto(mailbox.link_for(address))
    before = counted(stack)
    page.get_by_role("button", name="Add my signature").click()
    expect(page.locator("h1")).to_contain_text("Thank you. Your signature is confirmed.")
    assert eventually_counts(page, before)
    assert counted(stack) == before

    log_in(page, stack)
    expect(page.locator("#needs-heading")).to_contain_text("1 signature to check")
    assert fits(page)
    page.locator(".needs a").first.click()
    expect(page.locator(".signs")).to_contain_text("faster than a person can type")
    assert fits(page)
    page.locator("[name=chosen]").check()
    expect(page.locator("#id_reason_approve")).to_have_value("checked")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messagelist")).to_contain_text("1 approved. Nobody gets an email.")
    expect(page.locator("#content-main")).to_contain_text("has no signatures on hold.")
    assert eventually_counts(page, before + 1)
    assert fits(page)

    page.get_by_role("link", name="Undo").click()
    expect(page.locator("#id_note")).to_be_visible()
    assert fits(page)
    page.fill("#id_note", "a test")
    page.get_by_role("button", name="Undo this decision").click()
    expect(page.locator(".messagelist")).to_contain_text("has its earlier status again")
    assert eventually_counts(page, before)
