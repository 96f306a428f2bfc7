"""The benchmarks of bulk decisions: how fast one runs, and how fast people sign beside one."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.contrib.auth.models import Group, User
from django.db import transaction

from petitions.models import ABROAD, BulkDecision, Signature
from petitions.moderation import bulk
from petitions.moderation.selection import Selection
from petitions.staff.roles import MODERATORS
from tests.benchmarks.load import LoadFailed
from tests.benchmarks.measures import Bench, Measure, _forms

# Of a million signatures, 103,000 were signed abroad and count.
LEAST_A_SECOND = 10_000
LEAST_OF_SIGNING = 0.8
# Connections that sign meanwhile.
_SIGNING = 4
_WORKER = """
import django
django.setup()
from petitions.moderation import bulk
bulk.run_due(seconds=600)
"""


def removal(bench: Bench) -> Measure:
    """The removal of all that count from abroad, run by one process while nobody signs.

    Its undo gives them back between two rounds, and is not measured.
    """

    def value() -> float:
        job = _queued(bench, is_abroad=True)
        time.sleep(2 * bulk.SIGNING_WINDOW.total_seconds())
        started = time.perf_counter()
        _run(job)
        seconds = time.perf_counter() - started
        assert job.decision
        _run(_begun(bulk.preview_undo(decision=job.decision, note="", actor=_moderator("first"))))
        measure.note = f"{job.done:,} signatures a round, with their tallies and records"
        return job.done / seconds

    measure = Measure(
        title="Signatures removed by a bulk decision",
        floor_title="bare UPDATE of their state",
        floor=lambda: _updated(bench),
        value=value,
        least_rate=LEAST_A_SECOND,
    )
    return measure


def signing_beside(bench: Bench) -> Measure:
    """Valid signatures while another process removes others, beside those in calm."""

    def sign() -> float:
        return bench.load("site", _forms(bench), 303, connections=_SIGNING).rate

    def beside() -> float:
        job = _queued(bench, is_abroad=False)
        with _worker(bench):
            _wait_for_the_first_batch(job)
            before, started = job.done, time.perf_counter()
            rate = sign()
            seconds = time.perf_counter() - started
            job.refresh_from_db()
        if not job.change_state(job.State.CANCELLED, job.State.RUNNING):
            raise LoadFailed("the bulk decision ended before the measure did: seed more rows")
        measure.note = f"{_SIGNING} sign; {(job.done - before) / seconds:,.0f} a second are removed"
        return rate

    measure = Measure(
        title="POST of a valid signature, beside a bulk decision",
        floor_title="the same in calm",
        floor=sign,
        value=beside,
        least_ratio=LEAST_OF_SIGNING,
    )
    return measure


MEASURES: dict[str, Callable[[Bench], Measure]] = {"bulk": removal, "bulk-signing": signing_beside}


def _queued(bench: Bench, *, is_abroad: bool) -> BulkDecision:
    """A removal of what counts, as two moderators queue it."""
    chosen = Selection(petition_id=bench.petition.pk, state="confirmed", is_abroad=is_abroad)
    actor = _moderator("first")
    preview = bulk.preview(
        selection=chosen, kind="remove", reason="automated", note="", actor=actor
    )
    return _begun(preview)


def _begun(preview: bulk.Preview) -> BulkDecision:
    if not bulk.start(job=preview.job, actor=_moderator("first"), screen="bench"):
        bulk.approve(job=preview.job, actor=_moderator("second"), screen="bench")
    return preview.job


def _moderator(name: str) -> User:
    user, _new = User.objects.get_or_create(username=f"bench-{name}", is_staff=True)
    user.groups.add(Group.objects.get(name=MODERATORS))
    return user


def _run(job: BulkDecision) -> None:
    bulk.run_due(seconds=600)
    job.refresh_from_db()
    if job.state != job.State.DONE:
        raise LoadFailed(f"the bulk decision is {job.state} after ten minutes")


def _updated(bench: Bench) -> float:
    """Rows a second of one statement that changes their state and nothing else, rolled back."""
    rows = Signature.objects.filter(petition=bench.petition, state="confirmed", place=ABROAD)
    with transaction.atomic():
        started = time.perf_counter()
        number = rows.update(state="removed")
        seconds = time.perf_counter() - started
        transaction.set_rollback(True)
    return number / seconds


@contextmanager
def _worker(bench: Bench) -> Iterator[None]:
    """Run bulk decisions in a process of their own within the block."""
    environment = {**os.environ, **bench.environment}
    process = subprocess.Popen([sys.executable, "-c", _WORKER], env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_for_the_first_batch(job: BulkDecision) -> None:
    deadline = time.monotonic() + 60
    while not job.done:
        if time.monotonic() > deadline:
            raise LoadFailed("the bulk decision has not begun within a minute")
        time.sleep(0.05)
        job.refresh_from_db()
