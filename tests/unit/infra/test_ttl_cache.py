"""In-process TTL cache: its time to live, its maximum size, and its use by threads."""

from collections.abc import Callable
from itertools import count
from threading import Event, Thread

import pytest

from petitions.infra.ttl_cache import TTLCache


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("petitions.infra.ttl_cache.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def make() -> Callable[[], int]:
    """Return a function that returns 1, then 2, then 3."""
    made = count(1)
    return lambda: next(made)


def test_a_cached_value_is_reused_until_it_expires(
    clock: list[float], make: Callable[[], int]
) -> None:
    cache: TTLCache[str, int] = TTLCache()
    assert [cache.get_or_set("a", 5, make), cache.get_or_set("a", 5, make)] == [1, 1]
    clock[0] += 5
    assert cache.get_or_set("a", 5, make) == 2


def test_the_caller_of_the_cache_sets_the_maximum_age(
    clock: list[float], make: Callable[[], int]
) -> None:
    cache: TTLCache[str, int] = TTLCache()
    cache.get_or_set("a", 5, make)
    clock[0] += 1
    assert cache.get_or_set("a", 5, make) == 1
    assert cache.get_or_set("a", 0.5, make) == 2
    assert cache.get_or_set("a", 0, make) == 3


def test_a_cache_by_the_minute_expires_at_the_next_minute(
    clock: list[float], make: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: TTLCache[str, int] = TTLCache(by_the_minute=True)
    monkeypatch.setattr("petitions.infra.ttl_cache.time.time", lambda: clock[0])
    # 1000 seconds are 16 minutes and 40 seconds.
    assert [cache.get_or_set("a", 100, make), cache.get_or_set("a", 100, make)] == [1, 1]
    clock[0] += 19
    assert cache.get_or_set("a", 100, make) == 1

    def slowly() -> int:
        clock[0] += 1.5
        return make()

    assert cache.get_or_set("b", 100, slowly) == 2
    assert cache.get_or_set("a", 100, make) == 3
    assert cache.get_or_set("b", 100, make) == 4, "it was begun in the minute before"
    clock[0] += 1
    assert [cache.get_or_set("a", 100, make), cache.get_or_set("b", 100, make)] == [3, 4]


def test_none_is_not_cached(make: Callable[[], int]) -> None:
    cache: TTLCache[str, int | None] = TTLCache()
    assert cache.get_or_set("a", 5, lambda: None) is None
    assert cache.get_or_set("a", 5, make) == 1


def test_a_full_cache_evicts_its_oldest_entry(make: Callable[[], int]) -> None:
    cache: TTLCache[str, int] = TTLCache(max_entries=2)
    for key in "abc":
        cache.get_or_set(key, 5, make)
    assert [cache.stale(key) for key in "abc"] == [None, 2, 3]


def test_updating_a_cached_value_keeps_its_age(clock: list[float], make: Callable[[], int]) -> None:
    cache: TTLCache[str, int] = TTLCache()
    cache.get_or_set("a", 5, make)
    clock[0] += 4
    cache.update("a", lambda thing: thing + 10)
    cache.update("b", lambda thing: thing + 10)
    assert (cache.get_or_set("a", 5, make), cache.stale("b")) == (11, None)
    clock[0] += 1
    assert cache.get_or_set("a", 5, make) == 2


def test_an_expired_value_is_still_available_as_stale(
    clock: list[float], make: Callable[[], int]
) -> None:
    cache: TTLCache[str, int] = TTLCache()
    cache.get_or_set("a", 5, make)
    clock[0] += 1000
    assert cache.stale("a") == 1
    cache.invalidate()
    assert cache.stale("a") is None


def test_a_slow_cache_miss_does_not_block_other_threads() -> None:
    cache: TTLCache[str, int] = TTLCache()
    begun, go_on = Event(), Event()

    def slowly() -> int:
        begun.set()
        assert go_on.wait(10)
        return 1

    slow = Thread(target=cache.get_or_set, args=["a", 5, slowly])
    slow.start()
    assert begun.wait(10)
    assert cache.get_or_set("a", 5, lambda: 2) == 2
    go_on.set()
    slow.join(10)
    assert cache.stale("a") == 1
