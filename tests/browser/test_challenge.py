"""The challenge in a real browser, on a phone's screen, and over HTTP by many at once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin

import psycopg2
import pytest
import requests
from playwright.sync_api import Page, Route, expect

from campaign.local.stack import Stack
from tests import SLUG
from tests.browser.test_journeys import (
    PHONE,
    WORDS,
    OpenPage,
    fill,
    fits,
    new_address,
    open_page,
)
from tests.conftest import Mailbox
from tests.people import typed
from tests.proof import solved, task_in

pytestmark = pytest.mark.browser
__all__ = ["open_page"]

PAGE = f"/petitions/{SLUG}/"
BUTTON = "form button[type=submit]"


@pytest.fixture(scope="module")
def busy(stack: Stack) -> Iterator[None]:
    """The organisers' switch is on; both web workers have noticed when the tests begin."""
    _switch(stack, "always")
    yield
    _switch(stack, "auto")


def _switch(stack: Stack, to: str) -> None:
    connection = psycopg2.connect(stack.environment["DATABASE_URL"])
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE petitions_petition SET challenge = %s", [to])
    connection.close()
    time.sleep(1.5)


def press(page: Page, prefix: str, address: str) -> None:
    """Fill the form in and press its button."""
    page.goto(prefix + PAGE)
    fill(page, "Siân Enghraifft", address, "CF10 1AA")
    page.check("[name=consent]")
    page.click(BUTTON)


@pytest.mark.parametrize("language", ["en", "ar", "cy"])
@pytest.mark.usefixtures("busy")
def test_the_browser_solves_the_challenge_automatically(
    open_page: OpenPage, mailbox: Mailbox, language: str
) -> None:
    page, address = open_page(PHONE), new_address("busy")
    press(page, "" if language == "en" else f"/{language}", address)

    expect(page.locator("#challenge")).to_be_focused()
    assert page.input_value("[name=email]") == address
    assert page.get_attribute("html", "lang") == language
    assert fits(page)
    ready = str(page.locator("#challenge [role=status]").get_attribute("data-ready"))
    expect(page.locator("#challenge [role=status]")).to_have_text(ready)
    page.wait_for_load_state("networkidle")
    expect(page.locator("#challenge")).to_be_in_viewport()
    page.click(BUTTON)

    expect(page.locator("h1")).to_contain_text(WORDS[language]["check"])
    assert mailbox.wait_for(address)


# What Safari lacks: before 16 and before 15.4.
NO_REQUEST_SUBMIT = "delete HTMLFormElement.prototype.requestSubmit;"
NO_SUBMITTER = "delete SubmitEvent.prototype.submitter;"


@pytest.mark.parametrize("lacking", ["", NO_REQUEST_SUBMIT, NO_REQUEST_SUBMIT + NO_SUBMITTER])
@pytest.mark.usefixtures("busy")
def test_a_form_submitted_during_the_challenge_is_sent_once_it_is_solved(
    open_page: OpenPage, mailbox: Mailbox, lacking: str
) -> None:
    page, address = open_page(PHONE), new_address("quick")
    page.add_init_script(lacking)
    held: list[Route] = []
    released: list[bool] = []

    def hold(route: Route) -> None:
        # A second worker may ask for it after the first was let go.
        route.continue_() if released else held.append(route)

    page.route("**/worker*.js", hold)
    press(page, "", address)
    expect(page.locator("#challenge")).to_be_focused()
    expect(page.locator("#challenge [role=status]")).to_contain_text("the extra check")
    # From the notice the button is the next stop of the keyboard.
    page.keyboard.press("Tab")
    expect(page.locator(BUTTON)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#challenge [role=status]")).to_contain_text("then be sent automatically")
    # One request for each worker.
    released.append(True)
    for route in held:
        route.continue_()
    expect(page.locator("h1")).to_contain_text(WORDS["en"]["check"])
    assert mailbox.wait_for(address)


@pytest.mark.usefixtures("busy")
def test_without_javascript_or_worker_the_challenge_is_replaced_by_a_wait(
    open_page: OpenPage, mailbox: Mailbox
) -> None:
    # Two people, so that both wait at once.
    patient, lost = new_address("patient"), new_address("lost")
    page, without_worker = open_page(PHONE, javascript=False), open_page(PHONE)
    press(page, "", patient)
    expect(page.locator("#challenge")).to_be_focused()
    expect(page.locator("#challenge noscript p")).to_contain_text("Wait 20 seconds")
    assert fits(page)

    page.click(BUTTON)
    expect(page.locator("#challenge-words")).to_contain_text("A moment more, please.")
    assert page.input_value("[name=email]") == patient

    without_worker.route("**/worker*.js", lambda route: route.abort())
    press(without_worker, "", lost)
    status = without_worker.locator("#challenge [role=status]")
    expect(status).to_contain_text("cannot do the extra check")

    time.sleep(20)
    for each, address in ((page, patient), (without_worker, lost)):
        each.click(BUTTON)
        expect(each.locator("h1")).to_contain_text(WORDS["en"]["check"])
        assert mailbox.wait_for(address)


@pytest.mark.usefixtures("busy")
def test_a_proof_of_work_is_accepted_only_once_in_16_concurrent_requests(stack: Stack) -> None:
    def send(proof: str) -> requests.Response:
        return requests.post(
            urljoin(stack.site_url, PAGE),
            data=typed(email=new_address("many"), altcha=proof),
            headers={"Sec-Fetch-Site": "same-origin"},
            allow_redirects=False,
            timeout=30,
        )

    proof = solved(task_in(send("").text))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: send(proof).status_code, range(16)))
    assert sorted(answers) == [303] + [403] * 15
