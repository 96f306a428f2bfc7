"""The outbox: claimed once, sent once or again, settled by whoever holds the lease."""

import logging
import smtplib
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.db import OperationalError, connections, transaction
from django.test import Client
from django.utils import timezone

from petitions import context, signers, withdrawing
from petitions.admin import outcomes
from petitions.mail import claims, letters, messages, outbox, smtp, throttle
from petitions.mail.claims import Claim
from petitions.mail.letters import Letter
from petitions.models import Mail, Organisation, Petition, Signature, Signer
from petitions.models.mail import THROTTLED
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
    withdrawing.withdraw(signature_id=sign(petition))
    assert outbox.deliver() == 0
    assert not sent.outbox


def test_a_removed_signature_is_not_mailed_and_the_mail_says_cancelled(petition: Petition) -> None:
    sign(petition)
    Signature.objects.update(state=Signature.State.REMOVED)
    assert outbox.deliver() == 0
    assert Mail.objects.get().state == Mail.State.CANCELLED


def test_a_claimed_mail_is_not_claimed_again_before_its_lease_runs_out(petition: Petition) -> None:
    sign(petition)
    first = Claim(outbox.BATCH).ids
    assert len(first) == 1
    assert Claim(outbox.BATCH).ids == []

    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert Claim(outbox.BATCH).ids == first


def test_a_claim_lasts_half_a_minute_so_that_a_killed_worker_holds_nothing_up(
    petition: Petition,
) -> None:
    sign(petition)
    Claim(outbox.BATCH)
    left = Mail.objects.get().due_at - timezone.now()
    assert timedelta(seconds=20) < left <= timedelta(seconds=30)


def test_a_claim_is_renewed_for_what_is_still_to_be_sent_alone(petition: Petition) -> None:
    for attempt in (AMINA, DAVID, replace(DAVID, email="off@example.org")):
        sign(petition, attempt)
    claim = Claim(outbox.BATCH)
    claimed, done, put_off = Mail.objects.all()
    outbox.settle([done], Mail.State.SENT)
    outbox.put_back([put_off], "450")
    before = {row.pk: row.due_at for row in Mail.objects.all()}

    for _again in range(2):
        claim.renew()
        after = {row.pk: row.due_at for row in Mail.objects.all()}
        assert {pk for pk in after if after[pk] != before[pk]} == {claimed.pk}
        assert after[claimed.pk] > before[claimed.pk]
        before = after


