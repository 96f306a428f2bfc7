"""Mails are claimed once, and only the holder of the lease writes their outcomes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from petitions.mail import claims, outbox
from petitions.mail.claims import Claim
from petitions.models import Mail, Petition
from tests.conftest import eventually
from tests.integration.mail.outbox.conftest import (
    Backend,
    sign_many,
)
from tests.people import AMINA, DAVID, sign


def test_a_claimed_mail_is_not_claimed_again_before_its_lease_runs_out(petition: Petition) -> None:
    sign(petition)
    first = Claim(outbox.BATCH).ids
    assert len(first) == 1
    assert Claim(outbox.BATCH).ids == []

    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert Claim(outbox.BATCH).ids == first


def test_a_claim_expires_after_half_a_minute(
    petition: Petition,
) -> None:
    sign(petition)
    Claim(outbox.BATCH)
    left = Mail.objects.get().due_at - timezone.now()
    assert timedelta(seconds=20) < left <= timedelta(seconds=30)


def test_renewing_a_claim_extends_only_mails_that_are_not_settled(petition: Petition) -> None:
    for attempt in (AMINA, DAVID, replace(DAVID, email="off@example.org")):
        sign(petition, attempt)
    claim = Claim(outbox.BATCH)
    claimed, done, put_off = Mail.objects.all()
    claims.settle([done], Mail.State.SENT)
    claims.put_back(put_off, "450")
    before = {row.pk: row.due_at for row in Mail.objects.all()}

    for _again in range(2):
        claim.renew()
        after = {row.pk: row.due_at for row in Mail.objects.all()}
        assert {pk for pk in after if after[pk] != before[pk]} == {claimed.pk}
        assert after[claimed.pk] > before[claimed.pk]
        before = after


@pytest.mark.django_db(transaction=True)
def test_a_claim_is_renewed_while_a_slow_server_takes_longer_than_the_lease(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=1.2))
    monkeypatch.setattr(claims, "RENEW_EVERY", 0.1)
    taken_over: list[int] = []

    def slowly(self: Backend, email_messages: Any) -> int:
        time.sleep(1.3)
        taken_over.append(len(Claim(outbox.BATCH).ids))
        return 1

    monkeypatch.setattr(failing, "send_messages", slowly)
    sign(petition)
    sign(petition, DAVID)

    assert outbox.deliver() == 2

    assert taken_over == [0, 0]
    assert set(Mail.objects.values_list("state", flat=True)) == {Mail.State.SENT}


@pytest.mark.django_db(transaction=True)
def test_a_worker_whose_claim_expired_sends_no_more_of_its_batch(
    petition: Petition, failing: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the process had been paused and another one had continued."""
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(claims, "RENEW_EVERY", 60.0)
    others: list[Claim] = []

    def stop(self: Backend, email_messages: Any) -> int:
        time.sleep(1.1)
        others.append(Claim(outbox.BATCH))
        return 1

    monkeypatch.setattr(failing, "send_messages", stop)
    for number in range(3):
        sign(petition, replace(AMINA, email=f"p{number}@example.org"))

    assert outbox.deliver() == 1
    assert [len(other.ids) for other in others] == [3]


@pytest.mark.django_db(transaction=True)
def test_a_failed_renewal_is_logged_and_the_claim_kept_until_it_expires(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(claims, "RENEW_EVERY", 0.05)

    def away(*_given: Any) -> None:
        raise OperationalError("amina@example.org")

    monkeypatch.setattr(Claim, "renew", away)
    sign(petition)
    with Claim(outbox.BATCH) as claim:
        assert eventually(
            lambda: "a claim on mails is not renewed (OperationalError)" in caplog.text
        )
        assert claim.is_held()
    assert "amina" not in caplog.text


def test_a_worker_whose_lease_ran_out_cannot_overwrite_the_outcome(petition: Petition) -> None:
    sign(petition)
    Claim(outbox.BATCH)
    slow = Mail.objects.get()
    Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    Claim(outbox.BATCH)

    claims.settle([slow], Mail.State.FAILED, "550")

    assert Mail.objects.get().state == Mail.State.QUEUED


@contextmanager
def _held_by_another_worker(mail: Mail) -> Iterator[None]:
    """Another connection is claiming the mail, and has not committed yet."""
    holds, may_let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Mail.objects.select_for_update().get(pk=mail.pk)
            holds.set()
            may_let_go.wait(timeout=20)
        connections.close_all()

    worker = threading.Thread(target=hold)
    worker.start()
    try:
        assert holds.wait(timeout=20)
        yield
    finally:
        may_let_go.set()
        worker.join(timeout=10)


@pytest.mark.django_db(transaction=True)
def test_claiming_skips_mails_locked_by_another_worker_without_waiting(
    petition: Petition,
) -> None:
    sign_many(petition, 2)
    theirs, mine = Mail.objects.order_by("due_at")

    with _held_by_another_worker(theirs):
        assert Claim(outbox.BATCH).ids == [mine.pk]


@pytest.mark.parametrize("state", [Mail.State.CANCELLED, Mail.State.SENT])
def test_settling_does_not_overwrite_a_mail_that_was_settled_in_the_meantime(
    petition: Petition, state: Mail.State
) -> None:
    sign(petition)
    Claim(outbox.BATCH)
    mine = Mail.objects.get()
    Mail.objects.update(state=state, code="before")

    claims.settle([mine], Mail.State.FAILED, "550")
    claims.put_back(mine, "421")

    row = Mail.objects.get()
    assert (row.state, row.code, row.due_at) == (state, "before", mine.due_at)
