"""No more than so many mails to one domain in a minute: large providers punish bursts.

Counted in the memory of each worker process, which costs nothing and needs nobody: what is
over is put off and never lost, so that a count which starts anew with a process does no harm.
A count that all workers share would cost every mail a round trip, and hold mail up while
Redis is away. The signer's `domain_ix` would not do: its key changes with the day of signing.
"""

import random
import time
from collections import Counter

from django.conf import settings

MINUTE = 60.0
LONGEST_WAIT = 4 * 3600.0


class Throttle:
    """The domains of the minute under way. Domains stay in memory, for at most a minute."""

    def __init__(self) -> None:
        self._started = 0.0
        self._passed: Counter[str] = Counter()
        self._put_off: Counter[str] = Counter()

    def wait(self, domain: str) -> float:
        """0 if a mail to the domain may go now; else for how many seconds to put it off.

        Those that are put off are spread over as many minutes as they need, so that each
        comes round about once more and not every minute.
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
