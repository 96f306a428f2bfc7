"""Block, hold and allow rules of moderators and organisers, in an in-process TTL cache.

A rule takes effect within `SECONDS` in every process. Ten thousand rules cost a signing no more
than one. Block and hold rules are checked again when a signature is confirmed or moved to another
address (`Rules.catches`): if one matches, the signature is held.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from django.conf import settings

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.infra.client_network import NETWORK_BITS, Address, Sender
from petitions.infra.ttl_cache import TTLCache
from petitions.models import Rule
from petitions.signers import sealing

SECONDS = 2.0
# Kinds of rate limit that an allow rule for a network, or for a domain, lifts.
LIFTED_FOR_NETWORK = frozenset({"NETWORK", "PREFIX", "BURST", "BURST_PREFIX", "DOMAIN", "PETITION"})
LIFTED_FOR_DOMAIN = frozenset({"DOMAIN"})
# A larger network (wider than a /16 or a /56) has too many blind indexes to compute.
MAX_INDEXES = 256


def address_index(address: str, key_id: int | None = None) -> bytes:
    """Return the blind index of a mailbox as stored in rules."""
    return vault.blind_index("rule", email_addresses.canonical(address), key_id=key_id)


@dataclass(frozen=True, slots=True)
class Listed:
    """Look-up tables of the networks, domains and mailboxes of all rules of one action.

    Networks are stored as their leading bits, by IP version and prefix length, so that matching
    takes one look-up per length in use. Only the blind index of a day is known of alerts' networks.
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
        """Return what of an attempt is listed first: "network", "domain", "address", or ""."""
        if self.has_network(sender):
            return "network"
        if self.has_domain(domain):
            return "domain"
        return "address" if self.has_mailbox(address) else ""

    def has_network(self, address: Address | None) -> bool:
        """Return whether a listed network (CIDR or of an alert) contains this address."""
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
        """Return whether the network from which somebody signed is listed, by its blind index.

        The next day's index is checked too: if only the day of signing is still stored, it is
        London's, which begins an hour before UTC's in summer.
        """
        day = signed_at.astimezone(UTC).date()
        return any(network_ix in self._indexes(one) for one in (day, day + timedelta(days=1)))

    def _indexes(self, day: date) -> frozenset[bytes]:
        """Return the blind indexes of all listed networks on a day, which are cached."""
        if day not in self.indexes:
            listed = [
                network_indexes(_network_of(*of, bits), day)
                for of, named in self.networks.items()
                for bits in named
            ]
            self.indexes[day] = frozenset(self.of_alerts.get(day, ())).union(*listed)
        return self.indexes[day]

    def has_domain(self, domain: str) -> bool:
        """Return whether a domain in lower-case ASCII is listed, or a parent with "*."."""
        if domain in self.domains:
            return True
        if not self.parents:
            return False
        labels = domain.split(".")
        return any(".".join(labels[n:]) in self.parents for n in range(1, len(labels)))

    def has_mailbox(self, address: str) -> bool:
        # A rule stores only the blind index, so it keeps its key after a rotation.
        return bool(self.mailboxes) and any(
            address_index(address, key_id) in self.mailboxes for key_id in settings.INDEX_KEYS
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules in force. Block rules precede hold rules, which precede allow rules."""

    block: Listed = field(default_factory=Listed)
    hold: Listed = field(default_factory=Listed)
    allow: Listed = field(default_factory=Listed)
    rows: tuple[tuple[Any, ...], ...] = ()

    def blocks(self, sender: Address | None, address: str, domain: str) -> str:
        """Return the code of the first matching block rule (network, domain, address), or ""."""
        found = self.block.matches(sender, address, domain)
        return f"blocked-{found}" if found else ""

    def holds(self, sender: Address | None, address: str, domain: str) -> str:
        """Return the code of the first matching hold rule, in the same order, or ""."""
        found = self.hold.matches(sender, address, domain)
        return f"held-{found}" if found else ""

    def catches(
        self, address: str, network_ix: bytes | memoryview | None, signed_at: datetime
    ) -> str:
        """Return the code of the first rule that blocks or holds a stored signature, or "".

        It is matched by its address and the blind index of its network.
        """
        domain = email_addresses.domain_of(address)
        for prefix, listed in (("blocked", self.block), ("held", self.hold)):
            if network_ix and listed.has_origin(bytes(network_ix), signed_at):
                return f"{prefix}-network"
            if found := listed.matches(None, address, domain):
                return f"{prefix}-{found}"
        return ""

    def lifts(self, sender: Address | None, domain: str) -> frozenset[str]:
        """Return the kinds of rate limit that allow rules lift.

        An allowed network has no visible limits, and its bursts are not counted. An allowed domain
        has no domain limit, but keeps all others, because anybody can type it. An allowed address
        keeps all limits: missing ones would tell anybody who types it that it is known here.
        """
        if self.allow.has_network(sender):
            return LIFTED_FOR_NETWORK
        return LIFTED_FOR_DOMAIN if self.allow.has_domain(domain) else frozenset()


_rules: TTLCache[None, Rules] = TTLCache()


def in_force() -> Rules:
    """Return the rules in force, cached for `SECONDS`. Raises `DatabaseError`."""
    return _rules.get_or_set(None, SECONDS, _read)


def invalidate() -> None:
    """Invalidate the cache, so that the next signing reads the rules."""
    _rules.invalidate()


def network_indexes(pattern: str, day: date) -> set[bytes]:
    """Return the blind indexes on a day of the counted networks within one in CIDR notation.

    The set is empty if the network is smaller than a counted one, because it shares its index with
    its neighbours, or contains more than `MAX_INDEXES` of them.
    """
    network = ip_network(pattern)
    length = NETWORK_BITS[network.version]
    if not 1 <= 2 ** (length - network.prefixlen) <= MAX_INDEXES:
        return set()
    parts = network.subnets(new_prefix=length)
    return {index for part in parts if (index := sealing.network_index(str(part), day))}


def _network_of(version: int, length: int, bits: int) -> str:
    if version == 4:
        return str(IPv4Network((bits << 32 - length, length)))
    return str(IPv6Network((bits << 128 - length, length)))


_COLUMNS = ("action", "kind", "pattern", "address_ix", "network_ix", "network_day")


def _read() -> Rules:
    """Read the rules. If none has changed, return the cached object with its computed indexes."""
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
