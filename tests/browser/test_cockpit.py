"""The screens of an attack in a real browser: the cockpit renews itself, and axe finds nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, Route, expect

from campaign.local.stack import Stack
from tests import SLUG
from tests.browser.staff import log_in
from tests.browser.test_admin_screens import looked_at

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PATH = "petitions/activityminute/"
COCKPIT = f"/admin/{PATH}"
# Signatures of one network and domain with their alert, a rule, and minutes that were counted.
_ATTACK = """
import json, sys, django
django.setup()
from datetime import timedelta
from django.utils import timezone
from petitions.models import ActivityMinute, Alert, Petition, Rule, Signer
from petitions.screening.screen import Screening
from petitions.signatures import submit
from petitions.signers.sealing import Attempt
petition = Petition.objects.get(slug=sys.argv[1])
raid = Screening(verdict="hold", signals=("burst:9",), network="203.0.113.0/24")
for n in range(9):
    attempt = Attempt(name=f"Robin {n}", email=f"r{n}@axe.example", name_use="withheld")
    pk = submit.store(petition=petition, attempt=attempt, screening=raid)
network = bytes(Signer.objects.get(pk=pk).network_ix)
alert, _new = Alert.objects.get_or_create(
    petition=petition, kind="burst", network_ix=network, defaults={"number": 9})
rule, _new = Rule.objects.get_or_create(
    kind="domain", action="hold", pattern="axe.example", defaults={"note": "x"})
now = timezone.now().replace(second=0, microsecond=0)
for n in range(2, 40):
    ActivityMinute.objects.get_or_create(petition=petition, minute=now - timedelta(minutes=n),
        defaults={"counts": {"signed": n, "confirmed": n // 2, "held": n // 3}})
print(json.dumps({"alert": alert.pk, "rule": rule.pk, "petition": petition.pk}))
"""
_STEP = """
import sys, django
django.setup()
from petitions.models import ActivityMinute
newest = ActivityMinute.objects.latest("minute")
newest.counts["signed"] = newest.counts.get("signed", 0) + 1_000_000
newest.save()
"""


@pytest.fixture
def page(chromium: Browser, stack: Stack) -> Iterator[Page]:
    # With the page's policy in force axe could not be brought in.
    context = chromium.new_context(base_url=stack.site_url, bypass_csp=True)
    yield context.new_page()
    context.close()


def run(stack: Stack, script: str) -> str:
    command = [sys.executable, "-c", script, SLUG]
    environment = {**os.environ, **stack.environment}
    done = subprocess.run(
        command, env=environment, cwd=settings.BASE_DIR, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_the_pages_used_during_an_attack_pass_axe(page: Page, stack: Stack) -> None:
    ids = json.loads(run(stack, _ATTACK))
    log_in(page, stack)
    found: list[str] = []
    for path in (
        PATH,
        f"petitions/alert/{ids['alert']}/change/",
        f"petitions/rule/{ids['rule']}/change/",
        f"petitions/petition/{ids['petition']}/switches/",
    ):
        page.goto(f"/admin/{path}")
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        found += looked_at(page, path)
    # What a rule would have met, and what a decision about an alert would do.
    page.goto("/admin/petitions/rule/add/")
    page.select_option("#id_action", "block")
    page.select_option("#id_kind", "domain")
    page.fill("#id_whom", "gmail.com")
    page.fill("#id_note", "An attack")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".errornote").first).to_be_visible()
    found += looked_at(page, "rule preview")
    page.goto(f"/admin/petitions/alert/{ids['alert']}/change/")
    page.select_option("[name=reason_remove]", "automated")
    with page.expect_navigation():
        page.get_by_role("button", name="Remove from the count", exact=True).click()
    found += looked_at(page, "alert preview")
    assert not found


def test_the_cockpit_refreshes_keeps_the_focus_and_can_be_paused(page: Page, stack: Stack) -> None:
    run(stack, _ATTACK)
    log_in(page, stack)
    page.clock.install()
    page.goto(f"{COCKPIT}?petition={SLUG}")
    now = page.locator("#now")
    before = now.inner_text()
    page.locator("summary").first.click()
    page.locator("#queues a").first.focus()
    run(stack, _STEP)
    page.clock.run_for(31_000)
    expect(now).not_to_have_text(before)
    expect(now).to_contain_text("1,000,")
    expect(page.locator("#hour-rows")).to_be_visible()
    expect(page.locator("#queues a").first).to_be_focused()

    page.get_by_role("button", name="Pause").click()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(120_000)
    assert not asked
    page.get_by_role("button", name="Refresh automatically").click()
    expect(page.locator(".renewing")).to_contain_text("Refreshed every half minute.")
    assert len(asked) == 1


def test_the_cockpit_reports_a_failed_refresh_and_a_logged_out_session(
    page: Page, stack: Stack
) -> None:
    log_in(page, stack)
    page.clock.install()
    page.goto(COCKPIT)

    def hang_up(route: Route) -> None:
        route.abort()

    page.route(f"**{COCKPIT}", hang_up)
    page.clock.run_for(31_000)
    expect(page.locator(".renewing")).to_contain_text("No answer. These are earlier figures.")
    page.unroute(f"**{COCKPIT}", hang_up)
    page.context.clear_cookies()
    page.clock.run_for(31_000)
    expect(page.locator(".renewing")).to_contain_text("You are logged out.")


def test_the_cockpit_is_paused_with_reduced_motion_and_static_without_javascript(
    page: Page, chromium: Browser, stack: Stack
) -> None:
    page.emulate_media(reduced_motion="reduce")
    log_in(page, stack)
    page.goto(COCKPIT)
    expect(page.locator(".renewing")).to_contain_text("Paused.")
    expect(page.get_by_role("button", name="Refresh automatically")).to_be_visible()

    cookies = page.context.cookies()
    context = chromium.new_context(base_url=stack.site_url, java_script_enabled=False)
    context.add_cookies([{**one} for one in cookies])  # type: ignore[typeddict-item]
    plain = context.new_page()
    plain.goto(COCKPIT)
    expect(plain.get_by_role("link", name="Load the page again")).to_be_visible()
    expect(plain.locator(".renewing")).to_be_hidden()
    context.close()
