"""The pace of news: a rate limit per mail provider, by additive increase, multiplicative decrease.

Large providers judge a sender by bursts, and say so by 421 and 451: then the pace at that provider
is halved, and grows again by a tenth of the usual one each minute (AIMD, as TCP does). Counted in
the memory of the one process that sends news: a restart begins at the usual pace and learns again.
"""

from django.conf import settings

from petitions.mail.throttle import FixedWindow

# No provider is slowed to less, in mails a minute.
SLOWEST = 6
LONGEST_WAIT = 3600.0
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


def provider_of(domain: str) -> str:
    """The large provider of a domain, by name, or `OTHER`: a small one would tell of its people."""
    return _PROVIDERS.get(domain, OTHER)


class Pace:
    """A limit per provider, which moves; a domain of no large one stands for itself."""

    def __init__(self) -> None:
        self._window = FixedWindow(LONGEST_WAIT)
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


def _key(domain: str) -> str:
    return _PROVIDERS.get(domain, domain)
