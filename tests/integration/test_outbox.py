"""The outbox: claimed once, sent once or again, settled by whoever holds the lease."""

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from petitions import messages, outbox, signing
from petitions.models import Mail, Petition, Signature, Signer
from tests.people import AMINA, BASHIR, CARYS, DAVID, sign, sign_and_confirm


class Backend(BaseEmailBackend):
    """A mail server's client that fails as it is told."""

    failure: Exception | None = None
    opening: Exception | None = None

    def open(self) -> bool:
        if Backend.opening:
            raise Backend.opening
        return True

    def send_messages(self, email_messages: Any) -> int:
        if Backend.failure:
            raise Backend.failure
        sent.outbox.extend(email_messages)
        return len(email_messages)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[Backend]:
    monkeypatch.setattr(outbox, "get_connection", lambda **kwargs: Backend())
    monkeypatch.setattr(Backend, "failure", None)
    monkeypatch.setattr(Backend, "opening", None)
    return Backend


def test_a_signing_is_mailed_once_to_the_address_as_typed(petition: Petition) -> None:
    sign(petition, signing.Attempt(name="A B", email="A.B+tag@gmail.com", name_use="public"))

    assert outbox.deliver() == 1
    assert outbox.deliver() == 0

    assert [message.to for message in sent.outbox] == [["A.B+tag@gmail.com"]]
    assert Mail.objects.get().state == Mail.State.SENT


@pytest.mark.parametrize(
    ("attempt", "subject"),
    [
        (AMINA, "Please confirm your e-mail address"),
        (BASHIR, "يرجى تأكيد عنوان بريدك الإلكتروني"),
        (CARYS, "Cadarnhewch eich cyfeiriad e-bost"),
    ],
)
def test_a_mail_speaks_the_signers_language_and_names_no_cause_anywhere(
    petition: Petition, attempt: signing.Attempt, subject: str
) -> None:
    sign(petition, attempt)
    outbox.deliver()

    message = sent.outbox[0]
    assert isinstance(message, EmailMultiAlternatives)
    whole = message.subject + message.from_email + str(message.body) + str(message.alternatives[0])
    assert message.subject == subject
    for forbidden in (
        "Protect", "احموا", "Diogelwch", "Idlib", "إدلب", "Syria", "سوريا", "Amina", "بشير",
        "Carys", "petition", "عريضة", "deiseb", "sign", "توقيع", "llofnod",
    ):  # fmt: skip
        assert forbidden not in whole, forbidden


def test_new_repeated_and_confirmed_get_mails_alike_in_subject_headers_and_length(
    petition: Petition,
) -> None:
    sign_and_confirm(petition, AMINA)
    sign(petition, AMINA)
    sign(petition, DAVID)
    outbox.deliver()

    seen = [message.message() for message in sent.outbox]
    assert len(seen) == 3
    assert len({tuple(sorted(set(message.keys()))) for message in seen}) == 1
    assert len({message["Subject"] for message in seen}) == 1
    assert len({len(message.body) for message in sent.outbox}) == 1


def test_a_second_sending_bears_the_same_message_id_and_date(petition: Petition) -> None:
    sign(petition)
    row = Mail.objects.select_related("signature__signer", "signature__petition").get()
    first, second = messages.compose(row).message(), messages.compose(row).message()
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


def test_a_withdrawn_signer_is_not_mailed(petition: Petition) -> None:
    signing.withdraw(signature_id=sign(petition))
    assert outbox.deliver() == 0
    assert not sent.outbox


def test_a_removed_signature_is_not_mailed_and_the_mail_says_cancelled(petition: Petition) -> None:
    sign(petition)
    Signature.objects.update(state=Signature.State.REMOVED)
    assert outbox.deliver() == 0
    assert Mail.objects.get().state == Mail.State.CANCELLED


def test_a_claimed_mail_is_not_claimed_again_before_its_lease_runs_out(petition: Petition) -> None:
    sign(petition)
    first = outbox.claim()
    assert len(first) == 1
    assert outbox.claim() == []

    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert outbox.claim() == first


def test_a_worker_whose_lease_ran_out_cannot_overwrite_the_outcome(petition: Petition) -> None:
    sign(petition)
    outbox.claim()
    slow = Mail.objects.get()
    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    outbox.claim()

    outbox.settle([slow], Mail.State.FAILED, "550")

    assert Mail.objects.get().state == Mail.State.QUEUED


def test_a_server_that_is_away_costs_no_mail_and_waits_longer_each_time(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "opening", ConnectionRefusedError())
    sign(petition)
    waits = []
    for _ in range(3):
        outbox.deliver()
        row = Mail.objects.get()
        waits.append((row.due_at - timezone.now()).total_seconds())
        assert (row.state, row.code) == (Mail.State.QUEUED, "ConnectionRefusedError"[:20])
        Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert 10 < waits[0] < waits[1] < waits[2]

    monkeypatch.setattr(failing, "opening", None)
    assert outbox.deliver() == 1


@pytest.mark.parametrize(
    ("failure", "state", "code"),
    [
        (smtplib.SMTPResponseException(421, b"amina@example.org: later"), "queued", "421"),
        (smtplib.SMTPDataError(550, b"no"), "failed", "550"),
        (smtplib.SMTPRecipientsRefused({"amina@example.org": (550, b"unknown")}), "failed", "550"),
        (smtplib.SMTPRecipientsRefused({"amina@example.org": (450, b"busy")}), "queued", "450"),
        (smtplib.SMTPServerDisconnected("gone"), "queued", "SMTPServerDisconnect"),
        (TimeoutError(), "queued", "TimeoutError"),
    ],
)
def test_what_a_server_refuses_is_kept_as_a_code_and_logged_without_the_address(
    petition: Petition,
    failing: type[Backend],
    caplog: pytest.LogCaptureFixture,
    failure: Exception,
    state: str,
    code: str,
) -> None:
    failing.failure = failure
    sign(petition)

    assert outbox.deliver() == 0

    row = Mail.objects.get()
    assert (row.state, row.code) == (state, code)
    assert "amina" not in caplog.text


def test_after_the_last_attempt_a_mail_is_kept_as_failed(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "failure", TimeoutError())
    sign(petition)
    Mail.objects.update(attempts=outbox.MOST_ATTEMPTS - 1)
    outbox.deliver()
    assert Mail.objects.get().state == Mail.State.FAILED


def test_a_row_that_cannot_be_opened_does_not_hold_up_those_behind_it(petition: Petition) -> None:
    broken = sign(petition, AMINA)
    Signer.objects.filter(pk=broken).update(sealed=b"not sealed by us")
    sign(petition, DAVID)

    assert outbox.deliver() == 1

    assert Mail.objects.get(signature=broken).state == Mail.State.FAILED


def test_line_breaks_never_reach_a_header(petition: Petition) -> None:
    sign(petition)
    outbox.deliver()
    message = sent.outbox[0].message()
    for name, value in message.items():
        assert "\n" not in str(value), name
