"""Throttling: a rate limit per recipient's domain and minute. Large providers punish bursts.

Counted in the memory of each worker process, which costs nothing and depends on nothing: what is
over is deferred and never lost, so that a counter that restarts with its process does no harm. A
counter shared by all workers would cost every mail a round trip, and hold mail up while Redis is
away. The signer's `domain_ix` would not do: its key changes with the day of signing.
"""

import random
import time
from collections import Counter

from django.conf import settings

MINUTE = 60.0
LONGEST_WAIT = 4 * 3600.0


class Throttle:
    """Fixed-window counters by domain. Domains stay in memory for at most a minute."""

    def __init__(self) -> None:
        self._started = 0.0
        self._passed: Counter[str] = Counter()
        self._put_off: Counter[str] = Counter()

    def wait(self, domain: str) -> float:
        """Seconds by which to defer a mail to the domain; 0 if it may go now.

        Deferred mails are spread over as many minutes as they need, so that each is tried about
        once more and not every minute.
        """
        if not (most := settings.MAILS_PER_DOMAIN_AND_MINUTE):
            return 0.0
        self._turn()
        if self._passed[domain] < most:
            self._passed[domain] += 1
            return 0.0
        minutes = self._put_off[domain] // most + random.random()
        self._put_off[domain] += 1
        return min(self._left() + minutes * MINUTE, LONGEST_WAIT)

    def _turn(self) -> None:
        if self._left() <= 0:
            self._started = time.monotonic()
            self._passed.clear()
            self._put_off.clear()

    def _left(self) -> float:
        return self._started + MINUTE - time.monotonic()
