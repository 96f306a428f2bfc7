"""The client's IP address behind trusted proxies, which cannot be spoofed, and its network.

A proxy appends its peer's address to `X-Forwarded-For`. Everything further left may have been
written by the client. So the list is read from the right, past the proxies in `TRUSTED_PROXIES`,
to the first other hop. A peer that is no trusted proxy is the client itself, whatever it sends.
"""

import logging
from collections.abc import Mapping
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, NamedTuple, Self

from django.conf import settings

Address = IPv4Address | IPv6Address

# Prefix lengths, by IP version, of the networks that count as one. An access line, a household or a
# carrier's gateway is likely to share one.
NETWORK_BITS = {4: 24, 6: 64}
# In TRUSTED_PROXIES: peers on our Unix socket, which have no address.
UNIX = "unix"
# Bounds the work, because a header may list any number of trusted addresses.
_MAX_HOPS = 16

logger = logging.getLogger(__name__)


class Sender(NamedTuple):
    """The client of a request, and the networks by which rate limits count.

    `network` is its IPv4 /24 or IPv6 /64. `prefix` is its IPv6 /48, all of which one customer of a
    provider may own. Both are "" if there is none.
    """

    address: Address | None = None
    network: str = ""
    prefix: str = ""

    @classmethod
    def at(cls, address: Address | None) -> Self:
        """Return the client at an address, or an empty one for None."""
        if address is None:
            return cls()
        lengths = (NETWORK_BITS[4],) if address.version == 4 else (NETWORK_BITS[6], 48)
        return cls(address, *(str(ip_network((address, n), strict=False)) for n in lengths))


NOWHERE = Sender()


def sender_of(meta: Mapping[str, Any]) -> Sender:
    """Return the client of a request from its `META`. Never raises."""
    return Sender.at(client_address(meta))


def client_address(meta: Mapping[str, Any]) -> Address | None:
    """Return the client's address from a request's `META`, or None. Never raises.

    This is the right-most hop that is no trusted proxy. If a hop is malformed, it is the proxy that
    passed it on.
    """
    peer = str(meta.get("REMOTE_ADDR") or "")
    known = parsed(peer)
    chain = meta.get("HTTP_X_FORWARDED_FOR")
    if not chain:
        return known
    if not _is_trusted(known, peer):
        if known is None or known.is_private:
            # At a public address the peer would be a client that forges headers.
            _warn_once(
                "a proxy that TRUSTED_PROXIES does not name passes requests on: all who come "
                "through it count as one network, and will be refused together"
            )
        return known
    rest = str(chain)
    for _hop in range(_MAX_HOPS):
        rest, _comma, hop = rest.rpartition(",")
        address = parsed(hop)
        if address is None:
            break
        known = address
        if not _is_trusted(address, hop):
            return known
        if not rest:
            break
    # This is normal on a local network. On the Internet the proxy loses the clients' addresses.
    _warn_once(
        "the proxy names no visitor but only itself or another proxy: all whom it speaks for so "
        "count as one network, and will be refused together"
    )
    return known


def parsed(text: str) -> Address | None:
    """Parse an address as proxies write it, with or without a port. Return None if invalid.

    IPv4-mapped IPv6 (`::ffff:192.0.2.7`) becomes IPv4. Zones (`%eth0`) are dropped.
    """
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    bare = bare.partition("%")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_trusted(address: Address | None, peer: str) -> bool:
    listed = settings.TRUSTED_PROXIES
    if address is None:
        return not peer and UNIX in listed
    return any(address in network for network in _networks(tuple(listed)))


@cache
def _networks(listed: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(text) for text in listed if text != UNIX]


@cache
def _warn_once(message: str) -> None:
    """Log a warning once per process."""
    logger.warning(message)
