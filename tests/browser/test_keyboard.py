"""Without a mouse, or without eyes: the keyboard's way, and what a screen reader is told."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests import SLUG
from tests.browser.test_journeys import (
    DESK,
    PHONE,
    WORDS,
    OpenPage,
    fill,
    fits,
    new_address,
    open_page,
)
from tests.conftest import Mailbox

pytestmark = pytest.mark.browser
__all__ = ["open_page"]

PAGE = f"/petitions/{SLUG}/"
PREFIXES = pytest.mark.parametrize("prefix", ["", "/ar", "/cy"])
# Small in each language; at a desk the words have room in any.
SIZES = pytest.mark.parametrize(
    ("prefix", "size"), [("", PHONE), ("/ar", PHONE), ("/cy", PHONE), ("/ar", DESK)]
)
BUTTON = "main form button[type=submit]"
# After the last stop the focus is the browser's own.
LAST, MOST_STOPS = "body", 60
CONTROLS = {"textbox", "radiogroup", "checkbox", "combobox"}
# What has the focus, how it shows that, and what lies over its middle and its corners.
FOCUSED = """() => {
  const element = document.activeElement;
  const box = element.getBoundingClientRect();
  const look = getComputedStyle(element);
  const inner = [[.5, .5], [.1, .1], [.9, .1], [.1, .9], [.9, .9]].map(([x, y]) =>
    document.elementFromPoint(box.x + x * box.width, box.y + y * box.height));
  const isOurs = (other) => other && (element.contains(other) || other.contains(element)
    || [...(element.labels ?? [])].includes(other));
  return {
    is: element.name || element.tagName.toLowerCase(),
    text: element.textContent.trim(),
    ring: look.outlineStyle === "none" ? 0 : parseFloat(look.outlineWidth),
    isInView: box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth,
    covered: inner.filter((other) => !isOurs(other)).length,
    isInMain: document.querySelector("main").contains(element),
  };
}"""


def press(page: Page, key: str = "Tab") -> dict[str, Any]:
    """What has the focus after a key; whatever it is, it is in sight and shows it."""
    page.keyboard.press(key)
    focused: dict[str, Any] = page.evaluate(FOCUSED)
    if focused["is"] != LAST:
        assert focused["ring"] >= 2, focused
        assert focused["isInView"], focused
        assert focused["covered"] == 0, focused
    return focused


@SIZES
def test_every_tab_stop_of_the_petition_page_is_visible_and_in_order(
    open_page: OpenPage, prefix: str, size: tuple[int, int]
) -> None:
    page = open_page(size)
    page.goto(f"{prefix}{PAGE}")
    stops: list[str] = []
    while LAST not in stops and len(stops) < MOST_STOPS:
        stops.append(press(page)["is"])
    assert stops[-1] == LAST
    start = stops.index("name")
    assert stops[start : start + 9] == [
        "name", "a", "name_use", "email", "residence", "consent", "updates", "summary", "button",
    ]  # fmt: skip


@SIZES
def test_the_news_name_option_is_shown_only_with_news_and_a_withheld_name(
    open_page: OpenPage, prefix: str, size: tuple[int, int]
) -> None:
    """Of those who are counted without their name and want news: by the style sheet alone."""
    page = open_page(size)
    page.goto(f"{prefix}{PAGE}")
    asked = page.locator("[name=news_may_name]")
    expect(asked).to_be_hidden()
    page.check("[name=updates]")
    page.check("[name=name_use][value=government]")
    expect(asked).to_be_hidden()
    page.check("[name=name_use][value=withheld]")
    expect(asked).to_be_visible()
    expect(asked).not_to_be_checked()
    assert fits(page)
    page.focus("[name=updates]")
    assert press(page)["is"] == "news_may_name"
    page.uncheck("[name=updates]")
    expect(asked).to_be_hidden()


@PREFIXES
def test_the_first_tab_stop_skips_to_the_main_content(open_page: OpenPage, prefix: str) -> None:
    page = open_page(PHONE)
    for path in ("/", PAGE, "/find/", "/nowhere/"):
        page.goto(f"{prefix}{path}")
        assert press(page)["text"] == page.inner_text(".skip-link")
        page.keyboard.press("Enter")
        page.wait_for_url("**#main")
        assert press(page)["isInMain"]


@PREFIXES
def test_enter_submits_the_form_and_the_error_summary_works_by_keyboard(
    open_page: OpenPage, prefix: str
) -> None:
    page = open_page(PHONE)
    page.goto(f"{prefix}{PAGE}")
    page.focus("[name=email]")
    page.keyboard.press("Enter")
    expect(page.locator("#error-summary")).to_be_focused()
    links = page.locator("#error-summary a").all()
    assert len(links) == 5
    for link in links:
        assert press(page)["text"] == link.text_content()
    page.keyboard.press("Enter")
    expect(page.locator("[name=consent]")).to_be_focused()
    assert page.evaluate(FOCUSED)["isInView"]
    # What is wrong with it stands in sight beside it.
    expect(page.locator("#id_consent_error")).to_be_in_viewport(ratio=1)


@PREFIXES
def test_consenting_and_confirming_work_by_keyboard_alone(
    open_page: OpenPage, mailbox: Mailbox, prefix: str
) -> None:
    page, address = open_page(PHONE), new_address("keys")
    words = WORDS[prefix.strip("/") or "en"]
    page.goto(f"{prefix}{PAGE}")
    fill(page, "Keyboard Example", address, "M14 5RX")
    page.focus("[name=postcode]")
    until(page, "consent")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(words["check"])

    page.goto(mailbox.link_for(address))
    until(page, "button")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(words["thanks"])


def until(page: Page, name: str) -> None:
    """Go on from stop to stop, as far as a field or the first button."""
    for _ in range(20):
        if press(page)["is"] == name:
            return
    raise AssertionError(f"no way to {name}")


def told(page: Page) -> dict[str, dict[str, Any]]:
    """What assistive technology is told of the form's questions, by name."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    return {
        node["name"]["value"]: {
            "role": node["role"]["value"],
            "description": node.get("description", {}).get("value", ""),
            **{each["name"]: each["value"].get("value") for each in node["properties"]},
        }
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in CONTROLS
    }


@PREFIXES
def test_screen_readers_get_the_name_role_and_error_of_each_field(
    open_page: OpenPage, prefix: str
) -> None:
    page = open_page(PHONE)
    page.goto(f"{prefix}{PAGE}")
    before = told(page)
    roles = ["textbox", "radiogroup", "textbox", "radiogroup", "checkbox", "checkbox"]
    asked = [question for question in before.values() if not question.get("readonly")]
    assert [question["role"] for question in asked] == roles
    assert all(before), "every question has a name"
    assert {question.get("invalid") for question in asked} <= {"false", None}

    page.click(BUTTON)
    expect(page.locator("#error-summary")).to_be_focused()
    after = told(page)
    errors = {str(text) for text in page.locator("#error-summary a").all_text_contents()}
    wrong = [question for question in after.values() if question["invalid"] == "true"]
    assert len(wrong) == len(errors) == 5
    for question in wrong:
        assert any(error in question["description"] for error in errors), question
    assert sum(question.get("required", False) for question in wrong) >= 4
    assert page.locator("[name=consent]").get_attribute("required") is not None
    # Before its words are read, the summary says what it is.
    heading = page.locator("#error-summary :is(h2, h3)").inner_text()
    expect(page.get_by_role("alert", name=heading)).to_be_focused()
    assert page.title().startswith({"": "Error:", "/ar": "خطأ", "/cy": "Gwall"}[prefix])
