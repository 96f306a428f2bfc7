"""The organiser's journey, at a desk and on a phone: steps 1, 2, 6, 7 and 11 of it, on the site as
it runs in production. The others: `test_organiser` (4 and 5), `test_going_live` (3).
"""

import os
import re
import subprocess
from base64 import b32decode
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from django.conf import settings
from django_otp.oath import totp
from playwright.sync_api import Browser, Page, ViewportSize, expect

from campaign.local.services import HOST, Port, web
from campaign.local.stack import Stack
from petitions.staff.roles import ADMINISTRATORS, ORGANISERS
from tests.browser.staff import PASSWORD, log_in
from tests.browser.test_admin_screens import wrong_on
from tests.browser.test_journeys import fill, fits
from tests.browser.test_organiser import choose, run, to_publish
from tests.conftest import Mailbox, counted, eventually
from tests.deployed import shipped_proxy

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PATIENCE = 180_000
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
CODE = re.compile(r"[a-z0-9]{4}(?:-[a-z0-9]{4}){2}")


@pytest.fixture(scope="module")
def production(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the stack's site as it runs in production: over TLS, behind the shipped proxy, and
    with a second factor for everybody. Mail goes out by the worker of the stack.
    """
    port = Port()
    folder = tmp_path_factory.mktemp("production")
    with shipped_proxy(f"{HOST}:{port.number}", folder, scheme="https") as front:
        environment = {
            **os.environ, **stack.environment,
            "ENVIRONMENT": "production", "SITE_URL": f"https://{HOST}:{front}",
            "TRUSTED_PROXIES": f"{HOST}/32", "LOCAL_MAILBOX": "",
        }  # fmt: skip
        process = start(environment, port)
        try:
            yield environment["SITE_URL"]
        finally:
            process.terminate()
            process.wait(60)


def start(environment: dict[str, str], port: Port) -> "subprocess.Popen[bytes]":
    """gunicorn on a port of its own, as the stack starts it."""
    service = web(environment, port)
    with port.take() as listener:
        process = subprocess.Popen(
            list(service.command),
            env={**environment, "BIND": f"fd://{listener.fileno()}"},
            cwd=settings.BASE_DIR,
            pass_fds=[listener.fileno()],
        )
    assert eventually(service.is_ready, 60)
    return process


@pytest.fixture(params=[1280, 360])
def page(request: pytest.FixtureRequest, chromium: Browser, production: str) -> Iterator[Page]:
    context = chromium.new_context(
        base_url=production,
        viewport={"width": request.param, "height": 800},
        ignore_https_errors=True,
        # With the page's policy in force axe could not be brought in.
        bypass_csp=True,
    )
    # A password's hash has the lowest priority, and waits for all that this machine does besides.
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def is_well(page: Page) -> None:
    assert list(wrong_on(page)) == []


def invite(chromium: Browser, stack: Stack, name: str, size: ViewportSize) -> None:
    """As a plain administrator, in the trial, where no second factor is asked for."""
    context = chromium.new_context(base_url=stack.site_url, viewport=size, bypass_csp=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    log_in(page, stack, ADMINISTRATORS)
    page.get_by_role("link", name="People", exact=True).first.click()
    page.get_by_role("link", name="Invite somebody").click()
    is_well(page)
    page.fill("#id_username", name)
    page.fill("#id_email", f"{name}@example.org")
    page.get_by_label("Organisers: write and publish").check()
    page.locator("[name=_save]").click()
    expect(page.locator(".messagelist")).to_contain_text(f"“{name}” gets a mail with a link")
    context.close()


def code_of(secret: str, steps: int = 0) -> str:
    return f"{totp(b32decode(secret.replace(' ', '')), t0=-30 * steps):06}"


def link_to(production: str, message: EmailMessage) -> str:
    """The first link of a message, whose worker knows the trial's address alone."""
    body = message.get_body(("plain",))
    assert body
    found = re.search(r"https?://[^/]+(/\S+)", body.get_content())
    assert found
    return f"{production}{found[1]}"


def choose_password(page: Page, name: str) -> None:
    expect(page.locator("#content-main")).to_contain_text(f"for the account {name}")
    is_well(page)
    for typed, button in (("short", "too short"), (PASSWORD, f"Log in with it as {name}.")):
        for field in ("new_password1", "new_password2"):
            page.fill(f"[name={field}]", typed)
        page.get_by_role("button", name="Set this password").click()
        expect(page.locator("#container")).to_contain_text(button)
        is_well(page)


def type_password(page: Page, name: str) -> None:
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Log in").click()


def set_up_an_app(page: Page) -> tuple[str, list[str]]:
    """A wrong code, then the right one; the app's secret and the recovery codes."""
    expect(page.locator("h1")).to_have_text("Set up your second factor")
    # No menu whose every link would lead back here.
    expect(page.locator("#nav-sidebar")).to_have_count(0)
    secret = page.locator(".key").inner_text()
    is_well(page)
    page.fill("[name=code]", "000000")
    page.get_by_role("button", name="Finish").click()
    expect(page.locator(".errorlist")).to_contain_text("This code is wrong")
    expect(page.locator(".key")).to_have_text(secret)
    # As long as the page asks to wait.
    page.wait_for_timeout(1_500)
    page.fill("[name=code]", code_of(secret))
    page.get_by_role("button", name="Finish").click()
    expect(page.locator("h1")).to_have_text("Keep your recovery codes")
    is_well(page)
    codes = CODE.findall(page.locator(".codes").inner_text())
    assert len(codes) == 10
    button = page.get_by_role("link", name="I have kept them: go on")
    box = button.bounding_box()
    assert box
    assert box["height"] < 50, "the words stand in the middle of the button"
    button.click()
    return secret, codes


def test_an_organiser_is_invited_and_lets_a_telephone_and_a_recovery_code_in(
    page: Page, chromium: Browser, stack: Stack, production: str, mailbox: Mailbox
) -> None:
    size = page.viewport_size
    assert size
    name = f"olga{size['width']}"
    invite(chromium, stack, name, size)
    link = link_to(production, mailbox.wait_for(f"{name}@example.org")[-1])
    page.goto(link)
    choose_password(page, name)
    type_password(page, name)
    secret, codes = set_up_an_app(page)
    expect(page.locator("h1")).to_have_text("What needs you")
    assert fits(page)

    page.get_by_role("button", name="Log out").click()
    page.goto(link)
    expect(page.locator("h1")).to_have_text("This link does not work any more")
    is_well(page)
    # Whither the log-in leads is kept through password and code.
    page.goto("/admin/petitions/news/")
    type_password(page, name)
    expect(page.locator("h1")).to_have_text("Second factor")
    is_well(page)
    page.fill("[name=code]", codes[0].upper())
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("h1")).to_have_text("News to supporters")
    page.get_by_role("link", name="Second factor").click()
    expect(page.locator("#content-main")).to_contain_text("You have 9 recovery codes left.")
    is_well(page)
    page.get_by_role("button", name="Make new recovery codes").click()
    assert codes[1] not in page.locator(".codes").inner_text()

    page.get_by_role("link", name="I have kept them: go on").click()
    page.get_by_role("button", name="Log out").click()
    page.goto("/admin/")
    type_password(page, name)
    page.fill("[name=code]", codes[1])
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".errorlist")).to_contain_text("This code is wrong")
    page.wait_for_timeout(1_500)
    page.fill("[name=code]", code_of(secret, 1))
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#needs-heading, .needs h2").first).to_be_visible()


