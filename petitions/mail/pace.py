"""Rate limits of sending, by recipient: of all mail by domain, of news by large provider.

Large providers punish bursts. The counters are in the memory of each worker process. That costs
nothing, and a restart does no harm, because mail over the limit is deferred and never lost. A
counter shared by all workers would cost every mail a round trip, and hold mail up while Redis is
down. The signer's `domain_ix` cannot be used: its key changes with the day of signing.

The limit of news, which one process sends, adapts (`Pace`): it is halved for a provider that
replies 421 or 451, and grows by a tenth of the usual rate each minute (AIMD, as in TCP).
"""

import random
import time
from collections import Counter
from collections.abc import Hashable

from django.conf import settings

MINUTE = 60.0
MAX_WAIT, MAX_NEWS_WAIT = 4 * 3600.0, 3600.0
# The fraction of the limit that kinds without figures get in addition: see `Throttle.wait`.
HIDDEN_SHARE = 10
# The lowest limit of news for a provider, in mails a minute.
MIN_NEWS_RATE = 6
# Replies that ask us to slow down.
BUSY = ("421", "451")
OTHER = "other"
_DOMAINS = {
    "Gmail": ("gmail.com", "googlemail.com"),
    "Outlook": ("outlook.com", "hotmail.com", "hotmail.co.uk", "live.com", "live.co.uk", "msn.com"),
    "Yahoo": ("yahoo.com", "yahoo.co.uk", "ymail.com", "rocketmail.com", "aol.com"),
    "iCloud": ("icloud.com", "me.com", "mac.com"),
    "Proton": ("proton.me", "protonmail.com", "pm.me"),
    "BT": ("btinternet.com",),
    "Sky": ("sky.com",),
    "Virgin Media": ("virginmedia.com", "ntlworld.com", "blueyonder.co.uk"),
}
_PROVIDERS = {domain: name for name, domains in _DOMAINS.items() for domain in domains}


class FixedWindow:
    """Fixed-window counters by key, with windows of a minute, in memory."""

    def __init__(self, max_wait: float) -> None:
        self._max_wait = max_wait
        self._started = 0.0
        self._passed: Counter[Hashable] = Counter()
        self._deferred: Counter[Hashable] = Counter()

    def turn(self) -> bool:
        """Begin a new window if the last one is over; return whether it was over."""
        now = time.monotonic()
        if now < self._started + MINUTE:
            return False
        self._started = now
        self._passed.clear()
        self._deferred.clear()
        return True

    def wait(self, key: Hashable, most: int) -> float:
        """Return the seconds by which to defer a mail if `most` may go in a minute; 0 for none.

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
        return min(left + minutes * MINUTE, self._max_wait)


class Throttle:
    """The rate limit of all mail but news, by domain."""

    def __init__(self) -> None:
        self._window = FixedWindow(MAX_WAIT)
        self._lowered: dict[Hashable, int] = {}

    def wait(self, domain: str, *, is_shown: bool = True) -> float:
        """Return the seconds by which to defer a mail to the domain; 0 if it may go now.

        Kinds of which staff see no figures (`is_shown` is false) have a limit of their own, a tenth
        of the usual one. If they shared the limit, waiting mails of other kinds would reveal them.

        Each minute the limit is lower by up to a tenth, at random: a mail that nobody gets does not
        count, and somebody who fills a domain's minute would see by their own last mail whether
        another address got one.
        """
        if not (most := settings.MAILS_PER_DOMAIN_AND_MINUTE):
            return 0.0
        if not is_shown:
            most = max(1, most // HIDDEN_SHARE)
        if self._window.turn():
            self._lowered.clear()
        key = domain, is_shown
        most -= self._lowered.setdefault(key, random.randint(0, most // 10))
        return self._window.wait(key, most)


class Pace:
    """The rate limit of news, by large provider, or by domain for all others."""

    def __init__(self) -> None:
        self._window = FixedWindow(MAX_NEWS_WAIT)
        self._limits: dict[str, float] = {}
        self._all = float("inf")

    def wait(self, domain: str) -> float:
        """Return the seconds by which to defer a mail to the domain; 0 if it may go now."""
        if self._window.turn():
            step = settings.NEWS_PER_PROVIDER_AND_MINUTE / 10
            self._all += step
            self._limits = {key: most + step for key, most in self._limits.items()}
        return self._window.wait(_key(domain), self.limit(domain))

    def limit(self, domain: str) -> int:
        """Return how many mails a minute may go to the domain's provider now."""
        usual = settings.NEWS_PER_PROVIDER_AND_MINUTE
        return int(min(usual, self._all, self._limits.get(_key(domain), usual)))

    def slow(self, domain: str) -> None:
        """Halve the limit of the domain's provider, which has asked for it."""
        self._limits[_key(domain)] = max(MIN_NEWS_RATE, self.limit(domain) / 2)

    def slow_all(self) -> None:
        """Halve the limit everywhere, because our own mail server has asked for it."""
        usual = settings.NEWS_PER_PROVIDER_AND_MINUTE
        self._all = max(MIN_NEWS_RATE, min(usual, self._all) / 2)


def provider_of(domain: str) -> str:
    """Return the name of a large provider, or `OTHER`: a small one could identify people."""
    return _PROVIDERS.get(domain, OTHER)


def _key(domain: str) -> str:
    return _PROVIDERS.get(domain, domain)
