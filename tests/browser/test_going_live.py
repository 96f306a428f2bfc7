"""What an organiser does before going live: every message to oneself, a logo, ticks."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from campaign.local.stack import Stack
from petitions.mail import trials
from petitions.staff.roles import ORGANISERS
from tests.browser.staff import NAMES, log_in
from tests.browser.test_admin_screens import wrong_on
from tests.conftest import Mailbox
from tests.name_server import NameServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
SIZES = [{"width": 1280, "height": 900}, {"width": 360, "height": 800}]


@pytest.fixture(params=SIZES, ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, chromium: Browser, stack: Stack) -> Iterator[Page]:
    # With the page's policy in force axe could not be brought in.
    context = chromium.new_context(base_url=stack.site_url, bypass_csp=True, viewport=request.param)
    page = context.new_page()
    log_in(page, stack, ORGANISERS)
    yield page
    context.close()


def test_trial_messages_arrive_and_dns_records_are_checked_and_corrected(
    page: Page, mailbox: Mailbox, name_server: NameServer
) -> None:
    address = f"{NAMES[ORGANISERS]}@example.org"
    before = len(mailbox.to(address))
    page.get_by_role("link", name="Does our mail arrive?").first.click()
    page.get_by_role("button", name="Send me every message").click()
    number = len(trials.KINDS) * 3
    expect(page.get_by_text(f"{number} messages are on their way")).to_be_visible()
    arrived = mailbox.wait_for(address, before + number)
    marks = ("Trial: ", "تجربة: ", "Prawf: ")
    subjects = [str(one["Subject"]).strip() for one in arrived[before:]]
    assert [said for said in subjects if not said.startswith(marks)] == []

    name_server.txt({"example.org": ["v=spf1 ip4:192.0.2.1 +all"]})
    name_server.zone.pop(("_dmarc.example.org", "TXT"), None)
    page.get_by_label("DKIM selector").fill("mail2026")
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("lets everybody send in your name")).to_be_visible()
    assert list(wrong_on(page)) == []

    name_server.txt({"_dmarc.example.org": [page.locator("#add-DMARC").input_value()]})
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("heading", name="DMARC: right")).to_be_visible()
    expect(page.get_by_label("DKIM selector")).to_have_value("mail2026")


def test_manual_checklist_items_are_ticked_with_a_name_and_can_be_undone(page: Page) -> None:
    page.get_by_role("link", name="Petitions", exact=True).first.click()
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="Checklist").click()
    page.get_by_role("button", name="Done: the keys are kept away from the server").click()
    expect(page.get_by_text(f"{NAMES[ORGANISERS]} ticked this on")).to_be_visible()
    assert list(wrong_on(page)) == []
    page.get_by_role("button", name="No longer true").click()
    expect(page.get_by_text("ticked this on")).to_have_count(0)


def test_an_invalid_logo_is_refused_and_a_valid_one_is_shown(page: Page) -> None:
    out = io.BytesIO()
    Image.new("RGB", (600, 200), (29, 79, 92)).save(out, "PNG")
    page.get_by_role("link", name="Organisation", exact=True).first.click()
    page.locator("#result_list tbody th a").click()
    file = page.get_by_label("New logo")
    file.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("This is not a picture that every browser can show")).to_be_visible()
    assert list(wrong_on(page)) == []
    file.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": out.getvalue()})
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()

    for path in ("/", "/ar/"):
        page.goto(path)
        shown = page.locator(".site-name img.logo")
        expect(shown).to_be_visible(timeout=30_000)
        assert shown.evaluate("image => image.naturalWidth") == 336
        assert shown.get_attribute("alt")
        assert list(wrong_on(page)) == []
