"""Two weeks later: "find my signature" in the footer, a link by mail, withdrawn in two taps."""

import re
import time
from email.message import EmailMessage

import pytest
from playwright.sync_api import Page, expect

from campaign.local.stack import Stack
from tests import SLUG
from tests.browser.test_journeys import (
    PHONE,
    WORDS,
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

NAME = {"ar": "ليلى مثال", "cy": "Siân Enghraifft", "en": "Amina Example"}
MAIN_BUTTON = "main form button[type=submit]"


@pytest.mark.parametrize("language", ["ar", "cy", "en"])
def test_a_signer_finds_changes_and_withdraws_without_javascript(
    open_page: OpenPage, mailbox: Mailbox, stack: Stack, language: str
) -> None:
    page, address = open_page(PHONE, javascript=False), new_address("owner")
    prefix = "" if language == "en" else f"/{language}"
    standing = sign(page, mailbox, stack, language, address)

    # The link stands in the footer of every page; whatever is typed, the answer is one.
    page.goto(f"{prefix}/petitions/{SLUG}/")
    page.click("footer a[href$='/find/']")
    page.wait_for_url(f"**{prefix}/find/")
    page.click(MAIN_BUTTON)
    expect(page.locator("#error-summary")).to_be_focused()
    assert fits(page)
    page.fill("[name=email]", address.upper())
    page.click(MAIN_BUTTON)
    page.wait_for_url(f"**{prefix}/find/sent/")
    assert address not in page.content()
    assert fits(page)

    # The page is masked until its button is pressed.
    page.goto(link_in(mailbox, address))
    assert page.get_attribute("html", "lang") == language
    assert address not in page.content()
    assert NAME[language] not in page.content()
    assert fits(page)
    page.click(MAIN_BUTTON)
    expect(page.locator("section.mine h2")).to_have_text(NAME[language])
    assert fits(page)

    # A choice is changed, and news are asked for.
    page.click("details:has([name=name_use]) summary")
    page.check("[name=name_use][value=government]")
    assert fits(page)
    page.click("details:has([name=name_use]) button")
    expect(page.locator("[role=status]")).to_be_visible()
    with page.expect_download() as download:
        page.click("form[action$='/download/'] button")
    assert address in download.value.path().read_text(encoding="utf-8")

    # Two taps, and nothing is held.
    page.click(".withdraw summary")
    assert fits(page)
    page.click(".withdraw button")
    page.wait_for_url("**/withdraw/")
    assert eventually_counts(page, standing - 1)
    assert fits(page)
    page.click(MAIN_BUTTON)
    page.wait_for_url("**/mine/*/")
    expect(page.locator("section.mine")).to_have_count(0)
    assert address not in page.content()
    assert page.context.cookies() == []


def test_a_pending_form_is_withdrawn_in_arabic_and_the_confirmed_signature_stays(
    open_page: OpenPage, mailbox: Mailbox, stack: Stack
) -> None:
    page, address = open_page(PHONE, javascript=False), new_address("twice")
    standing = sign(page, mailbox, stack, "ar", address)
    send(page, "ar", address)

    page.goto("/ar/find/")
    page.fill("[name=email]", address)
    page.click(MAIN_BUTTON)
    page.goto(link_in(mailbox, address))
    page.click(MAIN_BUTTON)
    waiting = page.locator("section.mine").filter(has_text="غير مؤكَّد")
    waiting.locator(".withdraw summary").click()
    waiting.locator(".withdraw button").click()
    page.wait_for_url("**/withdraw/")
    expect(page.locator(".lead")).to_contain_text("فيبقى كما هو")
    assert fits(page)

    page.click(MAIN_BUTTON)
    expect(page.locator("section.mine h2")).to_have_text(NAME["ar"])
    assert counted(stack) == standing


def sign(page: Page, mailbox: Mailbox, stack: Stack, language: str, address: str) -> int:
    """Sign and confirm; how many count then."""
    before = counted(stack)
    send(page, language, address)
    page.goto(mailbox.link_for(address))
    page.get_by_role("button", name=WORDS[language]["add"]).click()
    expect(page.locator("h1")).to_contain_text(WORDS[language]["thanks"])
    assert eventually_counts(page, before + 1)
    return before + 1


def send(page: Page, language: str, address: str) -> None:
    """Fill in the form and send it."""
    page.goto(f"{'' if language == 'en' else f'/{language}'}/petitions/{SLUG}/")
    fill(page, NAME[language], address, "M14 5RX")
    page.check("[name=consent]")
    page.click("form button[type=submit]")
    expect(page.locator("h1")).to_contain_text(WORDS[language]["check"])


def link_in(mailbox: Mailbox, address: str) -> str:
    """The link of the message that was asked for, once it is there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for message in mailbox.to(address):
            if found := re.search(r"http\S+/mine/\S+", text_of(message)):
                return found[0]
        time.sleep(0.1)
    raise AssertionError("no link came")


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body
    return str(body.get_content())