@pytest.mark.django_db(transaction=True)
def test_a_claim_outlives_a_server_that_takes_longer_than_the_lease(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=0.6))
    monkeypatch.setattr(claims, "RENEW_EVERY", 0.1)
    taken_over: list[int] = []

    def slowly(self: Backend, email_messages: Any) -> int:
        time.sleep(1.2)
        taken_over.append(len(Claim(outbox.BATCH).ids))
        return 1

    monkeypatch.setattr(failing, "send_messages", slowly)
    sign(petition)
    sign(petition, DAVID)

    assert outbox.deliver() == 2

    assert taken_over == [0, 0]
    assert set(Mail.objects.values_list("state", flat=True)) == {Mail.State.SENT}


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_stood_still_for_longer_than_its_claim_sends_no_more_of_it(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the process had been stopped and the other one had gone on."""
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=0.3))
    monkeypatch.setattr(claims, "RENEW_EVERY", 60.0)
    others: list[Claim] = []

    def stop(self: Backend, email_messages: Any) -> int:
        time.sleep(0.4)
        others.append(Claim(outbox.BATCH))
        return 1

    monkeypatch.setattr(failing, "send_messages", stop)
    for number in range(3):
        sign(petition, replace(AMINA, email=f"p{number}@example.org"))

    assert outbox.deliver() == 1
    assert [len(other.ids) for other in others] == [3]


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_cannot_be_renewed_is_said_and_kept_while_it_lasts(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(claims, "RENEW_EVERY", 0.05)

    def away(*_given: Any) -> None:
        raise OperationalError("amina@example.org")

    monkeypatch.setattr(claims, "_renew", away)
    sign(petition)
    with Claim(outbox.BATCH) as claim:
        time.sleep(0.2)
        assert claim.is_held()
    assert "a claim on mails is not renewed (OperationalError)" in caplog.text
    assert "amina" not in caplog.text


def test_a_worker_whose_lease_ran_out_cannot_overwrite_the_outcome(petition: Petition) -> None:
    sign(petition)
    Claim(outbox.BATCH)
    slow = Mail.objects.get()
    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    Claim(outbox.BATCH)

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
        assert Claim(outbox.BATCH).ids == [mine.pk]


@pytest.mark.parametrize("state", [Mail.State.CANCELLED, Mail.State.SENT])
def test_what_was_settled_meanwhile_stays_so(petition: Petition, state: Mail.State) -> None:
    sign(petition)
    Claim(outbox.BATCH)
    mine = Mail.objects.get()
    Mail.objects.update(state=state, code="before")

    outbox.settle([mine], Mail.State.FAILED, "550")
    outbox.put_back([mine], "421")

    row = Mail.objects.get()
    assert (row.state, row.code, row.due_at) == (state, "before", mine.due_at)


# --- Letters ----------------------------------------------------------------------------------

IDN = replace(AMINA, email="amina@b\u00fccher.example")
ODD = replace(AMINA, email="\u0623\u0645\u064a\u0646\u0629@example.org")
QUOTED = replace(AMINA, email='"amina x"@example.org')
LONG = replace(AMINA, email="a" * 64 + "@" + "example." * 6 + "org")


def composed(petition: Petition, attempt: signers.Attempt) -> Letter:
    row = Mail.objects.select_related("signature__signer").get(signature=sign(petition, attempt))
    return messages.compose(row)


def _alike(message: Any) -> list[tuple[str, str]]:
    """Headers and parts, without the boundaries, which are made up anew each time."""
    parts = [
        (part.get_content_type(), part.get_content()) for part in message.walk()
        if not part.is_multipart()
    ]  # fmt: skip
    headers = [(name, str(value)) for name, value in message.items() if name != "Content-Type"]
    return headers + parts


@pytest.mark.parametrize("attempt", [AMINA, BASHIR, CARYS, IDN])
def test_the_bytes_of_a_letter_are_those_that_django_would_write(
    petition: Petition, settings: Any, attempt: signers.Attempt
) -> None:
    Organisation.objects.update(sender_name="\u062d\u0645\u0644\u0629, SBC")
    context.forget()
    letter, sender = composed(petition, attempt), settings.DEFAULT_FROM_EMAIL
    written: Any = letter.message()
    assert letter.raw
    assert b"\n" not in letter.raw.replace(b"\r\n", b"")
    ours = message_from_bytes(letter.raw, policy=policy.default)
    theirs = message_from_bytes(written.as_bytes(linesep="\r\n"), policy=policy.default)
    assert _alike(ours) == _alike(theirs)
    assert ours["Message-ID"] == f"<{letter.metadata['mail']}@{sender.rpartition('@')[2]}>"
    assert not ours.defects


@pytest.mark.parametrize("attempt", [ODD, QUOTED, LONG])
def test_an_address_that_is_not_plain_is_left_to_django(
    petition: Petition, attempt: signers.Attempt
) -> None:
    letter = composed(petition, attempt)
    assert letter.raw is None
    assert letter.to == [attempt.email]


@pytest.mark.parametrize(
    "to", [INJECTION, "a@b\r\nBcc: c@example.net", "a@example.org\n", "a@b, c@example.net", ""]
)
def test_nothing_but_one_address_gets_into_the_bytes(to: str) -> None:
    form = letters.Form(["confirm"])
    form.write(
        subject="s",
        text=form.marks["confirm"],
        html="<p>",
        sender="a@b.example",
        domain="b.example",
    )
    filled = form.fill({"confirm": "x"}, to=to, mail_id="1", date="d")
    assert filled.raw is None


@pytest.mark.parametrize("value", ["<b>", "a b", "a\r\nb", "", "&amp;", "\u0661"])
def test_a_value_that_could_be_markup_is_refused(value: str) -> None:
    form = letters.Form(["confirm"])
    form.write(subject="s", text="t", html="<p>", sender="a@b.example", domain="b.example")
    with pytest.raises(ValueError, match="letter"):
        form.fill({"confirm": value}, to="a@b.example", mail_id="1", date="d")


def test_a_form_whose_lines_are_too_long_is_left_to_django_and_still_right() -> None:
    form = letters.Form(["confirm"])
    text = "\u00e9" * 600 + form.marks["confirm"]
    form.write(subject="s", text=text, html="<p>", sender="a@b.example", domain="b.example")
    letter = form.fill({"confirm": "x"}, to="a@b.example", mail_id="1", date="d")
    assert letter.raw is None
    assert str(letter.body).endswith("\u00e9x")


def test_letters_go_over_smtp_as_they_were_written_and_others_as_django_writes_them(
    petition: Petition, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, list[str], bytes]] = []

    class Connection:
        def sendmail(self, sender: str, to: list[str], raw: bytes) -> None:
            seen.append((sender, to, raw))

        def quit(self) -> None:
            pass

    backend = smtp.EmailBackend()
    monkeypatch.setattr(backend, "open", lambda: False)
    monkeypatch.setattr(backend, "connection", Connection())
    plain, odd = composed(petition, AMINA), composed(petition, QUOTED)

    backend.send_messages([plain])
    backend.send_messages([odd])

    assert seen[0] == (settings.DEFAULT_FROM_EMAIL, ["amina@example.org"], plain.raw)
    parsed = message_from_bytes(seen[1][2], policy=policy.default)
    assert str(parsed["To"]) == QUOTED.email


# --- A server that speaks, and quotes whom it refuses -------------------------------------------


class Echoing(socketserver.StreamRequestHandler):
    """Refuses every recipient, and says whom."""

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


def test_a_server_that_quotes_the_address_puts_it_into_no_log_and_no_row(
    petition: Petition, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.EMAIL_BACKEND = "petitions.mail.smtp.EmailBackend"
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
    assert (row["state"], row["code"]) == (Mail.State.FAILED, "550")
    assert "amina" not in caplog.text.lower()
    assert "amina" not in str(row).lower()


# --- Domains ----------------------------------------------------------------------------------


@pytest.fixture
def throttled(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """At most two to a domain in a minute, and a clock to turn: `clock[0]` seconds."""
    clock = [1000.0]
    settings.MAILS_PER_DOMAIN_AND_MINUTE = 2
    monkeypatch.setattr(outbox, "_throttle", throttle.Throttle())
    monkeypatch.setattr("petitions.mail.throttle.time.monotonic", lambda: clock[0])
    return clock


def test_a_domain_gets_only_so_many_in_a_minute_and_the_rest_later(
    petition: Petition, throttled: list[float]
) -> None:
    sign_many(petition, 5)
    sign(petition, DAVID)

    assert outbox.deliver() == 3

    later = Mail.objects.filter(state=Mail.State.QUEUED)
    assert set(later.values_list("attempts", "code")) == {(0, THROTTLED)}
    waits = [(row.due_at - timezone.now()).total_seconds() for row in later]
    assert all(50 < wait < 200 for wait in waits)
    for _ in range(2):
        throttled[0] += 61
        Mail.objects.filter(state=Mail.State.QUEUED).update(due_at=timezone.now())
        outbox.deliver()
    assert not Mail.objects.exclude(state=Mail.State.SENT).exists()
    assert len(sent.outbox) == 6


def test_many_that_wait_are_spread_over_as_many_minutes_as_they_need(
    settings: Any, throttled: list[float]
) -> None:
    limit = throttle.Throttle()
    waits = [limit.wait("example.org") for _ in range(22)]
    assert waits[:2] == [0, 0]
    assert 60 <= waits[2] < 120
    assert 60 + 9 * 60 <= waits[-1] <= 60 + 10 * 60


def test_no_limit_is_no_limit(settings: Any, throttled: list[float]) -> None:
    settings.MAILS_PER_DOMAIN_AND_MINUTE = 0
    assert {throttle.Throttle().wait("example.org") for _ in range(50)} == {0}


# --- Dead letters -----------------------------------------------------------------------------

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


def test_mail_that_the_server_does_not_take_is_late_but_mail_that_waits_its_turn_is_not(
    petition: Petition,
) -> None:
    sign(petition)
    mail = Mail.objects.get()
    Claim(1)
    mail.refresh_from_db()
    outbox.wait_for_server([mail], "ConnectionRefused")
    assert not Mail.objects.late().exists()

    Mail.objects.update(created_at=timezone.now() - timedelta(minutes=3))
    assert Mail.objects.late().exists()
    Mail.objects.update(code=THROTTLED)
    assert not Mail.objects.late().exists()
