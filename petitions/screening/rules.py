"""Block and allow rules of moderators and organisers, in an in-process TTL cache.

A rule takes effect within `SECONDS` in every process, and ten thousand of them cost a signing no
more than one.
"""

from dataclasses import dataclass, field
from ipaddress import ip_network

from django.conf import settings

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.infra.client_network import Address
from petitions.infra.ttl_cache import TTLCache
from petitions.models import Rule

SECONDS = 2.0
# Kinds of rate limit that an allow rule lifts, for a network and for a domain.
OF_NETWORK = frozenset({"NETWORK", "PREFIX", "BURST", "BURST_PREFIX", "DOMAIN", "PETITION"})
OF_DOMAIN = frozenset({"DOMAIN"})


def address_index(address: str, key_id: int | None = None) -> bytes:
    """The blind index of a mailbox under which a rule about it is stored."""
    return vault.blind_index("rule", email_addresses.canonical(address), key_id=key_id)


@dataclass(frozen=True, slots=True)
class Listed:
    """Look-up tables of the networks, domains and mailboxes of all rules of one action.

    Networks are keyed by IP version and prefix length, as their leading bits: matching takes
    one look-up for each length in use, however many there are.
    """

    networks: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)
    mailboxes: set[bytes] = field(default_factory=set)

    def add(self, kind: str, pattern: str, address_ix: bytes | memoryview | None) -> None:
        """Add one rule."""
        if kind == Rule.Kind.ADDRESS and address_ix is not None:
            self.mailboxes.add(bytes(address_ix))
        elif kind == Rule.Kind.NETWORK:
            network = ip_network(pattern)
            bits = int(network.network_address) >> network.max_prefixlen - network.prefixlen
            self.networks.setdefault((network.version, network.prefixlen), set()).add(bits)
        elif pattern.startswith("*."):
            self.parents.add(pattern[2:])
        else:
            self.domains.add(pattern)

    def has_network(self, address: Address | None) -> bool:
        """Whether a listed network (CIDR) contains this address."""
        if address is None or not self.networks:
            return False
        number, longest, version = int(address), address.max_prefixlen, address.version
        return any(
            number >> longest - length in named
            for (of, length), named in self.networks.items()
            if of == version
        )

    def has_domain(self, domain: str) -> bool:
        """Whether a domain, in lower-case ASCII, is listed, or a parent of it with "*."."""
        if domain in self.domains:
            return True
        if not self.parents:
            return False
        labels = domain.split(".")
        return any(".".join(labels[n:]) in self.parents for n in range(1, len(labels)))

    def has_mailbox(self, address: str) -> bool:
        """Whether the mailbox of an e-mail address is listed."""
        # A rule stores the blind index alone, so it stays under the key that it was made with.
        return bool(self.mailboxes) and any(
            address_index(address, key_id) in self.mailboxes for key_id in settings.INDEX_KEYS
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules in force."""

    block: Listed = field(default_factory=Listed)
    allow: Listed = field(default_factory=Listed)

    def blocks(self, sender: Address | None, address: str, domain: str) -> str:
        """The code of the first rule that refuses, "" if none does. Blocking beats allowing:
        network first, then domain, then the address itself.
        """
        if self.block.has_network(sender):
            return "blocked-network"
        if self.block.has_domain(domain):
            return "blocked-domain"
        return "blocked-address" if self.block.has_mailbox(address) else ""

    def allows_network(self, sender: Address | None) -> bool:
        """Whether an allow rule covers the network of many: an event, a library, a carrier."""
        return self.allow.has_network(sender)

    def lifts(self, sender: Address | None, domain: str) -> frozenset[str]:
        """The kinds of rate limit from which an allow rule exempts.

        An allowed network is exempt from all visible limits, and its bursts are not counted.
        Anybody can type a domain: allowed, it is exempt from its own limit alone. An address is
        exempt from nothing, for the limit would tell anybody who types it that it is known here.
        """
        if self.allows_network(sender):
            return OF_NETWORK
        return OF_DOMAIN if self.allow.has_domain(domain) else frozenset()


_rules: TTLCache[None, Rules] = TTLCache()


def in_force() -> Rules:
    """The cached rules in force, at most `SECONDS` old. Raises `DatabaseError`."""
    return _rules.get_or_set(None, SECONDS, _read)


def invalidate() -> None:
    """Invalidate the cache: read the rules anew at the next signing."""
    _rules.invalidate()


def _read() -> Rules:
    rules = Rules()
    rows = Rule.objects.in_force().values_list("action", "kind", "pattern", "address_ix")
    for action, kind, pattern, address_ix in rows:
        listed = rules.block if action == Rule.Action.BLOCK else rules.allow
        listed.add(kind, pattern, address_ix)
    return rules
