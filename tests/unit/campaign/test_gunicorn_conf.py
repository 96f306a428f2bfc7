"""CPU affinity, garbage collection and the GIL's switch interval of web workers."""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from campaign import gunicorn_conf

Fork = Callable[[int], int | None]


class _Worker:
    """As much of a worker as is looked at."""


@pytest.fixture
def arbiter() -> Any:
    return SimpleNamespace(WORKERS={})


@pytest.fixture
def fork(arbiter: Any, monkeypatch: pytest.MonkeyPatch) -> Fork:
    """Fork a worker with a pid, as far as settings go, and say the processor it stays on."""
    chosen: list[set[int]] = []
    monkeypatch.setattr(gunicorn_conf, "workers", 4)
    monkeypatch.setattr(gunicorn_conf, "_processors", [2, 5])
    monkeypatch.setattr(os, "sched_setaffinity", lambda _pid, those: chosen.append(those))

    def one(pid: int) -> int | None:
        chosen.clear()
        worker: Any = _Worker()
        gunicorn_conf.pre_fork(arbiter, worker)
        arbiter.WORKERS[pid] = worker
        gunicorn_conf.post_fork(arbiter, worker)
        return chosen[0].pop() if chosen else None

    return one


def test_workers_share_the_processors_evenly(fork: Fork) -> None:
    assert [fork(pid) for pid in range(4)] == [2, 5, 2, 5]


@pytest.mark.parametrize(("dies", "freed"), [(0, 2), (1, 5)])
def test_a_new_worker_takes_the_place_of_the_dead_one(
    fork: Fork, arbiter: Any, dies: int, freed: int
) -> None:
    for pid in range(4):
        fork(pid)
    del arbiter.WORKERS[dies]
    assert fork(9) == freed


def test_workers_are_not_pinned_if_there_are_more_processors_than_workers(
    fork: Fork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gunicorn_conf, "_processors", list(range(8)))
    assert [fork(pid) for pid in range(4)] == [None] * 4


@pytest.fixture
def worker() -> Iterator[Any]:
    """A worker that is ready; what that changed in this process is taken back."""
    interval, ready = sys.getswitchinterval(), _Worker()
    gunicorn_conf.post_worker_init(ready)  # type: ignore[arg-type]
    yield ready
    sys.setswitchinterval(interval)
    gc.unfreeze()


def test_loaded_objects_are_frozen_for_the_garbage_collector(worker: Any) -> None:
    assert gc.get_freeze_count() > 10_000


def test_a_thread_that_waits_for_the_gil_gets_it_after_a_millisecond(worker: Any) -> None:
    assert sys.getswitchinterval() == pytest.approx(0.001)
