"""One reminder, a day later, to signers who have not confirmed; never a second one."""

import re
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives
from django.db import connection, connections, transaction
from django.test import Client
from django.utils import timezone

from petitions import tasks
from petitions.infra import locks
from petitions.infra.locks import lease
from petitions.mail import outbox, reminders
from petitions.models import Mail, Objection, Petition, Signature
from petitions.signatures import withdraw
from petitions.signers.sealing import Attempt
from tests.integration.mail.test_objections import link_of
from tests.people import AMINA, BASHIR, CARYS, DAVID, confirm, sign, typed
from tests.racing import race


def signed_before(petition: Petition, hours: float, attempt: Attempt = AMINA) -> UUID:
    """Return the id of a pending signature whose mail was sent this many hours ago."""
    signature_id = sign(petition, attempt)
    outbox.deliver()
    sent.outbox.clear()
    then = timezone.now() - timedelta(hours=hours)
    Signature.objects.filter(pk=signature_id).update(created_at=then)
    Mail.objects.filter(signature=signature_id).update(created_at=then)
    return signature_id


def deliver_all() -> None:
    """Deliver the outbox as after the minutes over which reminders are spread."""
    Mail.objects.filter(kind=Mail.Kind.REMIND).update(due_at=timezone.now())
    outbox.deliver()


def reminded() -> list[str]:
    reminders.queue_reminders()
    deliver_all()
    return [message.to[0] for message in sent.outbox]


def test_an_unconfirmed_signer_is_reminded_once_after_a_day(petition: Petition) -> None:
    signed_before(petition, 24.5)
    assert reminded() == [AMINA.email]
    sent.outbox.clear()
    assert reminded() == []
    assert Mail.objects.filter(kind=Mail.Kind.REMIND).count() == 1


@pytest.mark.parametrize("hours", [1, 23.9, 31, 48])
def test_no_reminder_is_sent_before_a_day_or_much_later(petition: Petition, hours: float) -> None:
    signed_before(petition, hours)
    assert reminded() == []


@pytest.mark.parametrize("attempt", [AMINA, BASHIR, CARYS])
def test_the_reminder_has_the_subject_and_preview_of_the_first_mail(
    petition: Petition, attempt: Attempt
) -> None:
    sign(petition, attempt)
    outbox.deliver()
    first = sent.outbox[0]
    Signature.objects.update(created_at=timezone.now() - timedelta(hours=25))
    reminders.queue_reminders()
    deliver_all()
    second = sent.outbox[1]

    assert isinstance(second, EmailMultiAlternatives)
    assert (second.subject, second.from_email) == (first.subject, first.from_email)
    assert second.body[:150].partition("http")[0] == first.body[:150].partition("http")[0]
    # Both mails have the same link, which no change of the epoch has revoked.
    links = [re.findall(r"\S+/t/\w+/confirm/\S+", str(message.body)) for message in (first, second)]
    assert links[0] == links[1]
    assert first.body != second.body
    whole = second.subject + second.from_email + str(second.body) + str(second.alternatives[0])
    for forbidden in ("Protect", "petition", "عريضة", "deiseb", "llofnod", "توقيع", "Amina"):
        assert forbidden not in whole, forbidden


def test_the_reminder_is_announced_in_the_mail_and_on_the_page(
    petition: Petition, browser: Client
) -> None:
    page = browser.get(browser.post("/petitions/protect/", typed())["Location"])
    assert "remind you once" in page.content.decode()
    outbox.deliver()
    assert "one reminder" in str(sent.outbox[0].body)


def test_a_signer_who_confirmed_by_any_of_their_mails_is_not_reminded(petition: Petition) -> None:
    signed_before(petition, 24.2)
    confirm(signed_before(petition, 24.5))
    assert reminded() == []


def test_a_signer_who_signed_twice_is_reminded_once(petition: Petition) -> None:
    signed_before(petition, 24.2)
    signed_before(petition, 24.9)
    assert reminded() == [AMINA.email]


def test_both_people_of_a_shared_mailbox_are_reminded(petition: Petition) -> None:
    signed_before(petition, 24.2)
    signed_before(petition, 24.9, BASHIR)
    assert len(reminded()) == 2


def test_no_reminder_is_sent_after_not_me(petition: Petition, browser: Client) -> None:
    signed_before(petition, 24.5, BASHIR)
    browser.post(link_of(sign(petition)))
    assert Objection.objects.exists()
    assert reminded() == []
    assert Mail.objects.get(kind=Mail.Kind.REMIND).code == outbox.OBJECTED


