"""An organiser writes the texts of a petition side by side, corrects one, and begins a version."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from campaign.local.stack import Stack
from petitions.staff.roles import ORGANISERS
from tests.browser.staff import log_in
from tests.browser.test_admin_screens import looked_at

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

ENGLISH = {"title": "Reopen the crossing", "addressee": "the British Government", "ask": "Do it."}
ARABIC = {"title": "أعيدوا فتح المعبر", "addressee": "الحكومة البريطانية", "ask": "افعلوا."}


@pytest.fixture
def page(chromium: Browser, stack: Stack) -> Iterator[Page]:
    # With the page's policy in force axe could not be brought in.
    context = chromium.new_context(base_url=stack.site_url, bypass_csp=True)
    yield context.new_page()
    context.close()


def act(page: Page, label: str) -> None:
    page.get_by_role("link", name=label, exact=False).first.click()
    page.fill("[name=reason]", "For a test.")
    if page.locator("[name=sure]").count():
        page.check("[name=sure]")
    page.locator(".submit-row [type=submit]").click()


def test_an_organiser_writes_corrects_and_renews_a_text(page: Page, stack: Stack) -> None:
    log_in(page, stack, ORGANISERS)
    page.goto("/admin/petitions/petition/add/")
    page.fill("#id_slug", "crossing")
    page.locator("[name=_save]").click()
    texts = page.url
    for code, words in (("en", ENGLISH), ("ar", ARABIC)):
        for name, value in words.items():
            page.fill(f"[name={code}-{name}]", value)
    page.fill("[name=en-body]", "People wait **for weaks**.")
    # The preview follows the keys, without a press.
    preview = page.frame_locator("#preview-en")
    expect(preview.locator("strong")).to_have_text("for weaks")
    # The site's own style sheet.
    expect(preview.locator("body")).to_have_css("background-color", "rgb(251, 248, 243)")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("Saved.")
    expect(page.locator("#content-main")).to_contain_text("no text in Welsh")
    page.get_by_role("link", name="Back").click()
    act(page, "Open …")

    page.goto(texts)
    page.fill("[name=en-body]", "People wait **for weeks**.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".meaning del")).to_have_text("weaks**.")
    assert not list(looked_at(page, "texts/"))
    page.get_by_role("radio", name="A typing error").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("Saved.")

    page.fill("[name=ar-title]", "أعيدوا فتح المعابر كلها")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("radio", name="start a new version").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("Version 2 was started.")
    page.get_by_role("button", name="publish version 2 now").click()
    expect(page.locator(".messagelist")).to_contain_text("Published: ")
    assert not list(looked_at(page, "texts/"))

    for path in ("/petitions/crossing/history/", "/ar/petitions/crossing/history/"):
        page.goto(path)
        assert not list(looked_at(page, path))
    page.goto("/petitions/crossing/history/")
    page.get_by_text("Read this version").click()
    expect(page.locator("details")).to_contain_text("People wait for weeks.")
    page.goto("/admin/petitions/petition/")
    page.get_by_role("link", name="crossing").first.click()
    act(page, "Take off the site …")


def test_without_javascript_a_button_shows_the_text_preview(
    chromium: Browser, stack: Stack
) -> None:
    context = chromium.new_context(base_url=stack.site_url, java_script_enabled=False)
    page = context.new_page()
    log_in(page, stack, ORGANISERS)
    page.goto("/admin/campaign/statement/")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="Texts").click()
    page.fill("[name=en-body]", "Not **saved**.")
    page.get_by_role("button", name="Show the preview").click()
    assert "<strong>saved</strong>" in (page.get_attribute("#preview-en", "srcdoc") or "")
    expect(page.locator("[name=en-body]")).to_have_value("Not **saved**.")
    context.close()