# --- the journey itself, in the trial


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


def save(page: Page, said: str) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text(said)
    assert fits(page)


def choose_petition(page: Page, name: str) -> None:
    option = page.locator("#id_petition option", has_text=f"Ask {name} ({name})")
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
    page.get_by_role("button", name="Test to me").click()
    expect(page.locator(".messagelist")).to_contain_text("1 message was mailed to")
    page.get_by_role("button", name="Send to fewer than 25 people").click()
    expect(page.locator(".messagelist")).to_contain_text("It is being sent.")
    expect(page.locator("#news-progress")).to_contain_text("1 of 1 sent", timeout=90_000)
    is_well(page)


def news_to(address: str, mailbox: Mailbox) -> list[EmailMessage]:
    return [letter for letter in mailbox.to(address) if letter["List-Unsubscribe"]]


def test_an_organiser_goes_live_mends_a_text_and_thanks_who_asked_for_it(
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
    page.get_by_role("radio", name="begin a new version").check()
    save(page, "Version 2 was begun.")
    # 11. Thanks reach who asked for them, and nobody else.
    asked = sign(page, name, mailbox, news=True)
    thank(page, name)
    (letter,) = news_to(asked, mailbox)
    # They withheld their name.
    assert str(letter["Subject"]).strip() == "The news that you asked for"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert news_to(quiet, mailbox) == []
