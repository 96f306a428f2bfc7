""" "Check your email": requesting the mail again reveals nothing about the attempt."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from limits import parse

from petitions.infra.client_network import NOWHERE
from petitions.models import Mail, Petition, Resend, Signature
from petitions.screening import rate_limits
from petitions.signatures import check_email, withdraw
from petitions.signatures.check_email import MAILS_PER_PAGE, Page
from tests.at_once import at_once
from tests.checking import (
    CORRECTION,
    code_in,
    correct_path,
    link_in,
    mailed,
    page_at,
    signed,
    without_tokens,
)
from tests.people import AMINA, confirm, sign

NO_MORE = "You cannot ask for more messages today"


def test_a_resend_has_the_same_link_and_code(petition: Petition, browser: Client) -> None:
    check = signed(browser)
    (first,) = mailed()

    again = browser.post(check + "again/")
    (second,) = mailed()

    assert again.status_code == 303
    assert "We are sending another message" in browser.get(again["Location"]).content.decode()
    assert (link_in(first), code_in(first)) == (link_in(second), code_in(second))
    assert first.extra_headers["Message-ID"] != second.extra_headers["Message-ID"]


def test_get_requests_to_the_buttons_change_nothing(petition: Petition, browser: Client) -> None:
    check = signed(browser)
    for path in (check + "again/", check + "code/", check + "meant/", correct_path(check)):
        assert browser.get(path).status_code == 303
    check_email.settle()
    assert Mail.objects.count() == 1
    assert Signature.objects.get().code_tries == 0


def test_a_page_allows_five_mails(petition: Petition, browser: Client) -> None:
    check = signed(browser)
    for _ in range(MAILS_PER_PAGE - 1):
        assert NO_MORE not in browser.get(check).content.decode()
        check = browser.post(check + "again/")["Location"]

    assert NO_MORE in browser.get(check).content.decode()
    assert browser.post(check + "again/").status_code == 303
    assert browser.post(correct_path(check), CORRECTION).status_code == 303
    check_email.settle()
    assert Mail.objects.count() == MAILS_PER_PAGE


def test_reusing_an_earlier_page_sends_no_more_mails(petition: Petition, browser: Client) -> None:
    check = signed(browser)
    for _ in range(2 * MAILS_PER_PAGE):
        browser.post(check + "again/")
        check_email.settle()
    # One for signing, and one for this step of the page, although pressed repeatedly.
    assert Mail.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_concurrent_resend_requests_send_one_mail(petition: Petition) -> None:
    page = Page(sign(petition), petition.slug, AMINA)
    ask = partial(check_email.request_resend, page=page, petition=petition, sender=NOWHERE)
    at_once(*[ask] * 12)
    at_once(*[check_email.settle] * 3)
    assert not Resend.objects.exists()
    assert Mail.objects.count() == 2


def test_the_check_your_email_page_looks_the_same_in_every_state_of_the_attempt(
    petition: Petition, browser: Client
) -> None:
    """Compare the pages of a pending, confirmed, refused and erased attempt, except tokens."""
    seen: list[list[Any]] = []
    for number, happens in enumerate(FATES):
        check = signed(browser, email=f"amina{number}@example.org")
        happens(page_at(check).attempt_id)
        answers: list[Any] = []
        for _ in range(MAILS_PER_PAGE):
            again = browser.post(check + "again/")
            answers.append(
                (
                    again.status_code,
                    sorted(again.headers.items() - {("Location", again["Location"])}),
                    len(again["Location"]),
                )
            )
            check = again["Location"]
            page = browser.get(check)
            answers.append((page.status_code, without_tokens(page.content.decode())))
            wrong = browser.post(check + "code/", {"code": "00000000"})
            answers.append((wrong.status_code, without_tokens(wrong.content.decode())))
        seen.append(answers)
    for answers in seen:
        assert answers == seen[0]


def pending(attempt_id: UUID) -> None:
    """Nothing happens."""


def confirmed(attempt_id: UUID) -> None:
    confirm(attempt_id)


def refused(attempt_id: UUID) -> None:
    Signature.objects.filter(pk=attempt_id).update(state=Signature.State.REFUSED)
    Mail.objects.filter(signature=attempt_id).update(state=Mail.State.WITHHELD)


def erased(attempt_id: UUID) -> None:
    withdraw.withdraw(signature_id=attempt_id)


FATES: tuple[Callable[[UUID], None], ...] = (pending, confirmed, refused, erased)


@pytest.mark.parametrize("happens", FATES[1:])
def test_only_a_pending_attempt_gets_a_resend(
    petition: Petition, browser: Client, happens: Callable[[UUID], None]
) -> None:
    check = signed(browser)
    mailed()
    happens(page_at(check).attempt_id)

    browser.post(check + "again/")

    assert mailed() == []


def test_a_mailbox_over_its_limit_gets_the_same_response_and_no_mail(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {**settings.LIMITS, "RESEND_MAILBOX": limit(1)}
    check = signed(browser)
    mailed()
    first, second = browser.post(check + "again/"), browser.post(check + "again/")

    assert (first.status_code, len(first["Location"])) == (
        second.status_code,
        len(second["Location"]),
    )
    assert len(mailed()) == 1


def test_a_network_over_its_resend_limit_gets_429(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {**settings.LIMITS, "RESEND_NETWORK": limit(1)}
    check = signed(browser)
    browser.post(check + "again/")

    response = browser.post(check + "again/")

    assert response.status_code == 429
    assert response["Retry-After"] == str(rate_limits.RETRY_AFTER)
    assert "Try again in 5 minutes" in response.content.decode()
    check_email.settle()
    assert Mail.objects.count() == 2


def limit(number: int) -> Any:

    return parse(f"{number}/hour")