@pytest.mark.parametrize("state", [Mail.State.FAILED, Mail.State.WITHHELD, Mail.State.QUEUED])
def test_no_reminder_is_sent_if_the_first_mail_was_not_sent(
    petition: Petition, state: Mail.State
) -> None:
    signed_before(petition, 24.5)
    Mail.objects.update(state=state, due_at=timezone.now() + timedelta(days=1))
    assert reminded() == []


@pytest.mark.parametrize(
    "change", [{"state": Petition.State.CLOSED}, {"closes_at": timezone.now() - timedelta(hours=1)}]
)
def test_no_reminder_is_sent_about_a_closed_petition(
    petition: Petition, change: dict[str, Any]
) -> None:
    signed_before(petition, 24.5)
    Petition.objects.update(**change)
    assert reminded() == []


def test_a_queued_reminder_is_cancelled_by_confirming(petition: Petition) -> None:
    signature_id = signed_before(petition, 24.5)
    reminders.queue_reminders()
    confirm(signature_id)
    deliver_all()
    assert sent.outbox == []
    assert Mail.objects.get(kind=Mail.Kind.REMIND).state == Mail.State.CANCELLED


def test_a_queued_reminder_is_not_sent_after_withdrawing(petition: Petition) -> None:
    signature_id = signed_before(petition, 24.5)
    reminders.queue_reminders()
    withdraw.withdraw(signature_id=signature_id)
    deliver_all()
    assert sent.outbox == []


def test_reminders_obey_the_daily_mailbox_limit(petition: Petition, settings: Any) -> None:
    settings.MAILS_PER_MAILBOX_AND_DAY = 2
    for number in range(4):
        signed_before(petition, 24.1, replace(AMINA, name=f"Person {'abcd'[number]}"))
        Mail.objects.update(created_at=timezone.now() - timedelta(days=3))
    assert len(reminded()) == 2


def test_reminders_are_queued_in_consecutive_batches(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "BATCH", 2)
    for number in range(5):
        signed_before(petition, 24.5, replace(AMINA, email=f"p{number}@example.org"))
    Signature.objects.update(created_at=timezone.now() - timedelta(hours=25))  # all at once
    assert reminders.queue_reminders() == 5
    assert reminders.queue_reminders() == 0


def test_the_reminder_query_can_use_an_index_without_sorting(petition: Petition) -> None:
    signed_before(petition, 24.5)
    with connection.cursor() as cursor:
        # The test is not about the plan that PostgreSQL chooses for a tiny table.
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        cursor.execute(
            """
            EXPLAIN SELECT created_at, id FROM petitions_signature
            WHERE petition_id = %s AND state = 'pending' AND created_at > now() - interval '30 h'
                AND created_at <= now() - interval '24 h' ORDER BY created_at, id LIMIT 1000
            """,
            [petition.pk],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "signature_list" in plan
    assert "Sort" not in plan


@pytest.mark.django_db(transaction=True)
def test_only_one_worker_queues_reminders_at_a_time(petition: Petition) -> None:
    import threading

    signed_before(petition, 24.5)
    signed_before(petition, 24.5, DAVID)
    held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with lease("queue-reminders") as is_acquired:
            assert is_acquired
            held.set()
            may_end.wait(10)
        connections.close_all()

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(10)
    tasks.queue_reminders()
    assert not Mail.objects.filter(kind=Mail.Kind.REMIND).exists()
    may_end.set()
    other.join(10)
    workers = [threading.Thread(target=_sweep) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert Mail.objects.filter(kind=Mail.Kind.REMIND).count() == 2


def _sweep() -> None:
    tasks.queue_reminders()
    connections.close_all()


def hold_before_the_commit() -> None:
    """Stop the first of two runs just before it commits."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_guarded", [True, False])
def test_concurrent_reminder_runs_without_the_lease_remind_nobody_twice(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    """As if one of them had stalled for longer than its lease. It happens without the lock."""
    signed_before(petition, 24.5)
    if not is_guarded:
        monkeypatch.setattr(locks, "lock_named", lambda _name: None)

    def first() -> None:
        with transaction.atomic():
            reminders.queue_reminders()
            hold_before_the_commit()

    here = sys.modules[__name__]
    run = race(monkeypatch, (here, "hold_before_the_commit"), first, reminders.queue_reminders)

    assert run.second_waited is is_guarded
    assert Mail.objects.filter(kind=Mail.Kind.REMIND).count() == (1 if is_guarded else 2)
