"""Periodic work: one process at a time, for as long as it lives, and its successes on record."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.db.models import F
from django.utils import timezone

from petitions import tasks
from petitions.infra import locks
from petitions.models import Lease, Petition
from petitions.privacy import retention
from tests.sweeps import SWEEPS

pytestmark = pytest.mark.django_db(transaction=True)


def elsewhere(work: Callable[[], Any]) -> Any:
    """What another process would get."""
    found = []

    def run() -> None:
        try:
            found.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return found[0]


def is_free(name: str = "sweep") -> bool:
    with locks.lease(name) as is_acquired:
        return is_acquired


def let_time_pass(duration: timedelta) -> None:
    Lease.objects.update(expires_at=F("expires_at") - duration)


def test_a_lease_is_held_without_a_database_connection() -> None:
    with locks.lease("sweep") as is_acquired:
        connection.close()
        assert is_acquired
        assert not elsewhere(is_free)
    assert elsewhere(is_free)


def test_no_transaction_is_open_while_the_work_lasts() -> None:
    """An old one would keep vacuum from what was deleted since."""
    with locks.lease("sweep"), connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
        )
        assert cursor.fetchone() == (0,)


def test_the_lease_of_a_killed_process_expires() -> None:
    assert locks._take("sweep", uuid4())

    let_time_pass(locks.LEASE - timedelta(seconds=5))
    assert not is_free()
    let_time_pass(timedelta(seconds=5))
    assert is_free()


def test_a_lease_is_renewed_during_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(locks, "RENEW_EVERY", 0.2)

    with locks.lease("sweep"):
        time.sleep(1.5)
        assert not elsewhere(is_free)


def test_a_lease_that_is_not_renewed_can_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "LEASE", timedelta(seconds=1))

    with locks.lease("sweep"):
        time.sleep(1.2)
        assert elsewhere(is_free)


def test_a_former_holder_neither_renews_nor_releases_a_lost_lease(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "RENEW_EVERY", 0.1)
    with locks.lease("sweep"):
        Lease.objects.update(holder=uuid4(), succeeded_at=None)
        time.sleep(0.4)

    assert not is_free()
    assert Lease.objects.get().succeeded_at is None
    assert "the lease of sweep ran out" in caplog.text


def test_taking_a_lease_inside_a_transaction_raises_runtimeerror() -> None:
    """Others would wait for its end, where they are to pass."""
    with (
        transaction.atomic(),
        pytest.raises(RuntimeError, match="durable"),
        locks.lease("sweep"),
    ):
        pass


def test_a_failed_sweep_releases_its_lease_without_a_success(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ValueError("broken")

    with monkeypatch.context() as broken:
        broken.setattr(retention, "apply", fail)
        with pytest.raises(ValueError, match="broken"):
            tasks.apply_retention()
    lease = Lease.objects.get(name="apply-retention")
    assert (lease.succeeded_at, lease.holder) == (None, None)
    assert lease.started_at

    tasks.apply_retention()
    lease.refresh_from_db()
    assert lease.succeeded_at


def test_every_periodic_task_records_its_success(petition: Petition) -> None:
    for sweep in SWEEPS:
        sweep()
        name = sweep.name.removeprefix("petitions.").replace("_", "-")
        assert Lease.objects.get(name=name).succeeded_at


def test_deliver_mail_updates_its_success_at_most_every_few_seconds(
    petition: Petition,
) -> None:
    tasks.deliver_mail()
    first = Lease.objects.get().succeeded_at
    tasks.deliver_mail()
    assert Lease.objects.get().succeeded_at == first

    before = timezone.now() - locks.NOTED_EVERY
    Lease.objects.update(succeeded_at=before)
    tasks.deliver_mail()
    assert not Lease.objects.filter(succeeded_at__lte=before).exists()
