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


def test_the_sender_check_page_shows_problems_and_the_records_to_publish(
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


def test_a_get_request_to_the_sender_check_page_makes_no_dns_query(
    server: NameServer, omar: Client
) -> None:
    page(omar, selector=SELECTOR)
    server.asked.clear()
    assert "everything is right" in page(omar)
    assert not server.asked


def test_text_from_dns_records_is_escaped_on_the_sender_check_page(
    server: NameServer, omar: Client
) -> None:
    server.txt({DOMAIN: ["v=spf1 <script>alert(1)</script> \u202e-all"]})
    omar.post(PAGE, {"selector": SELECTOR})
    shown = omar.get(PAGE).content.decode()
    assert "<script>alert" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("selector", ["a b", "-x", "x" * 64, "a/../b"])
def test_an_invalid_selector_is_a_form_error_without_a_dns_query(
    selector: str, server: NameServer, omar: Client
) -> None:
    shown = page(omar, selector=selector)
    assert "errorlist" in shown
    assert not server.asked
    assert not SenderCheck.objects.exists()


def test_the_sender_check_page_asks_to_set_mail_from_if_it_has_no_domain(
    omar: Client, settings: Any
) -> None:
    settings.DEFAULT_FROM_EMAIL = "post@localhost"
    assert "Ask your operator to set MAIL_FROM" in page(omar, selector=SELECTOR)


def test_the_sender_check_page_shows_a_dns_timeout_as_no_answer(
    server: NameServer, omar: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "QUERY_TIMEOUT", 0.2)
    server.zone[DMARC, "TXT"] = SILENT
    shown = page(omar, selector=SELECTOR)
    assert "DMARC: no answer" in shown
    assert "There is no DMARC record" not in shown


def test_the_trial_button_queues_every_kind_of_mail_in_every_language(
    omar: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "nudge", lambda: None)
    number = len(trials.KINDS) * 3
    assert f"{number} messages are on their way" in page(omar, trial="1")
    assert Mail.objects.count() == number


def test_moderators_cannot_open_the_sender_check_page(moderator: User, client: Client) -> None:
    client.force_login(moderator)
    assert client.get(PAGE).status_code == HTTPStatus.FORBIDDEN
    assert client.post(PAGE, {"trial": "1"}).status_code == HTTPStatus.FORBIDDEN
    assert not Mail.objects.exists()


@pytest.mark.django_db
def test_the_check_mail_command_prints_each_record_and_fails_if_one_is_wrong(
    server: NameServer,
) -> None:
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


def test_the_check_mail_command_accepts_a_domain_and_refuses_a_bad_selector(
    server: NameServer,
) -> None:
    with pytest.raises(CommandError, match="Not everything"):
        call_command("check_mail", domain="other.example", stdout=StringIO())
    assert ("other.example", "TXT") in server.asked
    with pytest.raises(CommandError, match="not a selector"):
        call_command("check_mail", selector="a b", stdout=StringIO())
