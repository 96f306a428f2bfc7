"""The outbox: claimed once, sent once or again, settled by whoever holds the lease."""

import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connections, transaction
from django.utils import timezone

from petitions import messages, outbox, signers, signing
from petitions.models import Mail, Organisation, Petition, Signature, Signer
from tests.people import AMINA, BASHIR, CARYS, DAVID, sign, sign_and_confirm

INJECTION = "x\r\nBcc: victim@example.net\r\n\r\nBuy@example.org"


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
    sign(petition, signers.Attempt(name="A B", email="A.B+tag@gmail.com", name_use="public"))

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
    petition: Petition, attempt: signers.Attempt, subject: str
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
    first = outbox.claim(outbox.BATCH)
    assert len(first) == 1
    assert outbox.claim(outbox.BATCH) == []

    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert outbox.claim(outbox.BATCH) == first


def test_a_worker_whose_lease_ran_out_cannot_overwrite_the_outcome(petition: Petition) -> None:
    sign(petition)
    outbox.claim(outbox.BATCH)
    slow = Mail.objects.get()
    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    outbox.claim(outbox.BATCH)

    outbox.settle([slow], Mail.State.FAILED, "550")

    assert Mail.objects.get().state == Mail.State.QUEUED


def test_a_server_that_is_away_costs_no_mail_however_long_it_lasts(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "opening", ConnectionRefusedError())
    sign(petition)
    for _ in range(outbox.MOST_ATTEMPTS + 2):
        assert outbox.deliver() == 0
        row = Mail.objects.get()
        assert (row.state, row.code) == (Mail.State.QUEUED, "ConnectionRefusedError"[:20])
        assert 10 < (row.due_at - timezone.now()).total_seconds() < 60
        Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))

    monkeypatch.setattr(failing, "opening", None)
    assert outbox.deliver() == 1


def test_a_server_that_is_away_is_asked_once_and_not_for_every_batch(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[None] = []

    def silent(_self: Backend) -> bool:
        asked.append(None)
        raise TimeoutError

    monkeypatch.setattr(outbox, "BATCH", 1)
    monkeypatch.setattr(failing, "open", silent)
    sign(petition, AMINA)
    sign(petition, DAVID)

    outbox.deliver()

    assert len(asked) == 1


def test_a_server_that_refuses_us_as_sender_fails_no_mail(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = smtplib.SMTPSenderRefused(550, b"daily quota exceeded", "post@example.org")
    monkeypatch.setattr(failing, "failure", refusal)
    sign(petition, AMINA)
    sign(petition, DAVID)

    assert outbox.deliver() == 0

    assert set(Mail.objects.values_list("state", "code")) == {(Mail.State.QUEUED, "550")}


def test_a_mail_that_the_server_puts_off_waits_longer_each_time(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "failure", smtplib.SMTPDataError(451, b"later"))
    sign(petition)
    waits = []
    for _ in range(3):
        outbox.deliver()
        waits.append((Mail.objects.get().due_at - timezone.now()).total_seconds())
        Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert 10 < waits[0] < waits[1] < waits[2]


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


@pytest.mark.parametrize(
    "spoilt", [replace(AMINA, name=INJECTION), replace(AMINA, email=INJECTION)]
)
def test_a_line_break_in_what_a_signer_gave_reaches_no_header_and_spoils_no_other_mail(
    petition: Petition, spoilt: signers.Attempt, caplog: pytest.LogCaptureFixture
) -> None:
    """No form lets one in; a row may hold one all the same."""
    sign(petition, spoilt)
    sign(petition, DAVID)

    outbox.deliver()

    assert [DAVID.email] in [message.to for message in sent.outbox]
    assert_nothing_injected()
    assert "victim" not in caplog.text


def test_a_line_break_in_the_senders_name_reaches_no_header(
    petition: Petition, organisation: Organisation
) -> None:
    Organisation.objects.update(sender_name=INJECTION)
    sign(petition)

    outbox.deliver()

    assert_nothing_injected()


def assert_nothing_injected() -> None:
    for message in sent.outbox:
        parsed = message_from_bytes(message.message().as_bytes(), policy=policy.default)
        assert parsed["Bcc"] is None
        assert parsed["To"]
        assert "victim" not in parsed.as_string().partition("\n\n")[0]


def sign_many(petition: Petition, count: int) -> None:
    """Signings from mailboxes of their own, for one mailbox gets only so many mails."""
    for number in range(count):
        sign(petition, replace(AMINA, email=f"person{number}@example.org"))


def test_one_delivery_goes_on_until_nothing_is_due(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    sign_many(petition, 5)

    assert outbox.deliver() == 5

    assert len(sent.outbox) == 5


def test_what_was_sent_is_settled_as_it_goes_so_that_a_killed_worker_repeats_only_a_few(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    settled_at_each_sending = []

    def count(self: Backend, email_messages: Any) -> int:
        settled_at_each_sending.append(Mail.objects.filter(state=Mail.State.SENT).count())
        return len(email_messages)

    monkeypatch.setattr(outbox, "SETTLE_EVERY", 2)
    monkeypatch.setattr(failing, "send_messages", count)
    sign_many(petition, 5)

    assert outbox.deliver() == 5

    assert settled_at_each_sending == [0, 0, 2, 2, 4]
    assert Mail.objects.filter(state=Mail.State.SENT).count() == 5


@contextmanager
def _held_by_another_worker(mail: Mail) -> Iterator[None]:
    """Another connection is about to claim the mail, and has not committed."""
    holds, may_let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Mail.objects.select_for_update().get(pk=mail.pk)
            holds.set()
            may_let_go.wait(timeout=5)
        connections.close_all()

    worker = threading.Thread(target=hold)
    worker.start()
    try:
        assert holds.wait(timeout=5)
        yield
    finally:
        may_let_go.set()
        worker.join(timeout=10)


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_another_worker_is_claiming_is_passed_over_without_waiting(
    petition: Petition,
) -> None:
    sign_many(petition, 2)
    theirs, mine = Mail.objects.order_by("due_at")

    with _held_by_another_worker(theirs):
        assert outbox.claim(outbox.BATCH) == [mine.pk]


@pytest.mark.parametrize("state", [Mail.State.CANCELLED, Mail.State.SENT])
def test_what_was_settled_meanwhile_stays_so(petition: Petition, state: Mail.State) -> None:
    sign(petition)
    outbox.claim(outbox.BATCH)
    mine = Mail.objects.get()
    Mail.objects.update(state=state, code="before")

    outbox.settle([mine], Mail.State.FAILED, "550")
    outbox.put_back([mine], "421")

    row = Mail.objects.get()
    assert (row.state, row.code, row.due_at) == (state, "before", mine.due_at)
