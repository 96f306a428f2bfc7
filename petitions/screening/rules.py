"""Block, hold and allow rules of moderators and organisers, in an in-process TTL cache.

A rule takes effect within `SECONDS` in every process, and ten thousand of them cost a signing no
more than one. Blocking and holding rules are asked again at confirming, about where the signature
came from (`Rules.catches`), and at moving to another address: what is caught is held, not counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from django.conf import settings

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.infra.client_network import Address, Sender
from petitions.infra.ttl_cache import TTLCache
from petitions.models import Rule
from petitions.signers import sealing

SECONDS = 2.0
# Kinds of rate limit that an allow rule lifts, for a network and for a domain.
OF_NETWORK = frozenset({"NETWORK", "PREFIX", "BURST", "BURST_PREFIX", "DOMAIN", "PETITION"})
OF_DOMAIN = frozenset({"DOMAIN"})

# The networks that are counted and indexed: a /24 of IPv4, a /64 of IPv6.
_COUNTED = {4: 24, 6: 64}
# Of a larger network (wider than a /16 or a /56) the blind indexes are too many to compute.
MOST_INDEXES = 256


def address_index(address: str, key_id: int | None = None) -> bytes:
    """The blind index of a mailbox under which a rule about it is stored."""
    return vault.blind_index("rule", email_addresses.canonical(address), key_id=key_id)


@dataclass(frozen=True, slots=True)
class Listed:
    """Look-up tables of the networks, domains and mailboxes of all rules of one action.

    Networks are keyed by IP version and prefix length, as their leading bits: matching takes
    one look-up for each length in use, however many there are. Those of alerts are known by their
    blind index of a day alone.
    """

    networks: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    of_alerts: dict[date, set[bytes]] = field(default_factory=dict)
    indexes: dict[date, frozenset[bytes]] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)
    mailboxes: set[bytes] = field(default_factory=set)

    def add(self, rule: Mapping[str, Any]) -> None:
        """Add one rule, given as a dict of its columns."""
        kind, pattern = rule["kind"], rule["pattern"]
        if kind == Rule.Kind.ADDRESS:
            self.mailboxes.add(bytes(rule["address_ix"]))
        elif kind == Rule.Kind.ALERT:
            self.of_alerts.setdefault(rule["network_day"], set()).add(bytes(rule["network_ix"]))
        elif kind == Rule.Kind.NETWORK:
            network = ip_network(pattern)
            bits = int(network.network_address) >> network.max_prefixlen - network.prefixlen
            self.networks.setdefault((network.version, network.prefixlen), set()).add(bits)
        elif pattern.startswith("*."):
            self.parents.add(pattern[2:])
        else:
            self.domains.add(pattern)

    def matches(self, sender: Address | None, address: str, domain: str) -> str:
        """What of an attempt is listed: "network" before "domain" before "address"; else ""."""
        if self.has_network(sender):
            return "network"
        if self.has_domain(domain):
            return "domain"
        return "address" if self.has_mailbox(address) else ""

    def has_network(self, address: Address | None) -> bool:
        """Whether a listed network (CIDR, or that of an alert) contains this address."""
        if address is None:
            return False
        number, longest, version = int(address), address.max_prefixlen, address.version
        return any(
            number >> longest - length in named
            for (of, length), named in self.networks.items()
            if of == version
        ) or self._is_of_an_alert(address)

    def _is_of_an_alert(self, address: Address) -> bool:
        if not self.of_alerts:
            return False
        network = Sender.at(address).network
        return any(
            sealing.network_index(network, day) in known for day, known in self.of_alerts.items()
        )

    def has_origin(self, network_ix: bytes, signed_at: datetime) -> bool:
        """Whether the network from which somebody signed is listed, by its blind index.

        Also by the index of the next day: where only the day is still known, that is London's,
        which begins an hour before UTC's in summer.
        """
        day = signed_at.astimezone(UTC).date()
        return any(network_ix in self._indexes(one) for one in (day, day + timedelta(days=1)))

    def _indexes(self, day: date) -> frozenset[bytes]:
        """The blind indexes of a day of all listed networks: computed once, for they are kept."""
        if day not in self.indexes:
            listed = [
                network_indexes(_network_of(*of, bits), day)
                for of, named in self.networks.items()
                for bits in named
            ]
            self.indexes[day] = frozenset(self.of_alerts.get(day, ())).union(*listed)
        return self.indexes[day]

    def has_domain(self, domain: str) -> bool:
        """Whether a domain, in lower-case ASCII, is listed, or a parent of it with "*."."""
        if domain in self.domains:
            return True
        if not self.parents:
            return False
        labels = domain.split(".")
        return any(".".join(labels[n:]) in self.parents for n in range(1, len(labels)))

    def has_mailbox(self, address: str) -> bool:
        # A rule stores the blind index alone, so it stays under the key that it was made with.
        return bool(self.mailboxes) and any(
            address_index(address, key_id) in self.mailboxes for key_id in settings.INDEX_KEYS
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules in force. Blocking beats holding, which beats allowing."""

    block: Listed = field(default_factory=Listed)
    hold: Listed = field(default_factory=Listed)
    allow: Listed = field(default_factory=Listed)
    rows: tuple[tuple[Any, ...], ...] = ()

    def blocks(self, sender: Address | None, address: str, domain: str) -> str:
        """The code of the first rule that refuses, "" if none does: network first, then domain,
        then the address itself.
        """
        found = self.block.matches(sender, address, domain)
        return f"blocked-{found}" if found else ""

    def holds(self, sender: Address | None, address: str, domain: str) -> str:
        """The code of the first rule that holds, "" if none does, in the same order."""
        found = self.hold.matches(sender, address, domain)
        return f"held-{found}" if found else ""

    def catches(
        self, address: str, network_ix: bytes | memoryview | None, signed_at: datetime
    ) -> str:
        """The code of the first rule that blocks or holds a stored signature, by its address and
        the blind index of its network; "" if none does.
        """
        domain = email_addresses.domain_of(address)
        for prefix, listed in (("blocked", self.block), ("held", self.hold)):
            if network_ix and listed.has_origin(bytes(network_ix), signed_at):
                return f"{prefix}-network"
            if found := listed.matches(None, address, domain):
                return f"{prefix}-{found}"
        return ""

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


