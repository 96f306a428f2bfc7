"""An in-process TTL cache, for what nearly every request needs."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def left_of_the_minute() -> float:
    """Seconds until the next full minute, when texts appear whose embargo ends then."""
    return 60 - time.time() % 60


class Kept(Generic[K, V]):
    """A thread-safe TTL cache of at most `most` entries; the oldest key is evicted first.

    With `by_the_minute` nothing is kept across a full minute: cached texts appear in the moment in
    which an embargo ends.
    """

    def __init__(self, most: int = 1000, *, by_the_minute: bool = False) -> None:
        self._most = most
        self._by_the_minute = by_the_minute
        self._things: dict[K, tuple[float, V]] = {}
        self._lock = Lock()

    def get(self, key: K, seconds: float, make: Callable[[], V]) -> V:
        """The value if it is younger than so many seconds, else what `make` gives now (get or set).

        No thread waits for another: two may make the same. None is not cached, so that made-up keys
        fill nothing.
        """
        kept, now = self._things.get(key), time.monotonic()
        if self._by_the_minute:
            # Nothing from before this minute.
            seconds = min(seconds, time.time() % 60)
        if kept is not None and now - kept[0] < seconds:
            return kept[1]
        made = make()
        if made is not None:
            self._put(key, made, now)
        return made

    def last(self, key: K) -> V | None:
        """The value, however stale; None without one."""
        kept = self._things.get(key)
        return kept[1] if kept else None

    def change(self, key: K, change: Callable[[V], V]) -> None:
        """Update the cached value, if there is one; its age stays the same."""
        with self._lock:
            if kept := self._things.get(key):
                self._things[key] = kept[0], change(kept[1])

    def forget(self) -> None:
        """Clear the cache."""
        with self._lock:
            self._things.clear()

    def _put(self, key: K, made: V, since: float) -> None:
        with self._lock:
            self._things[key] = since, made
            if len(self._things) > self._most:
                del self._things[next(iter(self._things))]
