"""The time that the worker takes tells nobody whether another address got a mail."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from petitions.infra.client_network import NOWHERE
from petitions.mail import outbox, reminders, suppression
from petitions.models import Mail, Petition, Signature
from petitions.screening.screen import Evidence
from petitions.signatures import check_email, disown, withdraw
from petitions.signatures import find as finding
from petitions.signatures.check_email import Page
from petitions.signers import sealing
from tests.integration.mail.outbox.conftest import Backend, sign_many
from tests.people import AMINA, confirm, sign, sign_and_confirm

ANNA = replace(AMINA, email="anna@gmail.com")


@pytest.fixture
def turns(petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets "sent" for each mail, and "waited" for each wait as long as sending one."""
    took: list[str] = []

    def send(_self: Backend, email_messages: Any) -> int:
        took.append("sent")
        return len(email_messages)

    def wait(seconds: float) -> None:
        assert seconds in outbox._durations
        took.append("waited")

    monkeypatch.setattr(failing, "send_messages", send)
    monkeypatch.setattr("petitions.mail.outbox.time.sleep", wait)
    # Before its first mail a process does not know how long sending takes.
    sign_many(petition, 1)
    outbox.deliver()
    took.clear()
    return took


def nothing(petition: Petition) -> None:
    """Leave the mailbox unknown to the site."""


def sign_under_another_spelling(petition: Petition) -> None:
    sign_and_confirm(petition, ANNA)


def want_no_mail(petition: Petition) -> None:
    suppression.suppress_all(inbox=sealing.inbox_of(ANNA.email))


def reach_the_limit(petition: Petition) -> None:
    for _ in range(5):
        finding.request_links(address=ANNA.email, language="en", evidence=Evidence())
    finding.settle()
    Mail.objects.update(
        state=Mail.State.SENT, attempts=1, created_at=timezone.now() - timedelta(minutes=5)
    )


@pytest.mark.parametrize(
    ("happens", "sent"),
    [
        (nothing, 1),
        (sign_under_another_spelling, 2),
        (want_no_mail, 0),
        (reach_the_limit, 0),
    ],
)
def test_a_find_request_takes_the_time_of_two_mails_in_every_case(
    petition: Petition, turns: list[str], happens: Callable[[Petition], None], sent: int
) -> None:
    happens(petition)
    outbox.deliver()
    turns.clear()

    finding.request_links(address="an.na+x@gmail.com", language="en", evidence=Evidence())
    finding.settle()
    outbox.deliver()

    assert sorted(turns) == ["sent"] * sent + ["waited"] * (2 - sent)


def leave_pending(attempt_id: UUID) -> None:
    """Nothing happens."""


def press_confirm(attempt_id: UUID) -> None:
    confirm(attempt_id)


def press_not_me(attempt_id: UUID) -> None:
    signature = Signature.objects.get(pk=attempt_id)
    disown.disown(mailbox=sealing.mailbox_of(signature, AMINA.email))


def choose_another(attempt_id: UUID) -> None:
    disown.retire([attempt_id])


def erase(attempt_id: UUID) -> None:
    withdraw.withdraw(signature_id=attempt_id)


@pytest.mark.parametrize(
    "happens", [leave_pending, press_confirm, press_not_me, choose_another, erase]
)
def test_a_resend_takes_the_time_of_one_mail_in_every_state_of_the_attempt(
    petition: Petition, turns: list[str], happens: Callable[[UUID], None]
) -> None:
    attempt_id = sign(petition, AMINA)
    outbox.deliver()
    happens(attempt_id)
    turns.clear()

    page = Page(attempt_id, petition.slug, AMINA)
    check_email.request_resend(page=page, petition=petition, sender=NOWHERE)
    check_email.settle()
    outbox.deliver()

    assert turns == ["sent" if happens is leave_pending else "waited"]


def test_skipped_news_does_not_wait_for_the_time_of_a_mail(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("petitions.mail.outbox.time.sleep", slept.append)
    outbox._durations.append(60.0)
    assert outbox._pretend(outbox.Ready(Mail(news_id=uuid4()), None, ""))
    assert slept == []
    assert outbox._pretend(outbox.Ready(Mail(), None, ""))
    assert slept == [60.0]


def test_reminders_are_sent_at_random_times(petition: Petition) -> None:
    sign_many(petition, 20)
    outbox.deliver()
    Signature.objects.update(created_at=timezone.now() - timedelta(hours=25))

    reminders.queue_reminders()

    now = timezone.now()
    due = [mail.due_at - now for mail in Mail.objects.filter(kind=Mail.Kind.REMIND)]
    assert len(set(due)) == 20
    assert timedelta(minutes=2) < max(due) - min(due) <= reminders.SPREAD
    assert max(due) <= reminders.SPREAD
