"""An in-process TTL cache, for data that nearly every request needs."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def seconds_left_of_minute() -> float:
    """Return the seconds until the next full minute, at which embargoes may end."""
    return 60 - time.time() % 60


class TTLCache(Generic[K, V]):
    """A thread-safe TTL cache of at most `max_entries`. The oldest key is evicted first.

    With `by_the_minute` all entries expire at each full minute, so that cached texts appear at the
    moment at which an embargo ends.
    """

    def __init__(self, max_entries: int = 1000, *, by_the_minute: bool = False) -> None:
        self._max_entries = max_entries
        self._by_the_minute = by_the_minute
        self._entries: dict[K, tuple[float, V]] = {}
        self._lock = Lock()

    def get_or_set(self, key: K, seconds: float, make: Callable[[], V]) -> V:
        """Return the value if it is younger than `seconds`, else call `make` and cache the result.

        Threads do not wait for each other, so two may make the same value. None is not cached, so
        that made-up keys do not fill the cache.
        """
        entry, now = self._entries.get(key), time.monotonic()
        if self._by_the_minute:
            seconds = min(seconds, time.time() % 60)
        if entry is not None and now - entry[0] < seconds:
            return entry[1]
        made = make()
        if made is not None:
            with self._lock:
                self._entries[key] = now, made
                if len(self._entries) > self._max_entries:
                    del self._entries[next(iter(self._entries))]
        return made

    def stale(self, key: K) -> V | None:
        """Return the value of any age, or None."""
        entry = self._entries.get(key)
        return entry[1] if entry else None

    def update(self, key: K, change: Callable[[V], V]) -> None:
        """Change the cached value, if any. Its age stays the same."""
        with self._lock:
            if entry := self._entries.get(key):
                self._entries[key] = entry[0], change(entry[1])

    def invalidate(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._entries.clear()
