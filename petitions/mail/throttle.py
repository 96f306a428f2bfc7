"""Throttling: a rate limit per recipient's domain and minute. Large providers punish bursts.

Counted in the memory of each worker process, which costs nothing and depends on nothing: what is
over is deferred and never lost, so that a counter that restarts with its process does no harm. A
counter shared by all workers would cost every mail a round trip, and hold mail up while Redis is
away. The signer's `domain_ix` would not do: its key changes with the day of signing.
"""

import random
import time
from collections import Counter
from collections.abc import Hashable

from django.conf import settings

MINUTE = 60.0
LONGEST_WAIT = 4 * 3600.0
# Of what kinds without figures may take on top: see `wait`.
HIDDEN_SHARE = 10


class FixedWindow:
    """Fixed-window counters of a minute by key, which stay in memory for at most as long."""

    def __init__(self, longest_wait: float) -> None:
        self._longest_wait = longest_wait
        self._started = 0.0
        self._passed: Counter[Hashable] = Counter()
        self._deferred: Counter[Hashable] = Counter()

    def turn(self) -> bool:
        """Begin a new window if the last one is over; return whether it was."""
        now = time.monotonic()
        if now < self._started + MINUTE:
            return False
        self._started = now
        self._passed.clear()
        self._deferred.clear()
        return True

    def wait(self, key: Hashable, most: int) -> float:
        """Seconds by which to defer a mail, of which `most` may go in a minute; 0: it may go now.

        Deferred mails are spread over as many minutes as they need, so that each is tried about
        once more and not every minute.
        """
        self.turn()
        if self._passed[key] < most:
            self._passed[key] += 1
            return 0.0
        minutes = self._deferred[key] // most + random.random()
        self._deferred[key] += 1
        left = self._started + MINUTE - time.monotonic()
        return min(left + minutes * MINUTE, self._longest_wait)


class Throttle:
    """The rate limit of all mail but news, by domain."""

    def __init__(self) -> None:
        self._window = FixedWindow(LONGEST_WAIT)

    def wait(self, domain: str, *, is_shown: bool = True) -> float:
        """Seconds by which to defer a mail to the domain; 0 if it may go now.

        Kinds of which staff see no figures (`is_shown` is false) have a tenth of the limit for
        themselves, on top of it: if they took places of the others, those that wait would tell of
        them.
        """
        if not (most := settings.MAILS_PER_DOMAIN_AND_MINUTE):
            return 0.0
        if not is_shown:
            most = max(1, most // HIDDEN_SHARE)
        return self._window.wait((domain, is_shown), most)
