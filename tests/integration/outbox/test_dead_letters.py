"""What failed: what an organiser reads of it, and trying again."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from petitions.admin import outcomes
from petitions.mail import outbox
from petitions.models import Mail, Petition, Signature
from tests.people import sign

OUTBOX = "/admin/petitions/mail/"


def _failed(petition: Petition, code: str = "550") -> Mail:
    mail = Mail.objects.get(signature=sign(petition))
    Mail.objects.filter(pk=mail.pk).update(state=Mail.State.FAILED, code=code, attempts=12)
    return mail


def _requeue(user: Any, *mails: Mail) -> Any:
    browser = Client()
    browser.force_login(user)
    form = {"action": "requeue", "_selected_action": [str(mail.pk) for mail in mails]}
    return browser.post(OUTBOX, form, follow=True)


def test_an_organiser_reads_what_a_code_means_and_never_whom_it_was_for(
    petition: Petition, organiser: User
) -> None:
    mail = _failed(petition)
    browser = Client()
    browser.force_login(organiser)
    for path in (OUTBOX, f"{OUTBOX}{mail.pk}/change/"):
        page = browser.get(path).content.decode()
        assert "550: the server refuses this address" in page
        assert "amina" not in page.lower()


def test_an_organiser_may_have_failed_mails_tried_again_from_the_start(
    petition: Petition, organiser: User
) -> None:
    mail = _failed(petition)
    assert b"1 mails are queued again" in _requeue(organiser, mail).content
    row = Mail.objects.get()
    assert (row.state, row.attempts, row.code) == (Mail.State.QUEUED, 0, "")
    assert outbox.deliver() == 1


@pytest.mark.parametrize("state", [Mail.State.SENT, Mail.State.CANCELLED, Mail.State.WITHHELD])
def test_only_what_failed_is_tried_again(
    petition: Petition, organiser: User, state: Mail.State
) -> None:
    mail = _failed(petition)
    Mail.objects.update(state=state)
    _requeue(organiser, mail)
    assert Mail.objects.get().state == state


def test_a_moderator_may_not_have_mails_tried_again(petition: Petition, moderator: User) -> None:
    mail = _failed(petition)
    assert _requeue(moderator, mail).status_code == 403
    assert Mail.objects.get().state == Mail.State.FAILED


def test_what_is_tried_again_is_judged_as_ever(petition: Petition, organiser: User) -> None:
    mail = _failed(petition)
    Signature.objects.update(state=Signature.State.REMOVED)
    _requeue(organiser, mail)
    assert outbox.deliver() == 0
    assert Mail.objects.get().state == Mail.State.CANCELLED


@pytest.mark.parametrize("code", ["", "limit", "550", "559", "432", "http-503", "SomethingElse"])
def test_every_code_reads_as_itself_at_least(code: str) -> None:
    assert outcomes.explained(code).startswith(code)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("550", "the server refuses this address"),
        ("550 5.1.1", "the server refuses this address"),
        ("550 5.7.1", "the provider wants no mail from our server"),
        ("421 4.7.28", "the provider wants no mail from our server"),
        ("552 5.2.2", "the mailbox is full"),
        ("452 4.3.1", "the server had no room"),
        ("535 5.7.8", "the server refuses our log-in"),
        ("500", "put off for now"),
        ("451 4.3.0", "the server asked to try later"),
    ],
)
def test_an_enhanced_code_says_more_than_the_basic_one(code: str, meaning: str) -> None:
    assert outcomes.explained(code).startswith(f"{code}: {meaning}")
