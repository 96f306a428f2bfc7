"""The journeys of the signer, the moderator and the organiser, in a real browser."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote_plus, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from campaign.local.stack import Stack
from petitions.staff.roles import ORGANISERS
from tests import SLUG
from tests.browser.staff import log_in
from tests.conftest import Mailbox, counted, eventually

pytestmark = pytest.mark.browser

PHONE, DESK = (320, 568), (1280, 800)
WORDS = {
    "en": {
        "check": "Check your email", "add": "Add my signature",
        "thanks": "Thank you. Your signature is confirmed.",
        "subject": "Please confirm your email address", "share": "Read and sign:",
    },
    "ar": {
        "check": "تفقّد", "add": "إضافة توقيعي", "thanks": "شكرًا",
        "subject": "يرجى تأكيد عنوان بريدك الإلكتروني", "share": "للقراءة والتوقيع:",
    },
    "cy": {
        "check": "e-bost", "add": "Ychwanegu fy llofnod", "thanks": "Diolch",
        "subject": "Cadarnhewch eich cyfeiriad e-bost", "share": "Darllenwch a llofnodwch:",
    },
}  # fmt: skip
# A name as it is typed there, and a postcode in the digits that a keyboard may have.
TYPED = {
    "en": ("Amina Example", "m14 5rx"),
    "ar": ("ليلى مثال", "M١٤ ٥RX"),
    "cy": ("Siân Enghraifft", "CF10 1AA"),
}

OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(chromium: Browser, stack: Stack) -> Iterator[OpenPage]:
    """Pages of a fresh browser; the test fails on a console error or a request elsewhere."""
    troubles: list[str] = []
    home = urlsplit(stack.site_url).netloc

    def watch(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "about", "blob"} and address.netloc != home:
            troubles.append(f"asked {address.netloc}")

    contexts = []

    def open_one(size: tuple[int, int] = DESK, *, javascript: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=javascript,
            base_url=stack.site_url,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("request", watch)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "console",
            # Chromium reports our own refusals (422 and the like) as errors of loading.
            lambda message: (
                troubles.append(message.text)
                if message.type == "error" and "Failed to load resource" not in message.text
                else None
            ),
        )
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not troubles


def new_address(name: str) -> str:
    return f"{name}-{time.monotonic_ns()}@example.org"


def count_on(page: Page) -> int:
    told = page.request.get(f"/api/v1/petitions/{SLUG}.json").json()
    return int(told["signature_count"])


def eventually_counts(page: Page, expected: int) -> bool:
    """Whether the site tells this count, once nobody keeps an older one."""
    return eventually(lambda: count_on(page) == expected)


def is_now_in(page: Page, language: str) -> None:
    """Wait until a page in a language is there, which is turned its way."""
    html = page.locator("html")
    expect(html).to_have_attribute("lang", language)
    expect(html).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")


def is_on_screen(page: Page, selector: str) -> bool:
    box = page.locator(selector).first.bounding_box()
    size = page.viewport_size
    assert box
    assert size
    return box["y"] >= 0 and box["y"] + box["height"] <= size["height"]


def fits(page: Page) -> bool:
    """Whether nothing makes the page, once it is loaded, scroll sideways."""
    page.wait_for_load_state()
    width = page.evaluate("document.documentElement.scrollWidth")
    size = page.viewport_size
    assert size
    return int(width) <= size["width"]


def fill(page: Page, name: str, email: str, postcode: str) -> None:
    page.fill("[name=name]", name)
    page.check("[name=name_use][value=withheld]")
    page.fill("[name=email]", email)
    page.check("[name=residence][value=uk]")
    page.fill("[name=postcode]", postcode)
    # Whoever fills in everything within half a second is held, for no hand is so quick.
    page.wait_for_timeout(600)


@pytest.mark.parametrize(
    ("size", "javascript"), [(PHONE, True), (DESK, False)], ids=["phone", "desk without script"]
)
@pytest.mark.parametrize("language", ["en", "ar", "cy"])
def test_a_signer_forgets_consent_signs_confirms_and_is_thanked(
    open_page: OpenPage,
    mailbox: Mailbox,
    stack: Stack,
    language: str,
    javascript: bool,
    size: tuple[int, int],
) -> None:
    page, address = open_page(size, javascript=javascript), new_address("signer")
    words, (name, postcode) = WORDS[language], TYPED[language]
    # 1. The link to the language stands in sight on the English page; a tap turns the page.
    page.goto("/")
    if language != "en":
        assert is_on_screen(page, f"a[hreflang={language}]")
        page.click(f"header a[hreflang={language}]")
    is_now_in(page, language)
    # 2. What is asked and the way to sign are on the first screen.
    assert is_on_screen(page, "h1")
    assert is_on_screen(page, "main a[href*=petitions]")
    assert fits(page)
    page.click("main a[href*=petitions]")
    page.wait_for_url(f"**/petitions/{SLUG}/**")
    is_now_in(page, language)
    before = counted(stack)
    # 3. and 4. The safety note stands beside the name; digits of both scripts are understood.
    expect(page.locator(".safety")).to_be_visible()
    fill(page, name, address, postcode)
    assert page.get_attribute("[name=email]", "dir") == "ltr"
    assert not page.is_checked("[name=updates]")
    assert fits(page)
    # 5. Consent forgotten: everything stays, the summary has the focus.
    page.click("form button[type=submit]")
    expect(page.locator("#error-summary")).to_be_focused()
    assert page.input_value("[name=name]") == name
    assert page.input_value("[name=email]") == address
    assert page.is_checked("[name=name_use][value=withheld]")
    is_now_in(page, language)
    assert fits(page)
    # 6. Consents, signs, and is told what to look for.
    page.check("[name=consent]")
    page.click("form button[type=submit]")
    expect(page.locator("h1")).to_contain_text(words["check"])
    is_now_in(page, language)
    assert address not in page.content()
    assert words["subject"] in page.inner_text("main")
    assert fits(page)
    # 7. The mail is in the same language; opening its link changes no count.
    message = mailbox.wait_for(address)[-1]
    # A long header may begin on a line of its own.
    assert str(message["Subject"]).strip() == words["subject"]
    page.goto(mailbox.link_for(address))
    is_now_in(page, language)
    assert counted(stack) == before
    # 8. One button, on screen without scrolling, adds the signature.
    button = page.get_by_role("button", name=words["add"])
    assert is_on_screen(page, "form button[type=submit]")
    button.click()
    # 9. Thanked, and given an invitation to pass on, not a confession.
    expect(page.locator("h1")).to_contain_text(words["thanks"])
    is_now_in(page, language)
    assert eventually_counts(page, before + 1)
    invitation = str(page.get_attribute("a[href*='wa.me'], a[href*='whatsapp']", "href"))
    assert words["share"] in unquote_plus(invitation)
    assert fits(page)
    assert page.context.cookies() == []


def test_the_form_can_be_filled_in_and_sent_by_keyboard_alone(
    open_page: OpenPage, mailbox: Mailbox
) -> None:
    page, address = open_page(), new_address("keys")
    page.goto(f"/petitions/{SLUG}/")
    page.focus("[name=name]")
    page.keyboard.type("Keyboard Example")
    page.keyboard.press("Tab")
    for _ in range(20):
        if page.evaluate("document.activeElement.name") == "name_use":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    _tab_to(page, "email")
    page.keyboard.type(address)
    _tab_to(page, "residence")
    page.keyboard.press("Space")
    _tab_to(page, "postcode")
    page.keyboard.type("M14 5RX")
    _tab_to(page, "consent")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(WORDS["en"]["check"])
    assert mailbox.wait_for(address)


def _tab_to(page: Page, name: str) -> None:
    for _ in range(30):
        if page.evaluate("document.activeElement.name") == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {name} by keyboard")


def test_every_link_of_the_error_summary_focuses_its_field(open_page: OpenPage) -> None:
    page = open_page(PHONE)
    page.goto(f"/petitions/{SLUG}/")
    page.click("form button[type=submit]")
    expect(page.locator("#error-summary")).to_be_focused()
    links = page.locator("#error-summary a")
    assert links.count() >= 5
    for number in range(links.count()):
        target = str(links.nth(number).get_attribute("href"))
        links.nth(number).click()
        expect(page.locator(target)).to_be_focused()


def test_the_mailbox_page_shows_the_message_whose_link_opens_the_confirm_page(
    open_page: OpenPage, mailbox: Mailbox
) -> None:
    page, address = open_page(), new_address("reader")
    page.goto(f"/petitions/{SLUG}/")
    fill(page, "Reader Example", address, "M14 5RX")
    page.check("[name=consent]")
    page.click("form button[type=submit]")
    mailbox.wait_for(address)

    page.goto("/mailbox/")
    page.get_by_role("row").filter(has_text=address).get_by_role("link").click()
    expect(page.locator("h1")).to_contain_text("Please confirm")
    assert address in page.content()
    page.locator("main a[href*='/t/en/confirm/']").first.click()
    expect(page.get_by_role("button", name="Add my signature")).to_be_visible()


def test_a_moderator_removes_and_restores_and_an_organiser_exports(
    open_page: OpenPage, mailbox: Mailbox, stack: Stack, tmp_path: Path
) -> None:
    page, address = open_page(), new_address("moderated")
    page.goto(f"/petitions/{SLUG}/")
    fill(page, "Moderated Example", address, "M14 5RX")
    page.check("[name=consent]")
    page.click("form button[type=submit]")
    expect(page.locator("h1")).to_contain_text(WORDS["en"]["check"])
    page.goto(mailbox.link_for(address))
    before = counted(stack)
    page.get_by_role("button", name="Add my signature").click()
    expect(page.locator("h1")).to_contain_text(WORDS["en"]["thanks"])
    assert eventually_counts(page, before + 1)

    log_in(page, stack)
    page.goto("/admin/petitions/signature/")
    page.fill("#sought", address.upper())
    with page.expect_navigation():
        page.get_by_role("button", name="Find").click()
    assert address not in page.url.lower()
    page.click("#result_list tbody a")
    page.select_option("#id_reason_remove", "duplicate")
    page.get_by_role("button", name="Remove from the count").click()
    expect(page.locator(".messagelist")).to_contain_text("Nobody gets an email.")
    assert eventually_counts(page, before)

    page.select_option("#id_reason_restore", "mistake")
    with page.expect_navigation():
        page.get_by_role("button", name="Restore as before").click()
    assert eventually_counts(page, before + 1)

    log_in(page, stack, ORGANISERS)
    page.goto("/admin/petitions/petition/")
    page.get_by_role("link", name="Protect civilians in Idlib").click()
    page.get_by_role("link", name="Export signatures").click()
    page.get_by_role("link", name="Hand the petition in").click()
    page.fill("#id_why", " ")
    page.get_by_role("button", name="Export and download").click()
    expect(page.locator(".errorlist")).to_be_visible()
    page.fill("#id_why", "a test of the hand-in")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export and download").click()
    expect(page.locator("#export-progress")).to_contain_text(f"Complete: {before + 1} rows.")
    expect(page.locator(".errorlist")).to_have_count(0)
    target = tmp_path / "list.csv"
    download.value.save_as(target)
    text = target.read_text("utf-8-sig")
    assert text.startswith("reference,name,constituency or country,day")
    assert len(text.splitlines()) == before + 2
    assert address not in text


def test_a_petition_with_signatures_can_be_paused_and_reopened(
    open_page: OpenPage, mailbox: Mailbox, stack: Stack
) -> None:
    page, address = open_page(), new_address("paused")
    page.goto(f"/petitions/{SLUG}/")
    fill(page, "Paused Example", address, "M14 5RX")
    page.check("[name=consent]")
    page.click("form button[type=submit]")
    expect(page.locator("h1")).to_contain_text(WORDS["en"]["check"])

    log_in(page, stack, ORGANISERS)
    page.goto("/admin/petitions/petition/")
    page.get_by_role("link", name="Protect civilians in Idlib").click()
    for button, phase in (("Pause", "open, signing paused"), ("Go on", "open")):
        page.get_by_role("link", name=f"{button} …").click()
        page.get_by_role("button", name=button).click()
        expect(page.locator(".messagelist")).to_contain_text(f"is now “{phase}”")
    assert page.request.get(f"/api/v1/petitions/{SLUG}.json").json()["state"] == "open"


@pytest.mark.parametrize("path", ["/", f"/petitions/{SLUG}/", "/nowhere/"])
@pytest.mark.parametrize("prefix", ["", "/ar", "/cy"])
def test_every_page_has_one_h1_a_language_and_no_sideways_scrolling_at_320_px(
    open_page: OpenPage, prefix: str, path: str
) -> None:
    page = open_page(PHONE)
    page.goto(prefix + path)
    assert page.locator("h1").count() == 1
    assert page.get_attribute("html", "lang") == (prefix.strip("/") or "en")
    assert fits(page)
