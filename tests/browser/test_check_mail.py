""" "Check your email" on a phone without JavaScript, in each language."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests import SLUG
from tests.browser.test_journeys import (
    PHONE,
    WORDS,
    OpenPage,
    fill,
    fits,
    new_address,
    open_page,
)
from tests.conftest import Mailbox

pytestmark = pytest.mark.browser
__all__ = ["open_page"]

BUTTON = "main form button[type=submit]"
ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@pytest.mark.parametrize(("language", "prefix"), [("ar", "/ar"), ("cy", "/cy"), ("en", "")])
def test_a_mistyped_address_is_corrected_without_javascript_and_the_code_confirms(
    open_page: OpenPage, mailbox: Mailbox, language: str, prefix: str
) -> None:
    page = open_page(PHONE, javascript=False)
    page.goto(f"{prefix}/petitions/{SLUG}/")
    fill(page, "Amina Example", new_address("slip").replace("example.org", "gmial.com"), "M14 5RX")
    page.check("[name=consent]")
    page.click(BUTTON)
    expect(page.locator(".meant")).to_contain_text("@gmail.com")
    assert fits(page)

    right = new_address("right")
    correct(page, email=right, postcode="")
    expect(page.locator("#error-summary")).to_be_focused()
    assert fits(page)
    page.fill("[name=postcode]", "M14 5RX")
    page.click(BUTTON)
    expect(page.locator(".address")).to_contain_text("@example.org")

    body = mailbox.wait_for(right)[-1].get_body(("plain",))
    assert body
    (code,) = re.findall(r"^(\d{4}-\d{4})\s*$", body.get_content(), re.MULTILINE)
    page.fill("[name=code]", code.translate(ARABIC_INDIC) if language == "ar" else code)
    page.click("form.code button")
    expect(page.locator("h1")).to_contain_text(WORDS[language]["thanks"])


def correct(page: Page, **changes: str) -> None:
    """Open the correction and send it with changes."""
    page.click("form[action*='/correct/'] button")
    expect(page.locator("[name=name]")).to_have_value("Amina Example")
    assert fits(page)
    for name, text in changes.items():
        page.fill(f"[name={name}]", text)
    page.click(BUTTON)
