"""DNS queries within a total deadline, and what a check says of one kind of record."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings

from petitions.formatting.sanitising import legible

# Imported where it is used: it takes 13 MB, and hardly any process ever asks DNS.
if TYPE_CHECKING:
    import dns.resolver

# Seconds for all queries of a check, and for one of them.
ALL, EACH = 5.0, 2.0
# What is kept of a record: DNS allows 64 KB.
_LONGEST = 2000


class Unanswered(Exception):
    """No name server answered in time, or it failed. It says nothing about the record."""


@dataclass(slots=True)
class Record:
    """What a check says of one kind of record.

    name: where in DNS it stands. found: what stands there. add: what to publish there; "" if it
    may stay. problems: what keeps mail from being taken, or lets others send in this name. advice:
    what could be better.
    """

    kind: str
    name: str
    found: list[str] = field(default_factory=list)
    add: str = ""
    problems: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    is_unanswered: bool = False

    @property
    def is_right(self) -> bool:
        return not self.problems and not self.is_unanswered


class Lookup:
    """Asks the name server, for `ALL` seconds in total from when it is made, of TXT records (each
    in one piece), MX hosts and IP addresses. Raises `Unanswered`.
    """

    def __init__(self) -> None:
        self._until = time.monotonic() + ALL
        self._resolver: dns.resolver.Resolver | None = None

    def txt(self, name: str) -> list[str]:
        """The TXT records of a name, each in one piece. Raises `Unanswered`."""
        rows = self._ask(name, "TXT")
        return [legible(b"".join(row.strings).decode(errors="replace"))[:_LONGEST] for row in rows]

    def mail_servers(self, name: str) -> list[str]:
        """The hosts of a name's MX records. Raises `Unanswered`."""
        return [row.exchange.to_text() for row in self._ask(name, "MX")]

    def has_address(self, name: str) -> bool:
        """Whether a name has an IP address. Raises `Unanswered`."""
        return bool(self._ask(name, "A") or self._ask(name, "AAAA"))

    def _ask(self, name: str, kind: str) -> list[Any]:
        import dns.exception
        import dns.name
        import dns.resolver

        seconds = min(EACH, self._until - time.monotonic())
        try:
            full = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            # Somebody's record names what can be no name.
            return []
        self._resolver = self._resolver or _resolver()
        try:
            answer = self._resolver.resolve(
                full, kind, lifetime=max(seconds, 0.01), raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.exception.DNSException, OSError):
            raise Unanswered from None
        return list(answer)


def _resolver() -> "dns.resolver.Resolver":
    """The name server of `DNS_SERVER`, or else the machine's. Raises `Unanswered`."""
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver(configure=not settings.DNS_SERVER)
    except dns.exception.DNSException:
        raise Unanswered from None
    if settings.DNS_SERVER:
        address, port = settings.DNS_SERVER
        resolver.nameservers, resolver.port = [address], port
    return resolver
