"""The organiser's journey in the trial, at a desk and on a phone: steps 1, 2, 6, 7 and 11.

The others: `test_first_log_in` (1), `test_organiser` (4 and 5), `test_going_live` (3).
"""

from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from playwright.sync_api import Browser, Page, expect

from campaign.local.stack import Stack
from petitions.staff.roles import ORGANISERS
from tests.browser.staff import PATIENCE, log_in
from tests.browser.test_admin_screens import wrong_on
from tests.browser.test_journeys import fill, fits
from tests.browser.test_organiser import choose, run, to_publish
from tests.conftest import Mailbox, counted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

# Organisation and sender as other tests expect them, and nothing of it public.
_AS_BEFORE = """
import sys, django
django.setup()
from campaign.models import Statement
from petitions.models import Organisation, Petition
Organisation.objects.update(sender_name="", privacy_email="privacy@example.org")
Statement.objects.filter(slug=sys.argv[1]).delete()
for petition in Petition.objects.filter(slug=sys.argv[1]):
    petition.state, petition.removed_reason = "removed", "For a test."
    petition.save()
"""


@pytest.fixture(params=[1280, 360])
def trial(request: pytest.FixtureRequest, chromium: Browser, stack: Stack) -> Iterator[Page]:
    context = chromium.new_context(
        base_url=stack.site_url,
        viewport={"width": request.param, "height": 800},
        bypass_csp=True,
    )
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()
    run(stack, _AS_BEFORE, f"w{request.param}")


def is_well(page: Page) -> None:
    assert list(wrong_on(page)) == []


def save(page: Page, said: str) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text(said)
    assert fits(page)


def choose_petition(page: Page, name: str) -> None:
    option = page.locator("#id_petition option", has_text=f"Ask {name}")
    page.select_option("#id_petition", option.get_attribute("value"))


def write(page: Page, what: str, name: str, **texts: str) -> None:
    """A draft of a petition or statement, with its texts in English and Arabic."""
    page.goto(f"/admin/{what}/add/")
    page.fill("#id_slug", name)
    if page.locator("#id_petition").count():
        choose_petition(page, name)
    page.locator("[name=_save]").click()
    for field, value in texts.items():
        for language, words in (("en", value), ("ar", f"نطلب {value}")):
            page.fill(f"[name={language}-{field}]", words)
    save(page, "Saved.")


def fill_in_the_organisation(page: Page) -> None:
    page.get_by_role("link", name="Organisation", exact=True).last.click()
    page.locator("#result_list tbody a").click()
    page.fill("#id_sender_name", "The post desk")
    page.fill("#id_privacy_email", "data@example.org")
    save(page, "was changed successfully")


def sign(page: Page, name: str, mailbox: Mailbox, *, news: bool) -> str:
    """Sign and confirm, as anybody; the address."""
    address = f"{'asking' if news else 'quiet'}-{name}@example.org"
    page.goto(f"/petitions/{name}/")
    fill(page, "Amina Example", address, "M14 5RX")
    page.set_checked("[name=updates]", news)
    page.check("[name=consent]")
    page.click("form button[type=submit]")
    expect(page.locator("h1")).to_contain_text("Check your email")
    page.goto(mailbox.link_for(address))
    page.get_by_role("button", name="Add my signature").click()
    expect(page.locator("h1")).to_contain_text("Thank you")
    return address


def change(page: Page, name: str, words: str) -> None:
    """Type other words into the English text of the petition."""
    page.goto("/admin/petitions/petition/")
    page.get_by_role("link", name=f"Ask {name}").click()
    page.get_by_role("link", name="Texts", exact=True).click()
    page.fill("[name=en-body]", words)
    page.get_by_role("button", name="Save", exact=True).click()
    is_well(page)


def thank(page: Page, name: str) -> None:
    """Write news, test it, send it, and see it sent."""
    page.goto("/admin/petitions/news/add/")
    choose_petition(page, name)
    page.select_option("#id_texts-0-language", "en")
    page.fill("#id_texts-0-subject", f"Thank you, {name}")
    page.fill("#id_texts-0-body", "It was **handed in**.")
    is_well(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".size")).to_contain_text("Fewer than 25 people, 1 language")
    is_well(page)
    page.get_by_role("button", name="Send a test to me").click()
    expect(page.locator(".messagelist")).to_contain_text("1 message was mailed to")
    page.get_by_role("button", name="Send to fewer than 25 people").click()
    expect(page.locator(".messagelist")).to_contain_text("It is being sent.")
    expect(page.locator("#news-progress")).to_contain_text("1 of 1 sent", timeout=90_000)
    is_well(page)


def news_to(address: str, mailbox: Mailbox) -> list[EmailMessage]:
    return [letter for letter in mailbox.to(address) if letter["List-Unsubscribe"]]


def test_an_organiser_goes_live_corrects_a_text_and_sends_news(
    trial: Page, stack: Stack, chromium: Browser, mailbox: Mailbox
) -> None:
    page, size = trial, trial.viewport_size
    assert size
    name = f"w{size['width']}"
    # 1. The home says how much is ready, and what is missing.
    log_in(page, stack, ORGANISERS)
    title = f"Ask {name}"
    write(page, "petitions/petition", name, title=title, addressee="SBC", ask="Act.", body="Weit.")
    page.goto("/admin/")
    expect(page.locator("li", has_text=title).first).to_contain_text("of 8 ready")
    is_well(page)
    # 2. Mails and the public pages show who is behind it.
    fill_in_the_organisation(page)
    # 4. The statement; its previews and a link for colleagues: see `test_organiser`.
    write(page, "campaign/statement", name, title=title, body="To be read.")
    # 6. Both at once: no signature, no bar; one signs, and it counts one.
    to_publish(page, name)
    page.get_by_role("radio", name="Now").check()
    choose(page)
    expect(page.locator(".messagelist")).to_contain_text("are public now")
    page.goto(f"/petitions/{name}/")
    expect(page.locator(".count-number").first).to_have_text("0")
    assert page.locator("progress").count() == 0
    assert fits(page)
    quiet = sign(page, name, mailbox, news=False)
    assert counted(stack, name) == 1
    assert "The post desk" in str(mailbox.to(quiet)[-1]["From"])
    page.goto("/privacy/")
    expect(page.locator("main")).to_contain_text("data@example.org")
    # 7. A typing error keeps the version; another meaning says who signed the earlier text.
    change(page, name, "Wait.")
    expect(page.locator(".meaning del")).to_have_text("Weit.")
    page.get_by_role("radio", name="A typing error").check()
    save(page, "Saved.")
    change(page, name, "Do not wait.")
    expect(page.locator(".meaning")).to_contain_text("1 person has signed the earlier text.")
    page.get_by_role("radio", name="start a new version").check()
    save(page, "Version 2 was started.")
    # 11. Thanks reach who asked for them, and nobody else.
    asked = sign(page, name, mailbox, news=True)
    thank(page, name)
    (letter,) = news_to(asked, mailbox)
    # They withheld their name.
    assert str(letter["Subject"]).strip() == "The news that you asked for"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert news_to(quiet, mailbox) == []
