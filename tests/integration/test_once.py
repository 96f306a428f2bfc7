"""What may be used once, while Redis is away or does not answer."""

import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from petitions.screening import single_use


@pytest.fixture
def stalled(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """A Redis that takes connections and then says nothing."""
    path = tmp_path / "redis.sock"
    monkeypatch.setattr(single_use, "TIMEOUT", 0.05)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(8)
        server.settimeout(0)
        settings.REDIS_URL = f"unix://{path}"
        yield server


def visits(server: socket.socket) -> int:
    """How many have come since somebody last looked."""
    for number in count():
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return number
    raise AssertionError


def test_what_is_given_back_may_be_used_again() -> None:
    assert single_use.first("proof", "given back", 60)
    assert not single_use.first("proof", "given back", 60)
    single_use.give_back("proof", "given back")
    assert single_use.first("proof", "given back", 60)


def test_nobody_waits_for_a_redis_that_is_away_to_give_something_back(
    stalled: socket.socket,
) -> None:
    assert single_use.first("proof", "a", 60)
    single_use.give_back("proof", "a")
    assert visits(stalled) == 1
    assert single_use.first("proof", "a", 60)


def test_a_redis_that_stalls_is_waited_for_once_and_shortly(stalled: socket.socket) -> None:
    started = time.monotonic()
    assert single_use.first("proof", "a", 60)
    # Long for what gives up after 50 ms, and short beside what would wait for ever.
    assert time.monotonic() - started < 2
    assert visits(stalled) == 1

    assert all(single_use.first("proof", str(number), 60) for number in range(100))
    assert visits(stalled) == 0


def test_without_redis_the_process_remembers(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    assert single_use.first("proof", "a", 60)
    assert not single_use.first("proof", "a", 60)
    assert single_use.first("patience", "a", 60)


def test_what_is_remembered_is_bounded(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    monkeypatch.setattr(single_use, "REMEMBERED", 3)
    for number in range(10):
        single_use.first("proof", str(number), 60)
    assert len(single_use._memory._until) == 3
    assert not single_use.first("proof", "9", 60)


def test_what_is_over_may_be_used_again(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    assert single_use.first("proof", "a", 60)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert single_use.first("proof", "a", 60)


def test_redis_is_asked_for_a_keyed_hash_in_one_atomic_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[Any, ...]] = []

    class Redis:
        def set(self, *args: Any, **options: Any) -> bool:
            asked.append((args, options))
            return False

    Redis.cache_clear = staticmethod(lambda: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(single_use, "_client", Redis)
    assert not single_use.first("patient", "192.0.2.0/24 7 0", 120)
    ((name, _one), options), *more = asked
    assert options == {"nx": True, "ex": 120}
    assert "192.0.2" not in name
    assert not more