def network_indexes(pattern: str, day: date) -> set[bytes]:
    """The blind indexes of a day of the networks that are counted within one in CIDR notation.

    None of one that is smaller, for it shares its index with its neighbours, nor of one with more
    than `MOST_INDEXES`.
    """
    network = ip_network(pattern)
    length = _COUNTED[network.version]
    if not 1 <= 2 ** (length - network.prefixlen) <= MOST_INDEXES:
        return set()
    parts = network.subnets(new_prefix=length)
    return {index for part in parts if (index := sealing.network_index(str(part), day))}


def _network_of(version: int, length: int, bits: int) -> str:
    if version == 4:
        return str(IPv4Network((bits << 32 - length, length)))
    return str(IPv6Network((bits << 128 - length, length)))


_COLUMNS = ("action", "kind", "pattern", "address_ix", "network_ix", "network_day")


def _read() -> Rules:
    """The rules now: the same object where none has changed, with the indexes it has computed."""
    rows = tuple(Rule.objects.in_force().order_by("pk").values_list(*_COLUMNS))
    cached = _rules.stale(None)
    if cached and cached.rows == rows:
        return cached
    rules = Rules(rows=rows)
    by_action = {
        Rule.Action.BLOCK: rules.block,
        Rule.Action.HOLD: rules.hold,
        Rule.Action.ALLOW: rules.allow,
    }
    for row in rows:
        rule = dict(zip(_COLUMNS, row, strict=True))
        by_action[rule["action"]].add(rule)
    return rules
