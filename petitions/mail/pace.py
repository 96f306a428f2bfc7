"""Rate limits of sending, by recipient: of all mail by domain, of news by large provider.

Large providers punish bursts. Counted in the memory of each worker process, which costs nothing and
depends on nothing: what is over is deferred and never lost, so that a counter that restarts with
its process does no harm. A counter shared by all workers would cost every mail a round trip, and
hold mail up while Redis is away. The signer's `domain_ix` would not do: its key changes with the
day of signing.

For news, which one process sends, the limit moves (`Pace`): a provider that says 421 or 451 gets
half as many, and a tenth of the usual pace more each minute (AIMD, as TCP does).
"""

import random
import time
from collections import Counter
from collections.abc import Hashable

from django.conf import settings

MINUTE = 60.0
LONGEST_WAIT, LONGEST_WAIT_OF_NEWS = 4 * 3600.0, 3600.0
# Of what kinds without figures may take on top: see `Throttle.wait`.
HIDDEN_SHARE = 10
# No provider is slowed to less, in mails a minute.
SLOWEST = 6
# The replies that ask us to be slower.
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


class Pace:
    """The rate limit of news, by provider; a domain of no large one stands for itself."""

    def __init__(self) -> None:
        self._window = FixedWindow(LONGEST_WAIT_OF_NEWS)
        self._limits: dict[str, float] = {}
        self._all = float("inf")

    def wait(self, domain: str) -> float:
        """Seconds by which to defer a mail to the domain; 0 if it may go now."""
        if self._window.turn():
            step = settings.NEWS_PER_PROVIDER_AND_MINUTE / 10
            self._all += step
            self._limits = {key: most + step for key, most in self._limits.items()}
        return self._window.wait(_key(domain), self.limit(domain))

    def limit(self, domain: str) -> int:
        """How many mails a minute may go to the domain's provider now."""
        usual = settings.NEWS_PER_PROVIDER_AND_MINUTE
        return int(min(usual, self._all, self._limits.get(_key(domain), usual)))

    def slow(self, domain: str) -> None:
        """Halve the pace at the domain's provider, which has asked for it."""
        self._limits[_key(domain)] = max(SLOWEST, self.limit(domain) / 2)

    def slow_all(self) -> None:
        """Halve the pace everywhere: our own mail server has asked for it."""
        usual = settings.NEWS_PER_PROVIDER_AND_MINUTE
        self._all = max(SLOWEST, min(usual, self._all) / 2)


def provider_of(domain: str) -> str:
    """The large provider of a domain, by name, or `OTHER`: a small one would tell of its people."""
    return _PROVIDERS.get(domain, OTHER)


def _key(domain: str) -> str:
    return _PROVIDERS.get(domain, domain)
