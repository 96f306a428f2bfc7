"""Mail providers in place of SMTP: what is sent to them, their errors, and their webhooks."""

import base64
import hashlib
import hmac
import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from anymail.backends.base import BasePayload
from anymail.exceptions import AnymailRecipientsRefused, AnymailRequestsAPIError
from django.core import mail as sent
from django.core.mail import get_connection
from django.test import Client
from django.utils import timezone

from petitions.mail import bounces, outbox, suppression
from petitions.mail.monitoring import MailState, mail_state
from petitions.models import Mail, Objection, Petition, Signature
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.people import AMINA, BASHIR, DAVID, sign

PATH = "/reports/mail/"
PASSWORD = "provider:a long password"
SIGNING_KEY = "a signing key"


@pytest.fixture
def postmark(settings: Any) -> None:
    settings.MAIL_PROVIDER = "postmark"
    settings.MAIL_WEBHOOK_SECRET = PASSWORD
    settings.ANYMAIL = {"WEBHOOK_SECRET": PASSWORD, "POSTMARK_SERVER_TOKEN": "token"}


@pytest.fixture
def mailgun(settings: Any) -> None:
    settings.MAIL_PROVIDER = "mailgun"
    settings.MAIL_WEBHOOK_SECRET = SIGNING_KEY
    settings.ANYMAIL = {
        "MAILGUN_API_KEY": "key",
        "MAILGUN_SENDER_DOMAIN": "example.org",
        "MAILGUN_API_URL": "https://api.eu.mailgun.net/v3",
        "MAILGUN_WEBHOOK_SIGNING_KEY": SIGNING_KEY,
    }


def sent_mail(petition: Petition, attempt: Attempt = AMINA) -> Mail:
    """A mail that was sent a moment ago."""
    signature_id = sign(petition, attempt)
    outbox.deliver()
    sent.outbox.clear()
    return Mail.objects.get(signature=signature_id)


def from_postmark(mail_id: object, kind: str = "HardBounce") -> dict[str, Any]:
    return {
        "RecordType": "Bounce",
        "Type": kind,
        "ID": 42,
        "Email": "somebody.else@example.net",
        "MessageID": str(uuid4()),
        "Metadata": {"mail": str(mail_id)},
        "Details": "550 5.1.1 somebody.else@example.net: no such user",
        "BouncedAt": "2026-11-01T12:00:00Z",
    }


def report(body: dict[str, Any], password: str | None = PASSWORD) -> int:
    client = Client()
    headers = {}
    if password is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(password.encode()).decode()
    answer = client.post(PATH, json.dumps(body), content_type="application/json", headers=headers)
    return answer.status_code


def from_mailgun(mail_id: object, severity: str, key: str = SIGNING_KEY) -> dict[str, Any]:
    signature = hmac.new(key.encode(), b"1700000000token", hashlib.sha256).hexdigest()
    return {
        "signature": {"timestamp": "1700000000", "token": "token", "signature": signature},
        "event-data": {
            "event": "failed",
            "severity": severity,
            "reason": "bounce",
            "timestamp": 1700000000.1,
            "recipient": "somebody.else@example.net",
            "message": {"headers": {"message-id": f"{mail_id}@example.org"}},
            "user-variables": {},
        },
    }


# --- What comes back --------------------------------------------------------------------------


