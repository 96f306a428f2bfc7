"""A nudge wakes the mail worker without blocking the caller, whatever Redis does."""

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from petitions.mail import wake_worker
from tests.conftest import eventually


class Broker:
    """Replaces the Celery app: takes tasks, and can hang or fail."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.options: dict[str, Any] = {}
        self.arrived = threading.Semaphore(0)
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.error: Exception | None = None

    def send_task(self, name: str, **options: Any) -> None:
        self.sent.append(name)
        self.options = options
        error = self.error
        self.arrived.release()
        assert self.may_go_on.wait(10)
        if error:
            raise error


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    broker = Broker()
    monkeypatch.setattr(wake_worker, "_app", lambda: broker)
    monkeypatch.setattr(wake_worker, "PAUSE", 0.01)
    monkeypatch.setattr(wake_worker, "PAUSE_AFTER_FAILURE", 0.01)
    wake_worker._flag.cache_clear()
    yield broker
    # Let the thread of this test go back to waiting for the flag.
    broker.may_go_on.set()
    wake_worker._flag.cache_clear()


def test_a_nudge_sends_the_task_without_arguments(broker: Broker) -> None:
    wake_worker.nudge()

    assert broker.arrived.acquire(timeout=10)
    assert broker.sent == [wake_worker.TASK]
    assert "args" not in broker.options
    assert "kwargs" not in broker.options
    # The sweep has long sent whatever nobody took within a minute.
    assert broker.options["expires"] == 60


def test_nudges_do_not_block_while_redis_hangs_and_are_combined_into_one(broker: Broker) -> None:
    broker.may_go_on.clear()
    wake_worker.nudge()
    assert broker.arrived.acquire(timeout=10)

    started = time.monotonic()
    for _ in range(1000):
        wake_worker.nudge()
    took = time.monotonic() - started

    assert took < 1
    assert len(broker.sent) == 1
    broker.may_go_on.set()
    assert broker.arrived.acquire(timeout=10)
    assert not broker.arrived.acquire(timeout=0.2)
    assert len(broker.sent) == 2


def test_a_nudge_after_a_failed_one_is_sent(broker: Broker) -> None:
    broker.error = OSError("redis is away")
    wake_worker.nudge()
    assert broker.arrived.acquire(timeout=10)
    broker.error = None

    wake_worker.nudge()

    assert broker.arrived.acquire(timeout=10)


def test_a_failed_nudge_is_logged_by_exception_type_only(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    broker.error = OSError("redis://:password@redis is away")

    with caplog.at_level(logging.WARNING):
        wake_worker.nudge()
        assert eventually(lambda: "OSError" in caplog.text)

    assert "password" not in caplog.text
