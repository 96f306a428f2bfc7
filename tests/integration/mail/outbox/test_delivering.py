"""Due mail is sent once, or retried, whatever the mail server does."""

import logging
import smtplib
import socketserver
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.core import mail as sent
from django.core.mail import EmailMessage, get_connection
from django.utils import timezone

from petitions.mail import claims, messages, outbox
from petitions.mail.claims import Claim
from petitions.mail.letters import Letter
from petitions.mail.monitoring import MailState, mail_state
from petitions.models import Mail, Petition, Signature, Signer
from petitions.models.mail import THROTTLED
from petitions.signatures import withdraw
from petitions.signers import sealing
from tests.integration.mail.outbox.conftest import (
    Backend,
    sign_many,
)
from tests.people import AMINA, DAVID, sign


def test_a_signing_is_mailed_once_to_the_address_as_typed(petition: Petition) -> None:
    sign(petition, sealing.Attempt(name="A B", email="A.B+tag@gmail.com", name_use="public"))

    assert outbox.deliver() == 1
    assert outbox.deliver() == 0

    assert [message.to for message in sent.outbox] == [["A.B+tag@gmail.com"]]
    assert Mail.objects.get().state == Mail.State.SENT


def test_a_withdrawn_signer_is_not_mailed(petition: Petition) -> None:
    withdraw.withdraw(signature_id=sign(petition))
    assert outbox.deliver() == 0
    assert not sent.outbox


def test_the_mail_of_a_removed_signature_is_cancelled(petition: Petition) -> None:
    sign(petition)
    Signature.objects.update(state=Signature.State.REMOVED)
    assert outbox.deliver() == 0
    assert Mail.objects.get().state == Mail.State.CANCELLED


def test_mail_stays_queued_for_as_long_as_the_server_is_unreachable(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "opening", ConnectionRefusedError())
    sign(petition)
    for _ in range(claims.MAX_ATTEMPTS + 2):
        assert outbox.deliver() == 0
        row = Mail.objects.get()
        assert (row.state, row.code) == (Mail.State.QUEUED, "ConnectionRefusedError"[:20])
        assert 10 < (row.due_at - timezone.now()).total_seconds() < 60
        Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))

    monkeypatch.setattr(failing, "opening", None)
    assert outbox.deliver() == 1


