"""What "check your email" offers, over HTTP and SMTP: the code, the correction, another mail."""

import itertools
import re
import time

import pytest

from campaign.local.stack import Stack
from tests.conftest import Mailbox, counted, eventually
from tests.e2e.test_the_line import Visitor

pytestmark = pytest.mark.e2e

THANKS = "Thank you. Your signature is confirmed."
_numbers = itertools.count()


@pytest.fixture
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack.site_url)


@pytest.fixture
def address() -> str:
    """An address nobody has used before."""
    return f"checks{next(_numbers)}-{time.monotonic_ns()}@example.org"


def code_for(mailbox: Mailbox, address: str) -> str:
    body = mailbox.wait_for(address)[-1].get_body(("plain",))
    assert body
    (code,) = re.findall(r"^(\d{4}-\d{4})\s*$", body.get_content(), re.MULTILINE)
    return str(code)


def test_the_mailed_code_confirms_a_signature(
    stack: Stack, visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    before = counted(stack)
    check = visitor.sign(address).url

    answer = visitor.post(check + "code/", {"code": code_for(mailbox, address)})

    assert THANKS in answer.text
    assert eventually(lambda: visitor.count() == before + 1)


def test_correcting_the_address_mails_a_new_link_and_invalidates_the_old(
    visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    wrong, right = f"wrong-{address}", f"right-{address}"
    check = visitor.sign(wrong).url
    old = mailbox.link_for(wrong)

    visitor.post(
        check.replace("/check/", "/correct/"),
        {"name": "Amina Example", "email": right, "residence": "uk", "postcode": "M14 5RX"},
    )

    assert visitor.post(old).status_code == 404
    assert THANKS in visitor.post(mailbox.link_for(right)).text


def test_requesting_another_mail_sends_a_second_message(
    visitor: Visitor, mailbox: Mailbox, address: str
) -> None:
    check = visitor.sign(address).url
    mailbox.wait_for(address)

    visitor.post(check + "again/")

    assert len(mailbox.wait_for(address, count=2)) == 2
