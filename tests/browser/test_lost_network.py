"""In a bad network nothing that was typed is lost, and what looks incomplete is said kindly."""

import pytest
from playwright.sync_api import Page, expect

from tests import SLUG
from tests.browser.test_journeys import PHONE, WORDS, OpenPage, fill, fits, new_address, open_page
from tests.conftest import Mailbox

pytestmark = pytest.mark.browser
__all__ = ["open_page"]

BUTTON = "main form button[type=submit]"
LANGUAGES = pytest.mark.parametrize(
    ("language", "prefix"), [("en", ""), ("ar", "/ar"), ("cy", "/cy")]
)


def typed_in(page: Page, prefix: str, address: str) -> None:
    page.goto(f"{prefix}/petitions/{SLUG}/")
    fill(page, "ليلى مثال", address, "M14 5RX")
    page.check("[name=consent]")


@LANGUAGES
def test_a_form_sent_offline_keeps_its_input_and_shows_a_message(
    open_page: OpenPage, mailbox: Mailbox, language: str, prefix: str
) -> None:
    page, address = open_page(PHONE), new_address("tunnel")
    typed_in(page, prefix, address)
    page.context.set_offline(True)
    page.click(BUTTON)

    says = page.locator(".unsent")
    expect(says).to_have_text(str(says.get_attribute("data-says")))
    expect(says).to_be_in_viewport(ratio=1)
    assert page.input_value("[name=name]") == "ليلى مثال"
    assert page.input_value("[name=email]") == address
    assert page.is_checked("[name=consent]")
    assert fits(page)

    page.context.set_offline(False)
    page.click(BUTTON)
    expect(page.locator("h1")).to_contain_text(WORDS[language]["check"])
    assert mailbox.wait_for(address)


@LANGUAGES
def test_going_back_after_signing_shows_an_empty_form(
    open_page: OpenPage, language: str, prefix: str
) -> None:
    page, address = open_page(PHONE), new_address("shared-telephone")
    typed_in(page, prefix, address)
    page.click(BUTTON)
    expect(page.locator("h1")).to_contain_text(WORDS[language]["check"])

    page.go_back()

    expect(page.locator("[name=email]")).to_have_value("")
    expect(page.locator("[name=name]")).to_have_value("")
    expect(page.locator("[name=postcode]")).to_have_value("")
    assert not page.is_checked("[name=name_use][value=withheld]")

    fill(page, "ليلى مثال", address, "M14 5RX")
    page.check("[name=consent]")
    page.click(BUTTON)
    expect(page.locator("h1")).to_contain_text(WORDS[language]["check"])


def test_without_javascript_reloading_after_going_offline_sends_the_form(
    open_page: OpenPage, mailbox: Mailbox
) -> None:
    page, address = open_page(PHONE, javascript=False), new_address("tunnel")
    typed_in(page, "", address)
    page.context.set_offline(True)
    page.click(BUTTON)
    page.wait_for_url("chrome-error://**")
    page.context.set_offline(False)
    page.reload()
    expect(page.locator("h1")).to_contain_text(WORDS["en"]["check"])
    assert mailbox.wait_for(address)


@LANGUAGES
def test_the_second_click_sends_the_form_if_the_connectivity_check_is_blocked(
    open_page: OpenPage, mailbox: Mailbox, language: str, prefix: str
) -> None:
    page, address = open_page(PHONE), new_address("proxy")
    page.route(
        "**", lambda route: route.abort() if route.request.method == "HEAD" else route.continue_()
    )
    typed_in(page, prefix, address)
    page.click(BUTTON)
    says = page.locator(".unsent")
    expect(says).to_have_text(str(says.get_attribute("data-says")))

    page.click(BUTTON)
    expect(page.locator("h1")).to_contain_text(WORDS[language]["check"])
    assert mailbox.wait_for(address)


def test_signing_works_if_the_browser_wrongly_reports_being_offline(
    open_page: OpenPage, mailbox: Mailbox
) -> None:
    page, address = open_page(PHONE), new_address("behind-vpn")
    page.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false })"
    )
    typed_in(page, "", address)
    page.click(BUTTON)
    expect(page.locator("h1")).to_contain_text(WORDS["en"]["check"])
    assert mailbox.wait_for(address)


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("postcode", "(M14 5RX),"), ("postcode", "W1A OAA"), ("postcode", "bfpo 61"),
        ("postcode", "\u202aM14 5RX\u202c"), ("email", "layla@example.org."),
    ],
)  # fmt: skip
def test_accepted_spellings_get_no_incomplete_hint(
    open_page: OpenPage, field: str, typed: str
) -> None:
    page = open_page(PHONE)
    page.goto(f"/petitions/{SLUG}/")
    page.check("[name=residence][value=uk]")
    page.fill(f"[name={field}]", typed)
    page.locator(f"[name={field}]").blur()
    page.wait_for_timeout(100)

    expect(page.locator(f".hint[data-for={field}]")).to_be_empty()


OLD_BROWSER = "delete AbortSignal.timeout; delete HTMLFormElement.prototype.requestSubmit"


def test_signing_works_in_a_browser_without_abortsignal_timeout(
    open_page: OpenPage, mailbox: Mailbox
) -> None:
    page, address = open_page(PHONE), new_address("old-telephone")
    page.add_init_script(OLD_BROWSER)
    typed_in(page, "", address)
    page.click(BUTTON)
    expect(page.locator("h1")).to_contain_text(WORDS["en"]["check"])
    assert mailbox.wait_for(address)


@LANGUAGES
def test_the_incomplete_hint_appears_only_when_a_field_loses_focus(
    open_page: OpenPage, language: str, prefix: str
) -> None:
    page = open_page(PHONE)
    page.goto(f"{prefix}/petitions/{SLUG}/")
    page.check("[name=residence][value=uk]")
    for name, half, rest in (("email", "layla@example", ".org"), ("postcode", "M١٤", " ٥RX")):
        hint = page.locator(f".hint[data-for={name}]")
        page.locator(f"[name={name}]").press_sequentially(half)
        expect(hint).to_be_empty()
        page.locator(f"[name={name}]").blur()
        expect(hint).to_have_text(str(hint.get_attribute("data-says")))
        assert fits(page)
        page.fill(f"[name={name}]", half + rest)
        expect(hint).to_be_empty()
    # Nobody is told off for what they have not come to yet, or left empty.
    page.focus("[name=name]")
    page.locator("[name=name]").blur()
    page.fill("[name=email]", "")
    page.locator("[name=email]").blur()
    assert page.locator("[aria-invalid=true], .is-invalid").count() == 0
    assert page.locator(".hint:not(:empty)").count() == 0


def test_a_hint_that_moves_the_page_does_not_misdirect_the_click(open_page: OpenPage) -> None:
    """What is said of the field moves all that stands below it."""
    page = open_page(PHONE)
    page.goto(f"/petitions/{SLUG}/")
    home = page.locator("[name=residence][value=uk]")
    home.scroll_into_view_if_needed()
    page.focus("[name=email]")
    page.keyboard.type("layla@@example")
    place = home.bounding_box()
    assert place
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.wait_for_timeout(120)  # as long as a hand takes
    page.mouse.up()

    expect(home).to_be_checked()
    expect(page.locator(".hint[data-for=email]")).not_to_be_empty()
