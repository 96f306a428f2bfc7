"""Bulk decisions by concurrent workers, and by one that is killed in the middle of a batch."""

import os
import subprocess
import sys
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection

from petitions.counting import tallies
from petitions.models import BatchJob, BulkDecision, DecisionItem, Petition, Signature
from petitions.moderation import bulk, decisions
from petitions.moderation.selection import Selection
from tests.at_once import at_once
from tests.people import sign_and_confirm, somebody
from tests.racing import race

pytestmark = pytest.mark.django_db(transaction=True)
State = BulkDecision.State
# Stands still in the transaction of its second batch, after it has moved the rows and the count.
KILLED = """
import time
import django
django.setup()
from petitions.moderation import bulk
from petitions.signatures import lifecycle
batches, move = [], lifecycle.move
def moving(*args, **kwargs):
    change = move(*args, **kwargs)
    batches.append(change)
    if len(batches) == 2:
        print("in the middle", flush=True)
        time.sleep(60)
    return change
bulk.BATCH, lifecycle.move = 2, moving
bulk.run_due()
"""


@pytest.fixture
def signed(petition: Petition, monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    monkeypatch.setattr(bulk, "BATCH", 2)
    return sorted(sign_and_confirm(petition, somebody(n)).pk for n in range(5))


def _started(petition: Petition, actor: User, kind: str = "remove", **conditions: Any) -> UUID:
    chosen = Selection(petition_id=petition.pk, **(conditions or {"is_abroad": False}))
    preview = bulk.preview(selection=chosen, kind=kind, reason="automated", note="", actor=actor)
    assert bulk.start(job=preview.job, actor=actor, screen="test")
    return preview.job.pk


def _run_alone(pk: UUID) -> BulkDecision:
    job = BulkDecision.objects.get(pk=pk)
    job.run(partial(bulk._batch, job))
    return job


def test_a_killed_bulk_worker_rolls_back_its_batch_and_the_next_worker_resumes(
    petition: Petition, moderator: User, signed: list[UUID]
) -> None:
    pk = _started(petition, moderator)
    name = connection.settings_dict["NAME"]
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    )
    with worker:
        assert worker.stdout
        assert worker.stdout.readline() == "in the middle\n"
        worker.kill()
    job = BulkDecision.objects.get(pk=pk)
    assert (job.state, job.done, tallies.total(petition.pk)) == (State.RUNNING, 2, 3)

    bulk.run_due()

    job.refresh_from_db()
    assert (job.state, job.done, job.skipped) == (State.DONE, 5, 0)
    assert DecisionItem.objects.filter(decision=job.decision).count() == 5
    assert tallies.total(petition.pk) == 0
    assert not tallies.differences(petition.pk)


@pytest.mark.parametrize("guarded", [False, True])
def test_the_lock_of_a_bulk_job_makes_two_workers_move_each_signature_once(
    petition: Petition,
    moderator: User,
    signed: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    guarded: bool,
) -> None:
    pk = _started(petition, moderator)
    if not guarded:
        monkeypatch.setattr(BatchJob, "lock", lambda job: job.state == State.RUNNING)

    run = race(monkeypatch, (decisions, "apply"), lambda: _run_alone(pk), lambda: _run_alone(pk))

    assert run.second_waited
    job = BulkDecision.objects.get()
    assert (job.done == 5) is guarded
    assert not tallies.differences(petition.pk)


def test_two_bulk_decisions_over_the_same_rows_do_not_deadlock_and_move_each_once(
    petition: Petition, moderator: User, signed: list[UUID]
) -> None:
    hold = _started(petition, moderator, kind="hold")
    remove = _started(petition, moderator, is_abroad=False, state="confirmed", ids=tuple(signed))

    at_once(partial(_run_alone, hold), partial(_run_alone, remove))

    held, removed = (BulkDecision.objects.get(pk=pk) for pk in (hold, remove))
    assert {held.state, removed.state} == {State.DONE}
    assert held.done + removed.done == 5
    assert held.skipped + removed.skipped == 5
    assert DecisionItem.objects.count() == 5
    assert not Signature.objects.filter(state="confirmed").exists()
    assert not tallies.differences(petition.pk)


def test_the_decision_watermark_waits_for_uncommitted_decisions(
    petition: Petition, moderator: User, signed: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its items would count as seen, and the decision would be overruled silently."""
    run = race(
        monkeypatch,
        (decisions, "apply"),
        lambda: decisions.decide(
            kind="hold",
            petition=petition,
            ids=signed[:1],
            reason="automated",
            note="",
            actor=moderator,
        ),
        decisions.watermark,
    )

    assert run.second_waited
    assert run.second == DecisionItem.objects.get().pk
