"""The first log-in of an organiser and of a moderator, on the site as it runs in production: each
walks in one width, and every page on the way is looked at in both.
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
from playwright.sync_api import Browser, Page, expect

from campaign.local.services import HOST, Port, web
from campaign.local.stack import Stack
from petitions.staff.roles import ADMINISTRATORS
from tests import SLUG
from tests.browser.staff import PASSWORD, PATIENCE, log_in
from tests.browser.test_admin_screens import wrong_on
from tests.browser.test_organiser import run
from tests.conftest import Mailbox, counted, eventually
from tests.deployed import shipped_proxy

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

WIDTHS = (1280, 360)
CODE = re.compile(r"[a-z0-9]{4}(?:-[a-z0-9]{4}){2}")
_HOLD = """
import sys, django
django.setup()
from petitions.models import Petition
from petitions.signers.sealing import Attempt
from tests.held import hold_one
hold_one(Petition.objects.get(slug=sys.argv[1]), Attempt(
    name="Maud Heldmore", email="maud@heldmore.example", postcode="M145RX", name_use="withheld"))
"""


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


@pytest.fixture
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
    """Look at the page in its own width and in the other one."""
    size = page.viewport_size
    assert size
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert list(wrong_on(page)) == [], width
    page.set_viewport_size(size)


def invite(chromium: Browser, stack: Stack, name: str, role: str) -> None:
    """As a plain administrator, in the trial, where no second factor is asked for."""
    context = chromium.new_context(base_url=stack.site_url, bypass_csp=True)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    log_in(page, stack, ADMINISTRATORS)
    page.get_by_role("link", name="People", exact=True).first.click()
    page.get_by_role("link", name="Invite somebody").click()
    is_well(page)
    page.fill("#id_username", name)
    page.fill("#id_email", f"{name}@example.org")
    page.get_by_label(role).check()
    page.locator("[name=_save]").click()
    expect(page.locator(".messagelist")).to_contain_text(f"“{name}” gets an email with a link")
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
        expect(page.locator("#container")).to_contain_text(button, timeout=PATIENCE)
        is_well(page)


def type_password(page: Page, name: str) -> None:
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#id_username")).to_have_count(0, timeout=PATIENCE)


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


@pytest.mark.parametrize("page", [360], indirect=True)
def test_an_invited_organiser_logs_in_with_an_authenticator_and_recovery_codes(
    page: Page, chromium: Browser, stack: Stack, production: str, mailbox: Mailbox
) -> None:
    name = "olga"
    invite(chromium, stack, name, "Organisers: write and publish")
    link = link_to(production, mailbox.wait_for(f"{name}@example.org")[-1])
    page.goto(link)
    choose_password(page, name)
    type_password(page, name)
    secret, codes = set_up_an_app(page)
    expect(page.locator("h1")).to_have_text("What needs you")
    is_well(page)

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


@pytest.mark.parametrize("page", [1280], indirect=True)
def test_an_invited_moderator_approves_a_signature_and_resets_the_password(
    page: Page, chromium: Browser, stack: Stack, production: str, mailbox: Mailbox
) -> None:
    name = "max"
    address = f"{name}@example.org"
    invite(chromium, stack, name, "Moderators: see names")
    run(stack, _HOLD, SLUG)
    before = counted(stack)
    page.goto(link_to(production, mailbox.wait_for(address)[-1]))
    choose_password(page, name)
    type_password(page, name)
    _secret, codes = set_up_an_app(page)
    expect(page.locator("#needs-heading")).to_contain_text("to check")
    is_well(page)

    # The first list, and the first decision.
    page.locator(".needs a").first.click()
    held = page.locator("#result_list tr", has_text="Maud Heldmore")
    held.get_by_role("checkbox").check()
    is_well(page)
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messagelist")).to_contain_text("1 approved. Nobody gets an email.")
    assert counted(stack) == before + 1

    # Forgotten on the next evening: the link asks for a new password, and the log-in for a code.
    page.get_by_role("button", name="Log out").click()
    page.goto("/admin/")
    page.get_by_role("link", name="Forgotten your password?").click()
    is_well(page)
    page.fill("[name=email]", address)
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.locator("h1")).to_have_text("Check your mailbox")
    is_well(page)
    page.goto(link_to(production, mailbox.wait_for(address, 2)[-1]))
    choose_password(page, name)
    type_password(page, name)
    page.fill("[name=code]", codes[0])
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("h1")).to_have_text("What needs you")
