"""The moderator's evening in a real browser, at a desk and on a phone: find, decide, undo, done."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from campaign.local.stack import Stack
from petitions.staff.roles import ADMINISTRATORS, ORGANISERS
from tests import SLUG
from tests.browser.staff import log_in
from tests.browser.test_admin_screens import looked_at
from tests.browser.test_journeys import fits
from tests.conftest import counted, eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

LIST = "/admin/petitions/signature/"
# Nine who wait, from one network (twice nine are no burst), and forty who count, of one domain.
_SIGN = """
import sys, django
django.setup()
from django.utils import timezone
from petitions.models import Alert, Petition
from petitions.moderation import alert_causes, decisions
from tests.held import hold_one
from tests.people import sign_and_confirm
from petitions.signers.sealing import Attempt
slug, domain = sys.argv[1:]
petition = Petition.objects.get(slug=slug)
# What other tests left held, and alerts about it, are no part of this evening.
left = petition.signatures.filter(state="held").values_list("pk", flat=True)
why = {"kind": "approve", "reason": "checked", "note": "", "actor": None}
decisions.decide(petition=petition, ids=[*left], **why)
alert_causes.raise_and_close()
Alert.objects.filter(seen_at=None).update(seen_at=timezone.now())
def person(n, domain):
    return Attempt(name=f"Robin Example {n}", email=f"r{n}@{domain}", postcode="M145RX",
                   name_use="withheld")
for n in range(9):
    hold_one(petition, person(n, f"held-{domain}"))
for n in range(40):
    sign_and_confirm(petition, person(n, domain))
"""


@pytest.fixture
def page(chromium: Browser, stack: Stack) -> Iterator[Page]:
    # With the page's policy in force axe could not be brought in.
    context = chromium.new_context(base_url=stack.site_url, bypass_csp=True)
    yield context.new_page()
    context.close()


def sign(stack: Stack, domain: str) -> None:
    command = [sys.executable, "-c", _SIGN, SLUG, domain]
    environment = {**os.environ, **stack.environment}
    subprocess.run(command, env=environment, cwd=settings.BASE_DIR, check=True)


@pytest.mark.parametrize("size", [(1280, 800), (360, 640)])
def test_a_moderator_finds_reveals_approves_removes_and_undoes(
    page: Page, stack: Stack, size: tuple[int, int]
) -> None:
    width, height = size
    domain = f"raid-{width}.example"
    sign(stack, domain)
    before = counted(stack)
    page.set_viewport_size({"width": width, "height": height})

    log_in(page, stack)
    expect(page.locator("#needs-heading")).to_contain_text("9 signatures to check")
    page.locator(".needs a").first.click()
    expect(page.locator(".signs").first).to_contain_text("9 signatures from one network")
    assert fits(page)

    page.locator("#result_list tbody a").first.click()
    expect(page.locator(".timeline")).to_contain_text("Confirmed by its signer")
    expect(page.locator(".facts")).to_contain_text("9, including this one")
    assert fits(page)
    page.get_by_role("link", name="Reveal it").click()
    page.fill("#id_reason", "They wrote that they never signed")
    page.get_by_role("button", name="Reveal the address").click()
    expect(page.locator(".revealed")).to_contain_text("@held-")
    assert fits(page)

    page.goto(LIST)
    page.locator("#tick-all").check()
    page.get_by_role("button", name="Approve").click()
    expect(page.locator(".messagelist")).to_contain_text("9 approved. Nobody gets an email.")
    assert counted(stack) == before + 9

    page.goto(LIST)
    page.fill("#sought", domain)
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".chip")).to_contain_text("from the same email domain")
    page.locator("#tick-all").check()
    page.select_option("#id_reason_remove", "automated")
    page.get_by_role("button", name="Remove from the count").click()
    expect(page.locator(".messagelist")).to_contain_text("40 signatures changed.")
    assert counted(stack) == before - 31
    page.get_by_role("link", name="Undo").click()
    page.get_by_role("button", name="Undo this decision").click()
    expect(page.locator(".messagelist")).to_contain_text("40 signatures have their earlier status")
    assert counted(stack) == before + 9

    bulk(page, stack, domain, before + 9)

    log_in(page, stack, ADMINISTRATORS)
    page.goto("/admin/petitions/auditrecord/?what=address-revealed")
    expect(page.locator(".audit")).to_contain_text("They wrote that they never signed")
    log_in(page, stack)
    expect(page.locator(".needs h2").first).to_contain_text("Nothing needs you")


def bulk(page: Page, stack: Stack, domain: str, before: int) -> None:
    """Remove by condition: previewed, run by the worker, and undone."""
    page.goto(f"{LIST}?petition={SLUG}&order=newest&state=confirmed")
    # Of a few on a page, so that "all that match" is more than what is ticked.
    page.fill("#sought", domain)
    page.get_by_role("button", name="Find").click()
    page.locator("[name=scope][value=all]").check()
    page.select_option("#id_reason_remove", "automated")
    page.get_by_role("button", name="Remove from the count").click()
    expect(page.locator(".facts")).to_contain_text("40")
    found = list(looked_at(page, "preview"))
    assert not found
    page.locator("[name=act][value=start]").click()
    assert eventually(lambda: counted(stack) == before - 40)
    expect(page.locator(".facts")).to_contain_text("with its signatures and its undo")
    page.get_by_role("link", name="with its signatures and its undo").click()
    page.get_by_role("button", name="Undo this decision").click()
    assert eventually(lambda: counted(stack) == before)


def test_the_signature_list_tells_an_organiser_that_only_moderators_use_it(
    page: Page, stack: Stack
) -> None:
    log_in(page, stack, ORGANISERS)
    page.goto(LIST)
    expect(page.locator("#content-main")).to_contain_text("Only moderators use this page.")
