"""Helpers for tests of "check your email": sign, correct, and read the mails."""

import re
from typing import Any

from django.core import mail as sent
from django.test import Client

from petitions import tasks
from petitions.crypto import tokens
from petitions.signatures.check_email import Page
from tests.people import typed

PAGE = "/petitions/protect/"
CORRECTION = {
    "name": "Amina Example", "email": "amina@example.net", "residence": "uk",
    "postcode": "M14 5RX", "country": "",
}  # fmt: skip


def signed(browser: Client, **changes: str) -> str:
    """Sign, and return the URL of the page that follows."""
    return str(browser.post(PAGE, typed(**changes))["Location"])


def page_at(address: str) -> Page:
    return Page.open(address.rstrip("/").split("/")[4])


def correct_path(check: str) -> str:
    return check.replace("/check/", "/correct/")


def corrected(browser: Client, check: str, **changes: str) -> str:
    response = browser.post(correct_path(check), {**CORRECTION, **changes})
    assert response.status_code == 303, response.content.decode()
    return str(response["Location"])


def mailed() -> list[Any]:
    """Run the worker's delivery; the mails that it sent."""
    sent.outbox.clear()
    tasks.deliver_mail()
    return list(sent.outbox)


def code_in(message: Any) -> str:
    (code,) = re.findall(r"^(\d{4}-\d{4})$", message.body, re.MULTILINE)
    return str(code)


def link_in(message: Any) -> str:
    return str(re.findall(r"https?://[^/]+(/t/\w+/confirm/\S+)", message.body)[0])


def other_than(code: str) -> str:
    return str((int(code.replace("-", "")) + 1) % 10**8).zfill(8)


def codes_of(page: Page) -> str:
    return tokens.code(page.attempt_id, 0)


def without_tokens(html: str) -> str:
    return re.sub(r"/(check|confirm|correct)/[\w.-]+/", r"/\1/TOKEN/", html)
