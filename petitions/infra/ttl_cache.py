"""What a process remembers for a moment, because it is asked for at every turn."""

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
    """A TTL cache: things by their keys, each with its age. Any thread may ask at any time.

    Beyond `most` of them the one that came first goes. With `by_the_minute` nothing is kept
    across a full minute: what holds texts turns in the moment in which an embargo ends.
    """

    def __init__(self, most: int = 1000, *, by_the_minute: bool = False) -> None:
        self._most = most
        self._by_the_minute = by_the_minute
        self._things: dict[K, tuple[float, V]] = {}
        self._lock = Lock()

    def get(self, key: K, seconds: float, make: Callable[[], V]) -> V:
        """The thing if it is younger than so many seconds, else what `make` gives now.

        Nobody waits for another thread: two may make the same. None is not kept, so that
        made-up keys fill nothing.
        """
        kept, now = self._things.get(key), time.monotonic()
        if self._by_the_minute:
            # Of this minute only.
            seconds = min(seconds, time.time() % 60)
        if kept is not None and now - kept[0] < seconds:
            return kept[1]
        made = make()
        if made is not None:
            self._put(key, made, now)
        return made

    def last(self, key: K) -> V | None:
        """The thing, however old."""
        kept = self._things.get(key)
        return kept[1] if kept else None

    def change(self, key: K, change: Callable[[V], V]) -> None:
        """Change the thing, if there is one; it is as old as before."""
        with self._lock:
            if kept := self._things.get(key):
                self._things[key] = kept[0], change(kept[1])

    def forget(self) -> None:
        """Make everything afresh next time."""
        with self._lock:
            self._things.clear()

    def _put(self, key: K, made: V, since: float) -> None:
        with self._lock:
            self._things[key] = since, made
            if len(self._things) > self._most:
                del self._things[next(iter(self._things))]
