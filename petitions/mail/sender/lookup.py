"""DNS queries with a total deadline, and the result of checking one kind of record."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.conf import settings

from petitions.formatting.sanitising import legible

# Imported lazily: it takes 13 MB, and few processes ever ask DNS.
if TYPE_CHECKING:
    import dns.resolver

# Time-outs in seconds: for all queries of a check, and for each query.
TOTAL_TIMEOUT, QUERY_TIMEOUT = 5.0, 2.0
# How much of a record is kept, in characters: DNS allows 64 KB.
_MAX_LEN = 2000


class Unanswered(Exception):
    """No name server answered in time, or it failed. This says nothing about the record."""


@dataclass(slots=True)
class Record:
    """The result of checking one kind of record.

    name: where in DNS it is. found: the records there. add: the record to publish; "" if no change
    is needed. problems: what keeps mail from being accepted, or lets others send in this name.
    advice: what could be better.
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
    """DNS look-ups within `TOTAL_TIMEOUT` seconds in total, counted from when this is created."""

    def __init__(self) -> None:
        self._until = time.monotonic() + TOTAL_TIMEOUT
        self._resolver: dns.resolver.Resolver | None = None

    def txt(self, name: str) -> list[str]:
        """Return the TXT records of a name, each joined to one string. Raises `Unanswered`."""
        rows = self._ask(name, "TXT")
        return [legible(b"".join(row.strings).decode(errors="replace"))[:_MAX_LEN] for row in rows]

    def mail_servers(self, name: str) -> list[str]:
        """Return the hosts of a name's MX records. Raises `Unanswered`."""
        return [row.exchange.to_text() for row in self._ask(name, "MX")]

    def has_address(self, name: str) -> bool:
        """Return whether a name has an IP address. Raises `Unanswered`."""
        return bool(self._ask(name, "A") or self._ask(name, "AAAA"))

    def _ask(self, name: str, kind: str) -> list[Any]:
        import dns.exception
        import dns.name
        import dns.resolver

        seconds = min(QUERY_TIMEOUT, self._until - time.monotonic())
        try:
            full = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            # A record can contain an invalid name.
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
    """Return a resolver for `DNS_SERVER`, or for the system's name server. Raises `Unanswered`."""
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver(configure=not settings.DNS_SERVER)
    except dns.exception.DNSException:
        raise Unanswered from None
    if settings.DNS_SERVER:
        address, port = settings.DNS_SERVER
        resolver.nameservers, resolver.port = [address], port
    return resolver