@pytest.mark.usefixtures("postmark")
def test_a_hard_bounce_suppresses_all_mail_to_the_address(
    petition: Petition, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mail = sent_mail(petition)

    assert report(from_postmark(mail.pk)) == 200

    row = Objection.objects.get()
    assert (row.reason, row.petition) == (Objection.Reason.UNDELIVERABLE, None)
    address = sealing.address_as_inboxes(AMINA.email)[0]
    assert bytes(row.ix) == suppression._entry_index(address, Objection.Reason.UNDELIVERABLE, None)
    mail.refresh_from_db()
    assert (mail.state, mail.code) == (Mail.State.REFUSED, bounces.BOUNCED)
    sign(petition, BASHIR)
    sign(petition, DAVID)
    outbox.deliver()
    assert [message.to for message in sent.outbox] == [[DAVID.email]]
    waiting = Mail.objects.get(state=Mail.State.CANCELLED)
    assert waiting.code == outbox.UNDELIVERABLE
    assert "example" not in caplog.text


def test_a_spam_complaint_suppresses_all_mail_to_the_mailbox(
    petition: Petition, postmark: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mail = sent_mail(petition)
    complaint = {**from_postmark(mail.pk, "SpamComplaint"), "RecordType": "SpamComplaint"}

    assert [report(complaint) for _again in range(2)] == [200, 200]

    row = Objection.objects.get()
    assert (row.reason, row.petition) == (Objection.Reason.NO_MAIL, None)
    mail.refresh_from_db()
    assert mail.state == Mail.State.SENT
    sign(petition, BASHIR)
    assert outbox.deliver() == 0
    assert "example" not in caplog.text


def test_a_spam_complaint_from_mailgun_is_an_objection_to_all_mail(
    petition: Petition, mailgun: None
) -> None:
    body = from_mailgun(sent_mail(petition).pk, "permanent")
    body["event-data"] |= {"event": "complained"}
    assert report(body, password=None) == 200
    assert Objection.objects.get().reason == Objection.Reason.NO_MAIL


@pytest.mark.usefixtures("mailgun")
@pytest.mark.parametrize(("severity", "is_noted"), [("permanent", True), ("temporary", False)])
def test_mailgun_reports_are_matched_by_message_id(
    petition: Petition, severity: str, is_noted: bool
) -> None:
    mail = sent_mail(petition)
    assert report(from_mailgun(mail.pk, severity), password=None) == 200
    assert Objection.objects.exists() is is_noted


@pytest.mark.usefixtures("mailgun")
def test_a_mail_webhook_with_a_forged_signature_returns_400(petition: Petition) -> None:
    mail = sent_mail(petition)
    assert report(from_mailgun(mail.pk, "permanent", key="another"), password=None) == 400
    assert not Objection.objects.exists()


@pytest.mark.usefixtures("postmark")
@pytest.mark.parametrize("password", [None, "", "provider:wrong", "provider"])
def test_a_mail_webhook_without_the_password_returns_400(
    petition: Petition, password: str | None
) -> None:
    mail = sent_mail(petition)
    assert report(from_postmark(mail.pk), password) == 400
    assert not Objection.objects.exists()


def test_the_mail_webhook_returns_404_without_a_mail_provider(petition: Petition) -> None:
    assert report(from_postmark(sent_mail(petition).pk)) == 404


@pytest.mark.usefixtures("postmark")
def test_the_mail_webhook_returns_404_without_a_secret(petition: Petition, settings: Any) -> None:
    settings.MAIL_WEBHOOK_SECRET = ""
    assert report(from_postmark(sent_mail(petition).pk), "") == 404


@pytest.mark.usefixtures("postmark")
@pytest.mark.parametrize("kind", ["SoftBounce", "Transient", "DnsError", "Blocked"])
def test_a_temporary_bounce_does_not_suppress_mail(petition: Petition, kind: str) -> None:
    assert report(from_postmark(sent_mail(petition).pk, kind)) == 200
    assert not Objection.objects.exists()


@pytest.mark.usefixtures("postmark")
@pytest.mark.parametrize("kind", ["HardBounce", "Blocked"])
def test_a_mail_that_bounced_because_we_are_blocked_is_requeued(
    petition: Petition, kind: str
) -> None:
    mail = sent_mail(petition)
    blocked = "smtp;550 5.7.1 part of their network is on our block list (S3150)"

    assert report({**from_postmark(mail.pk, kind), "Details": blocked}) == 200

    assert not Objection.objects.exists()
    mail.refresh_from_db()
    assert (mail.state, mail.code, mail.attempts) == (Mail.State.QUEUED, "550 5.7.1", 1)
    assert mail.due_at > timezone.now() + timedelta(seconds=10)
    Mail.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert mail_state().state == MailState.LATE

    Mail.objects.update(due_at=timezone.now())
    assert outbox.deliver() == 1
    assert [message.to for message in sent.outbox] == [[AMINA.email]]


@pytest.mark.usefixtures("postmark")
@pytest.mark.parametrize("named", [uuid4(), "", "no id", None])
def test_a_mail_webhook_about_an_unknown_mail_is_ignored(petition: Petition, named: object) -> None:
    sent_mail(petition)
    assert report(from_postmark(named)) == 200
    assert not Objection.objects.exists()


@pytest.mark.usefixtures("postmark")
def test_a_repeated_bounce_report_creates_one_suppression_entry(petition: Petition) -> None:
    mail = sent_mail(petition)
    assert [report(from_postmark(mail.pk)) for _ in range(2)] == [200, 200]
    assert Objection.objects.count() == 1


@pytest.mark.usefixtures("postmark")
def test_a_bounce_suppression_expires_after_thirty_days(petition: Petition) -> None:
    report(from_postmark(sent_mail(petition).pk))
    Objection.objects.update(created_at=timezone.now() - timedelta(days=31))
    sign(petition, BASHIR)
    outbox.deliver()
    assert [message.to for message in sent.outbox] == [[AMINA.email]]


# --- What providers are given -----------------------------------------------------------------


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be posted to a provider that accepts everything."""
    seen: list[dict[str, Any]] = []

    def request(_self: requests.Session, **kwargs: Any) -> requests.Response:
        seen.append(kwargs)
        answer = requests.Response()
        answer.status_code = 200
        taken = {"ErrorCode": 0, "Message": "OK", "MessageID": str(uuid4()), "To": AMINA.email}
        body = taken if "postmark" in kwargs["url"] else {"id": "<x@y>", "message": "Queued"}
        answer._content = json.dumps(body).encode()
        return answer

    monkeypatch.setattr(requests.Session, "request", request)
    return seen


def through(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    backend = f"anymail.backends.{provider}.EmailBackend"
    monkeypatch.setattr(outbox, "get_connection", lambda **kw: get_connection(backend, **kw))


@pytest.mark.usefixtures("postmark")
def test_postmark_gets_the_id_of_the_mail_and_no_tracking(
    petition: Petition, posted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, "postmark")
    sign(petition)
    assert outbox.deliver() == 1
    body = json.loads(posted[0]["data"])
    assert (body["TrackOpens"], body["TrackLinks"]) == (False, "None")
    assert body["Metadata"] == {"mail": str(Mail.objects.get().pk)}
    assert AMINA.email in body["To"]


@pytest.mark.usefixtures("mailgun")
def test_mailgun_gets_the_id_of_the_mail_and_no_tracking(
    petition: Petition, posted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    through(monkeypatch, "mailgun")
    sign(petition)
    assert outbox.deliver() == 1
    form = posted[0]["data"]
    assert (form["o:tracking-clicks"], form["o:tracking-opens"]) == ("no", "no")
    assert form["v:mail"] == str(Mail.objects.get().pk)


class Refusing:
    """A provider's backend that fails on demand."""

    error: Exception

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def send_messages(self, _messages: Any) -> int:
        raise self.error


def answered(status: int | None) -> AnymailRequestsAPIError:
    answer = None
    if status:
        answer = requests.Response()
        answer.status_code = status
        answer._content = b'{"Message": "amina@example.org is bad"}'
    return AnymailRequestsAPIError("amina@example.org", response=answer)


@pytest.mark.parametrize(
    ("error", "state", "attempts", "code"),
    [
        (answered(401), Mail.State.QUEUED, 0, "http-401"),
        (answered(429), Mail.State.QUEUED, 0, "http-429"),
        (answered(None), Mail.State.QUEUED, 0, "AnymailRequestsAPIErr"[:20]),
        (answered(500), Mail.State.QUEUED, 1, "http-500"),
        (answered(422), Mail.State.QUEUED, 1, "http-422"),
        (AnymailRecipientsRefused("amina@example.org"), Mail.State.REFUSED, 1, "refused"),
    ],
)
def test_provider_errors_are_stored_as_a_code_and_counted_only_if_about_the_mail(
    petition: Petition,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    state: Mail.State,
    attempts: int,
    code: str,
) -> None:
    backend = Refusing()
    backend.error = error
    monkeypatch.setattr(outbox, "get_connection", lambda **kwargs: backend)
    sign(petition)

    assert outbox.deliver() == 0

    row = Mail.objects.get()
    assert (row.state, row.attempts, row.code) == (state, attempts, code)
    assert "amina" not in caplog.text
    assert Signature.objects.get().state == Signature.State.PENDING


def test_anymail_knows_the_attributes_that_our_messages_set() -> None:
    """Unknown settings would be ignored, and tracking would stay on."""
    names = {name for name, *_rest in BasePayload.anymail_message_attrs}
    assert {"track_clicks", "track_opens", "metadata"} <= names


# Accounts at Proton from before 2022 need not have an address at proton.me, and nicknames of Yahoo
# addresses need not exist in its other domains.
@pytest.mark.usefixtures("postmark")
@pytest.mark.parametrize(
    ("made_up", "theirs"),
    [
        ("amina+nobody@example.org", "amina@example.org"),
        ("amina@proton.me", "amina@protonmail.com"),
        ("amina@yahoo.com", "amina-letters@yahoo.com"),
    ],
)
def test_a_bounce_of_an_invented_spelling_does_not_suppress_the_real_address(
    petition: Petition, made_up: str, theirs: str
) -> None:
    """Otherwise anybody could enter one, and its owner could neither sign nor withdraw."""
    mail = sent_mail(petition, replace(AMINA, email=made_up))

    assert report(from_postmark(mail.pk)) == 200

    mail.refresh_from_db()
    assert (mail.state, mail.code) == (Mail.State.REFUSED, bounces.BOUNCED)
    for email in (made_up.upper(), theirs):
        sign(petition, replace(AMINA, email=email))
    outbox.deliver()
    assert [message.to for message in sent.outbox] == [[theirs]]


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["[]", '"x"', '{"signature": []}', "[" * 60_000, "é"])
@pytest.mark.parametrize("provider", ["postmark", "mailgun"])
def test_a_malformed_mail_webhook_body_returns_400_and_is_not_logged(
    request: pytest.FixtureRequest, body: str, provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    request.getfixturevalue(provider)

    response = Client(raise_request_exception=False).post(
        "/reports/mail/", body, content_type="application/json"
    )

    assert response.status_code == 400
    assert not [line for line in caplog.messages if body in line and len(body) > 1]
