"""The page “Does our mail arrive?” and the command `check_mail`, against a real name server."""

import html
from http import HTTPStatus
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from petitions.mail import trials
from petitions.mail.sender import lookup
from petitions.models import AuditRecord, Mail, SenderCheck
from tests.integration.mail.sender.conftest import DMARC, DOMAIN, SELECTOR
from tests.name_server import SILENT, NameServer

PAGE = "/admin/petitions/sendercheck/"


@pytest.fixture
def omar(organiser: User, client: Client) -> Client:
    organiser.email = "omar@example.org"
    organiser.save()
    client.force_login(organiser)
    return client


def page(client: Client, **sent: str) -> str:
    answer = client.post(PAGE, sent, follow=True) if sent else client.get(PAGE)
    return html.unescape(answer.content.decode())


def test_an_organiser_checks_reads_what_is_wrong_and_copies_what_to_add(
    server: NameServer, omar: Client
) -> None:
    assert "Checked on" not in page(omar)
    del server.zone[DMARC, "TXT"]
    shown = page(omar, selector=SELECTOR)
    assert "not everything is right" in shown
    assert "There is no DMARC record" in shown
    assert f"this TXT record at <code>{DMARC}</code>" in shown
    assert "readonly>v=DMARC1; p=quarantine</textarea>" in shown
    assert "mail2027._domainkey.example.org</code>" in page(omar, selector="mail2027")

    server.txt({DMARC: ["v=DMARC1; p=reject"]})
    shown = page(omar, selector=SELECTOR)
    assert "everything is right" in shown
    assert "not right" not in shown
    assert SenderCheck.objects.get().selector == SELECTOR
    assert AuditRecord.objects.filter(action="sender-checked").count() == 3


def test_looking_at_the_page_asks_nobody(server: NameServer, omar: Client) -> None:
    page(omar, selector=SELECTOR)
    server.asked.clear()
    assert "everything is right" in page(omar)
    assert not server.asked


def test_what_a_stranger_wrote_into_dns_is_shown_as_text(server: NameServer, omar: Client) -> None:
    server.txt({DOMAIN: ["v=spf1 <script>alert(1)</script> \u202e-all"]})
    omar.post(PAGE, {"selector": SELECTOR})
    shown = omar.get(PAGE).content.decode()
    assert "<script>alert" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("selector", ["a b", "-x", "x" * 64, "a/../b"])
def test_what_is_no_selector_is_refused_in_words(
    selector: str, server: NameServer, omar: Client
) -> None:
    shown = page(omar, selector=selector)
    assert "errorlist" in shown
    assert not server.asked
    assert not SenderCheck.objects.exists()


def test_a_sender_without_a_domain_is_told_what_to_do(omar: Client, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "post@localhost"
    assert "Ask your operator to set MAIL_FROM" in page(omar, selector=SELECTOR)


def test_a_silent_name_server_is_no_missing_record(
    server: NameServer, omar: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "QUERY_TIMEOUT", 0.2)
    server.zone[DMARC, "TXT"] = SILENT
    shown = page(omar, selector=SELECTOR)
    assert "DMARC: no answer" in shown
    assert "There is no DMARC record" not in shown


def test_the_button_mails_every_message_to_oneself_alone(
    omar: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "nudge", lambda: None)
    number = len(trials.KINDS) * 3
    assert f"{number} messages are on their way" in page(omar, trial="1")
    assert Mail.objects.count() == number


def test_only_organisers_may(moderator: User, client: Client) -> None:
    client.force_login(moderator)
    assert client.get(PAGE).status_code == HTTPStatus.FORBIDDEN
    assert client.post(PAGE, {"trial": "1"}).status_code == HTTPStatus.FORBIDDEN
    assert not Mail.objects.exists()


@pytest.mark.django_db
def test_the_command_prints_each_record_and_fails_while_one_is_wrong(server: NameServer) -> None:
    said = StringIO()
    call_command("check_mail", selector=SELECTOR, stdout=said)
    assert said.getvalue().count(": right") == 3

    del server.zone[DMARC, "TXT"]
    said = StringIO()
    with pytest.raises(CommandError, match="Not everything is right"):
        call_command("check_mail", selector=SELECTOR, stdout=said)
    assert f"  name:  {DMARC}" in said.getvalue()
    assert "publish this TXT record: v=DMARC1; p=quarantine" in said.getvalue()
    assert not SenderCheck.objects.exists()


def test_the_command_takes_another_domain_and_refuses_nonsense(server: NameServer) -> None:
    with pytest.raises(CommandError, match="Not everything"):
        call_command("check_mail", domain="other.example", stdout=StringIO())
    assert ("other.example", "TXT") in server.asked
    with pytest.raises(CommandError, match="not a selector"):
        call_command("check_mail", selector="a b", stdout=StringIO())
