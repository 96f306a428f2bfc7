"""The pages about the site itself, and the contact form, on a small phone."""

import pytest
from playwright.sync_api import expect

from petitions.web.long_pages import NAMES
from tests.browser.test_journeys import PHONE, OpenPage, fits, open_page

pytestmark = pytest.mark.browser
__all__ = ["open_page"]

HOMES = pytest.mark.parametrize(
    ("home", "direction"), [("/", "ltr"), ("/ar/", "rtl"), ("/cy/", "ltr")]
)
# WCAG 2.2, 2.5.8.
LEAST_TARGET = 24


@HOMES
def test_the_pages_about_the_site_fit_a_small_phone_with_large_tap_targets(
    open_page: OpenPage, home: str, direction: str
) -> None:
    page = open_page(PHONE, javascript=False)
    for name in (*NAMES, "contact"):
        page.goto(f"{home}{name}/")
        assert page.get_attribute("html", "dir") == direction
        expect(page.locator("h1")).to_have_count(1)
        assert fits(page), (home, name)
        links = page.locator(".about-links a").all()
        assert links, name
        for link in links:
            box = link.bounding_box()
            assert box
            assert min(box["width"], box["height"]) >= LEAST_TARGET


@pytest.mark.parametrize(
    ("home", "javascript"), [("/", True), ("/ar/", True), ("/ar/", False), ("/cy/", False)]
)
def test_a_contact_form_without_a_message_keeps_the_other_input(
    open_page: OpenPage, home: str, javascript: bool
) -> None:
    page = open_page(PHONE, javascript=javascript)
    page.goto(home)
    page.click(f".about-links a[href='{home}contact/']")
    page.check("[name=kind][value=complaint]")
    page.fill("[name=name]", "ليلى Example")
    page.fill("[name=email]", "layla@example.org")
    page.click("form button[type=submit]")

    expect(page.locator("#error-summary")).to_be_focused()
    assert page.is_checked("[name=kind][value=complaint]")
    assert page.input_value("[name=name]") == "ليلى Example"
    assert page.input_value("[name=email]") == "layla@example.org"
    assert fits(page)

    page.click("#error-summary a")
    expect(page.locator("[name=message]")).to_be_focused()
    page.fill("[name=message]", "اسمي في القائمة.\nPlease take it out.")
    page.click("form button[type=submit]")
    page.wait_for_url(f"**{home}contact/sent/")
    assert "30" in page.inner_text("main")
    assert fits(page)
