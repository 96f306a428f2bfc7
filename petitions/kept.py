"""What a process remembers for a moment, because it is asked for at every turn."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Things by their keys, each with its age. Any thread may ask at any time.

    Beyond `most` of them the one that came first goes.
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._things: dict[K, tuple[float, V]] = {}
        self._lock = Lock()

    def get(self, key: K, seconds: float, make: Callable[[], V]) -> V:
        """The thing if it is younger than so many seconds, else what `make` gives now.

        Nobody waits for another thread: two may make the same. None is not kept, so that
        made-up keys fill nothing.
        """
        kept = self._things.get(key)
        if kept is not None and time.monotonic() - kept[0] < seconds:
            return kept[1]
        made = make()
        if made is not None:
            self._put(key, made)
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

    def _put(self, key: K, made: V) -> None:
        with self._lock:
            self._things[key] = time.monotonic(), made
            if len(self._things) > self._most:
                del self._things[next(iter(self._things))]