def test_an_unreachable_server_is_tried_once_per_delivery_and_not_per_batch(
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


def test_mail_stays_queued_if_the_server_refuses_our_sender_address(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = smtplib.SMTPSenderRefused(550, b"daily quota exceeded", "post@example.org")
    monkeypatch.setattr(failing, "failure", refusal)
    sign(petition, AMINA)
    sign(petition, DAVID)

    assert outbox.deliver() == 0

    assert set(Mail.objects.values_list("state", "code")) == {(Mail.State.QUEUED, "550")}


def test_a_deferred_mail_is_retried_with_increasing_delays(
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
        (smtplib.SMTPDataError(550, b"no"), "queued", "550"),
        (smtplib.SMTPDataError(550, b"5.1.1 amina@example.org: no"), "refused", "550 5.1.1"),
        (smtplib.SMTPDataError(500, b"Error: (OSError) amina"), "queued", "500"),
        (smtplib.SMTPRecipientsRefused({"amina@example.org": (550, b"unknown")}), "refused", "550"),
        (smtplib.SMTPRecipientsRefused({"amina@example.org": (450, b"busy")}), "queued", "450"),
        (smtplib.SMTPServerDisconnected("gone"), "queued", "SMTPServerDisconnect"),
        (TimeoutError(), "queued", "TimeoutError"),
    ],
)
def test_smtp_errors_are_stored_as_a_code_and_logged_without_the_address(
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


@pytest.mark.parametrize("words", [b"4.3.1 Insufficient system storage", b"4.3.2 closed"])
def test_mail_stays_queued_if_the_server_accepts_no_mail_at_all(
    petition: Petition, failing: type[Backend], words: bytes
) -> None:
    failing.failure = smtplib.SMTPDataError(452, words)
    sign_many(petition, 3)
    for _ in range(claims.MAX_ATTEMPTS + 2):
        assert outbox.deliver() == 0
        Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert set(Mail.objects.values_list("state", "attempts")) == {(Mail.State.QUEUED, 0)}

    failing.failure = None
    assert outbox.deliver() == 3


def test_a_provider_that_blocks_us_is_tried_once_and_other_mail_is_sent(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def refuse_outlook(_self: Backend, email_messages: Any) -> int:
        (address,) = email_messages[0].to
        tried.append(address)
        if address.endswith("@outlook.com"):
            blocked = b"5.7.1 part of their network is on our block list (S3150)"
            raise smtplib.SMTPRecipientsRefused({address: (550, blocked)})
        return 1

    monkeypatch.setattr(failing, "send_messages", refuse_outlook)
    for number in range(4):
        sign(petition, replace(AMINA, email=f"a{number}@outlook.com"))
        sign(petition, replace(AMINA, email=f"b{number}@example.org"))

    assert outbox.deliver() == 4

    assert len([address for address in tried if address.endswith("@outlook.com")]) == 1
    waiting = Mail.objects.filter(state=Mail.State.QUEUED)
    assert sorted(waiting.values_list("attempts", "code")) == [
        *[(0, "550 5.7.1")] * 3, (1, "550 5.7.1"),
    ]  # fmt: skip
    assert waiting.filter(due_at__gt=timezone.now() + timedelta(minutes=3)).count() == 3
    # Staff are told at once if most mails are deferred.
    assert mail_state().state == MailState.REFUSED


@pytest.mark.parametrize("is_first", [True, False])
def test_a_452_reply_about_one_domain_does_not_stop_mail_to_others(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    def refuse_one_domain(_self: Backend, email_messages: Any) -> int:
        (address,) = email_messages[0].to
        if address.endswith("@hostile.example"):
            raise smtplib.SMTPDataError(452, b"4.3.1 Insufficient system storage")
        return 1

    monkeypatch.setattr(failing, "send_messages", refuse_one_domain)
    for number in range(3):
        sign(petition, replace(AMINA, email=f"a{number}@hostile.example"))
        sign(petition, replace(AMINA, email=f"b{number}@example.org"))
    asked = Mail.objects.order_by("created_at", "id").values_list("pk", flat=True)
    hostile, other = timedelta(minutes=9 if is_first else 1), timedelta(minutes=5)
    for number, pk in enumerate(asked):
        wait = other if number % 2 else hostile
        Mail.objects.filter(pk=pk).update(due_at=timezone.now() - wait)

    assert outbox.deliver() == 3

    waiting = Mail.objects.filter(state=Mail.State.QUEUED)
    assert list(waiting.values_list("attempts", "code")) == [(0, "452 4.3.1")] * 3
    assert waiting.filter(due_at__gt=timezone.now() + timedelta(minutes=3)).count() == 3


def test_452_replies_about_subdomains_of_one_domain_do_not_stop_other_mail(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_hostile(_self: Backend, email_messages: Any) -> int:
        (address,) = email_messages[0].to
        if address.endswith(".hostile.example"):
            raise smtplib.SMTPDataError(452, b"4.3.1 Insufficient system storage")
        return 1

    monkeypatch.setattr(failing, "send_messages", refuse_hostile)
    for number in range(3):
        sign(petition, replace(AMINA, email=f"a@{number}.hostile.example"))
    for number in range(3):
        sign(petition, replace(AMINA, email=f"b{number}@example.org"))

    assert outbox.deliver() == 3

    waiting = Mail.objects.filter(state=Mail.State.QUEUED)
    assert list(waiting.values_list("attempts", "code")) == [(0, "452 4.3.1")] * 3


def test_452_replies_about_a_large_provider_and_another_domain_stop_delivery(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def refuse_all(_self: Backend, email_messages: Any) -> int:
        tried.extend(email_messages[0].to)
        raise smtplib.SMTPDataError(452, b"4.3.1 Insufficient system storage")

    monkeypatch.setattr(failing, "send_messages", refuse_all)
    for domain in ("0.example", "gmail.com", "1.example", "2.example"):
        sign(petition, replace(AMINA, email=f"a@{domain}"))

    assert outbox.deliver() == 0

    # Mails are claimed in any order.
    assert len(tried) == max(tried.index("a@gmail.com"), 1) + 1
    waiting = Mail.objects.filter(state=Mail.State.QUEUED)
    assert not waiting.filter(due_at__gt=timezone.now() + timedelta(minutes=3)).exists()


def test_452_replies_about_every_domain_stop_delivery(
    petition: Petition, failing: type[Backend]
) -> None:
    failing.failure = smtplib.SMTPDataError(452, b"4.3.1 Insufficient system storage")
    for number in range(3):
        sign(petition, replace(AMINA, email=f"a@{number}.example"))

    assert outbox.deliver() == 0

    waiting = Mail.objects.filter(state=Mail.State.QUEUED)
    assert list(waiting.values_list("attempts", "code")) == [(0, "452 4.3.1")] * 3
    assert not waiting.filter(due_at__gt=timezone.now() + timedelta(minutes=3)).exists()


def test_a_server_that_goes_away_after_it_refused_a_domain_counts_no_attempt(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def refuse(_self: Backend, email_messages: Any) -> int:
        tried.extend(email_messages[0].to)
        if len(tried) == 2:
            failing.opening = ConnectionRefusedError()
        raise smtplib.SMTPRecipientsRefused({tried[-1]: (421, b"not now")})

    monkeypatch.setattr(failing, "send_messages", refuse)
    for number in range(2):
        sign(petition, replace(AMINA, email=f"a@{number}.example"))

    assert outbox.deliver() == 0

    assert len(tried) == 2
    assert list(Mail.objects.values_list("state", "attempts")) == [(Mail.State.QUEUED, 0)] * 2


def test_the_retry_delays_of_a_mail_add_up_to_five_days() -> None:
    waits = [
        min(claims.FIRST_WAIT * 2**attempt, claims.MAX_WAIT)
        for attempt in range(claims.MAX_ATTEMPTS - 1)
    ]
    assert 4.8 < sum(waits) / 86_400 < 5.5


def test_a_mail_is_marked_as_failed_after_the_last_attempt(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failing, "failure", TimeoutError())
    sign(petition)
    Mail.objects.update(attempts=claims.MAX_ATTEMPTS - 1)
    outbox.deliver()
    assert Mail.objects.get().state == Mail.State.FAILED


def test_a_mail_that_cannot_be_unsealed_fails_without_blocking_the_next(petition: Petition) -> None:
    broken = sign(petition, AMINA)
    Signer.objects.filter(pk=broken).update(sealed=b"not sealed by us")
    sign(petition, DAVID)

    assert outbox.deliver() == 1

    assert Mail.objects.get(signature=broken).state == Mail.State.FAILED


def test_a_mail_that_cannot_be_composed_is_retried_without_blocking_the_next(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = sign(petition, AMINA)
    sign(petition, DAVID)
    compose = messages.compose

    def fail_for_one(mail: Mail, person: dict[str, str], **options: Any) -> Letter:
        if mail.signature_id == broken:
            raise KeyError("language")
        return compose(mail, person, **options)

    monkeypatch.setattr(messages, "compose", fail_for_one)

    assert outbox.deliver() == 1

    mail = Mail.objects.get(signature=broken)
    assert (mail.state, mail.code, mail.attempts) == (Mail.State.QUEUED, "KeyError", 1)


def test_all_mails_of_a_batch_are_composed_before_the_first_is_sent(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    compose = messages.compose

    def composing(mail: Mail, person: dict[str, str], **options: Any) -> Letter:
        done.append("composed")
        return compose(mail, person, **options)

    def sending(self: Backend, email_messages: Any) -> int:
        done.append("sent")
        return len(email_messages)

    monkeypatch.setattr(messages, "compose", composing)
    monkeypatch.setattr(failing, "send_messages", sending)
    sign_many(petition, 2)

    outbox.deliver()

    assert done == ["composed", "composed", "sent", "sent"]


def test_a_delivery_runs_until_no_mail_is_due(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    sign_many(petition, 5)

    assert outbox.deliver() == 5

    assert len(sent.outbox) == 5


def test_sent_mails_are_settled_in_small_groups_during_a_delivery(
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


class Echoing(socketserver.StreamRequestHandler):
    """Refuses every recipient, and repeats the address in its reply."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                self.wfile.write(b"550 5.1.1 " + line.strip() + b": user unknown\r\n")
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


def test_an_address_quoted_by_the_server_is_neither_logged_nor_stored(
    petition: Petition, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.EMAIL_BACKEND = "petitions.mail.letters.EmailBackend"
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echoing) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address[:2]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        sign(petition)
        try:
            assert outbox.deliver() == 0
        finally:
            server.shutdown()
            thread.join()
    row = Mail.objects.values().get()
    assert (row["state"], row["code"]) == (Mail.State.REFUSED, "550 5.1.1")
    assert "amina" not in caplog.text.lower()
    assert "amina" not in str(row).lower()


class Blocking(socketserver.StreamRequestHandler):
    """Relays that Outlook refuses our mail, in reply to `verb`, and takes all other mail."""

    verb, reply, hangs_up = b"RCPT", b"", False
    taken: ClassVar[list[bytes]] = []
    asked: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        to = b""
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"RCPT":
                to = line.partition(b"<")[2].partition(b">")[0]
                self.asked.append(to)
            if verb == self.verb and to.endswith(b"@outlook.com") and self.reply:
                self.wfile.write(self.reply + b"\r\n")
                if self.hangs_up:
                    return
            elif verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() != b".\r\n":
                    pass
                self.taken.append(to)
                self.wfile.write(b"250 ok\r\n")
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@pytest.mark.parametrize(
    ("verb", "reply", "hangs_up"),
    [
        (b"RCPT", b"550 5.7.1 part of their network is on our block list (S3150)", False),
        (b"DATA", b"554 5.7.9 Message not accepted for policy reasons", False),
        (b"RCPT", b"421 4.7.0 [TSS04] Messages temporarily deferred", True),
        (b"RCPT", b"452 4.3.1 Insufficient system storage", False),
    ],
)
def test_a_provider_that_refuses_all_mail_blocks_no_other_and_is_retried_later(
    petition: Petition,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    verb: bytes,
    reply: bytes,
    hangs_up: bool,
) -> None:
    """With real SMTP, because a server that hangs up leaves an unusable connection."""
    settings.EMAIL_BACKEND = "petitions.mail.letters.EmailBackend"
    for name, value in (("verb", verb), ("reply", reply), ("hangs_up", hangs_up)):
        monkeypatch.setattr(Blocking, name, value)
    Blocking.taken.clear()
    Blocking.asked.clear()
    for number in range(3):
        sign(petition, replace(AMINA, email=f"a{number}@outlook.com"))
        sign(petition, replace(AMINA, email=f"b{number}@example.org"))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Blocking) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address[:2]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert outbox.deliver() == 3
            assert sum(to.endswith(b"@outlook.com") for to in Blocking.asked) == 1
            assert set(Mail.objects.values_list("state", flat=True)) == {"sent", "queued"}
            Blocking.reply = b""
            Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
            assert outbox.deliver() == 3
        finally:
            server.shutdown()
            thread.join()
    assert len(Blocking.taken) == 6
    assert set(Mail.objects.values_list("state", flat=True)) == {"sent"}


class Impatient(socketserver.StreamRequestHandler):
    """Takes all mail, but closes a connection idle for a second. Amazon closes it after ten."""

    timeout = 1.0

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        try:
            while line := self.rfile.readline():
                if line[:4].upper() == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    while self.rfile.readline() != b".\r\n":
                        pass
                self.wfile.write(b"250 ok\r\n")
        except TimeoutError:
            self.wfile.write(b"451 4.4.2 Timeout waiting for data from client.\r\n")


@pytest.fixture
def impatient(settings: Any) -> Iterator[None]:
    settings.EMAIL_BACKEND = "petitions.mail.letters.EmailBackend"
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Impatient) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address[:2]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def test_the_smtp_connection_stays_open_while_withheld_mails_are_skipped(
    petition: Petition, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_IDLE", 0.3)
    monkeypatch.setattr(outbox, "_durations", deque([0.3] * 20, maxlen=20))
    over_limit = 12
    for _ in range(5 + over_limit):
        sign(petition, AMINA)
    sign(petition, DAVID)

    assert outbox.deliver() == 5 + 1

    states = Counter(Mail.objects.values_list("state", flat=True))
    assert states == {Mail.State.SENT: 5 + 1, Mail.State.WITHHELD: over_limit}


def test_an_smtp_connection_closed_by_the_server_is_reopened(impatient: None) -> None:
    with closing(get_connection()) as server:
        server.open()
        time.sleep(Impatient.timeout + 0.2)
        outbox._keep_open(server)
        assert server.send_messages([EmailMessage("a", "b", "c@example.org", ["d@example.org"])])


def test_the_mail_state_is_late_for_refused_mail_but_not_for_throttled_mail(
    petition: Petition,
) -> None:
    sign(petition)
    mail = Mail.objects.get()
    Claim(1)
    mail.refresh_from_db()
    claims.wait_for_server([mail], "ConnectionRefused")
    assert mail_state().state == MailState.WELL

    Mail.objects.update(created_at=timezone.now() - timedelta(minutes=3))
    assert mail_state().state == MailState.LATE
    Mail.objects.update(code=THROTTLED)
    assert mail_state().state == MailState.WELL
