"""Trials: every message goes through the outbox to the organiser who asks, marked as a trial."""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives
from django.db.models import F
from django.test import Client

from petitions.mail import messages, outbox, suppression, trials
from petitions.models import AuditRecord, Mail, Objection, Petition, Signature
from petitions.privacy import retention
from petitions.staff.refusal import Refused
from tests.people import AMINA, sign_and_confirm

_URL = re.compile(r"https?://[^\s\"<>]+")
MARKS = {"en": "Trial: ", "ar": "تجربة: ", "cy": "Prawf: "}


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "nudge", lambda: None)


@pytest.fixture(autouse=True)
def _with_address(organiser: User) -> None:
    organiser.email = "omar@example.org"
    organiser.save()


def received(actor: User) -> list[EmailMultiAlternatives]:
    trials.send(actor=actor, screen="-")
    outbox.deliver()
    return [one for one in sent.outbox if isinstance(one, EmailMultiAlternatives)]


def test_a_trial_sends_every_kind_of_mail_in_every_language(
    petition: Petition, organiser: User
) -> None:
    letters = received(organiser)
    assert len(letters) == len(trials.KINDS) * len(settings.LANGUAGES)
    assert {Mail.Kind.CONFIRM, Mail.Kind.FIND, Mail.Kind.NEWS, messages.NOTICE} <= {*trials.KINDS}
    assert {tuple(letter.to) for letter in letters} == {(organiser.email,)}
    for language, mark in MARKS.items():
        marked = [one.subject for one in letters if str(one.subject).startswith(mark)]
        assert len(marked) == len(trials.KINDS), (language, marked)
    assert not Mail.objects.exclude(state=Mail.State.SENT).exists()
    assert Mail.objects.filter(signature=None, news=None).count() == len(letters)


def test_a_trial_mail_differs_from_the_real_one_only_in_subject_and_links(
    petition: Petition, organiser: User
) -> None:
    sign_and_confirm(petition, AMINA)
    outbox.deliver()
    real = sent.outbox.pop()
    letters = received(organiser)
    subject = f"Trial: {real.subject}"

    def plain(letter: Any) -> str:
        words = re.sub(r"/t/en/([a-z-]+)/[\w.-]+", r"/t/en/\1/", letter.body)
        return re.sub(r"\b\d{4}-\d{4}\b", "code", words).replace("Trial: ", "")

    alike = [one for one in letters if one.subject == subject]
    assert plain(real) in map(plain, alike)
    assert set(alike[0].message().keys()) == set(real.message().keys())


def test_links_in_trial_mails_return_404_and_change_nothing(
    petition: Petition, organiser: User, browser: Client
) -> None:
    sign_and_confirm(petition, AMINA)
    outbox.deliver()
    sent.outbox.clear()
    links = {
        url.removeprefix(settings.SITE_URL)
        for letter in received(organiser)
        for text in (str(letter.body), str(letter.alternatives[0][0]))
        for url in _URL.findall(text)
        if "/t/" in url
    }
    assert {link.split("/")[3] for link in links} >= {"confirm", "not-me", "mine", "no-news"}
    for link in links:
        assert messages.TRIAL_PLACEHOLDER in link
        assert browser.get(link).status_code == HTTPStatus.NOT_FOUND, link
        assert browser.post(link).status_code == HTTPStatus.NOT_FOUND, link
    assert not Objection.objects.exists()
    assert Signature.objects.get().state == Signature.State.CONFIRMED


def test_trial_mails_have_a_daily_limit_and_are_audited(organiser: User) -> None:
    for _round in range(trials.ROUNDS_A_DAY):
        trials.send(actor=organiser, screen="admin:trial")
    queued = Mail.objects.count()
    with pytest.raises(Refused, match="tomorrow"):
        trials.send(actor=organiser, screen="admin:trial")
    assert Mail.objects.count() == queued
    records = AuditRecord.objects.filter(
        action="mail-tried", actor=organiser, object_id=organiser.pk
    )
    assert records.count() == trials.ROUNDS_A_DAY


def test_trial_mails_are_refused_for_an_account_without_an_email_address(organiser: User) -> None:
    organiser.email = ""
    with pytest.raises(Refused, match="Ask an administrator"):
        trials.send(actor=organiser, screen="-")
    assert not Mail.objects.exists()


def test_trial_mails_do_not_count_against_the_mailbox_limit(
    petition: Petition, organiser: User
) -> None:
    received(organiser)
    assert (
        len({bytes(mail.global_mailbox_ix) for mail in Mail.objects.all()}) == Mail.objects.count()
    )


def test_trial_mails_are_not_sent_to_an_address_that_bounced(
    petition: Petition, organiser: User
) -> None:
    suppression.suppress_bounced(address=organiser.email)
    assert not received(organiser)


def test_trial_mails_are_deleted_after_a_week(petition: Petition, organiser: User) -> None:
    received(organiser)
    Mail.objects.update(
        due_at=F("due_at") - timedelta(days=8), created_at=F("created_at") - timedelta(days=8)
    )
    retention.apply()
    assert not Mail.objects.exists()


def test_trial_mails_are_not_counted_in_the_outbox_figures(
    petition: Petition, organiser: User, client: Client
) -> None:
    trials.send(actor=organiser, screen="-")
    client.force_login(organiser)
    assert "Nothing waits." in client.get("/admin/petitions/mail/").content.decode()
