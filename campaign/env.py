"""Typed readers of environment variables, which raise on invalid values.

A reader returns its default only if the variable is absent or empty. An invalid value raises
`BadEnvironment`, which names the variable and the expected form. It never repeats the value, which
may be a secret.
"""

import base64
import binascii
import os
import re
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from limits import RateLimitItem


class BadEnvironment(Exception):
    """Raised if the value of an environment variable cannot be parsed."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"{name} in the environment should be {expected}.")


def text(name: str, default: str = "") -> str:
    """Return the variable's value, or the content of the file that `NAME_FILE` names (for example a
    Docker secret), without surrounding white space.
    """
    value, path = (os.environ.get(key, "").strip() for key in (name, f"{name}_FILE"))
    if not path:
        return value or default
    if value:
        raise BadEnvironment(name, f"empty, for {name}_FILE names a file")
    try:
        return Path(path).read_text(encoding="utf-8").strip() or default
    except (OSError, ValueError):
        raise BadEnvironment(f"{name}_FILE", "a text file that this process may read") from None


def flag(name: str, default: bool = False) -> bool:
    """Return a boolean, written as 1/0, true/false, yes/no or on/off."""
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise BadEnvironment(name, "one of: 1, 0, true, false, yes, no, on, off")


def integer(name: str, default: int, *, at_least: int = 0, at_most: int | None = None) -> int:
    """Return a whole number between `at_least` and `at_most`."""
    value = text(name)
    if not value:
        return default
    is_number = re.fullmatch(r"-?\d{1,12}", value)
    if not is_number or int(value) < at_least or (at_most is not None and int(value) > at_most):
        form = f"{at_least} or more" if at_most is None else f"{at_least} to {at_most}"
        raise BadEnvironment(name, f"a whole number, {form}")
    return int(value)


def port(name: str, default: int) -> int:
    return integer(name, default, at_least=1, at_most=65535)


def host(name: str, default: str) -> str:
    """Return a host name or an IP address, without a port."""
    value = text(name, default)
    if not _is_host(value):
        raise BadEnvironment(name, "a host alone, such as smtp.example.org or 192.0.2.1")
    return value


def name_server(name: str) -> tuple[str, int] | None:
    """Return IPv4 address and port of "192.0.2.1:5353" (53 by default), or None if not set."""
    if not (value := text(name)):
        return None
    address, _colon, port_ = value.partition(":")
    try:
        found = str(IPv4Address(address)), int(port_ or 53)
    except ValueError:
        found = "", 0
    if not 0 < found[1] < 65_536:
        raise BadEnvironment(name, "an IPv4 address, such as 192.0.2.1 or 192.0.2.1:5353")
    return found


def url(name: str, default: str, *schemes: str) -> str:
    """Return a URL with one of the schemes. It must be percent-encoded, and so in ASCII."""
    value = text(name, default)
    try:
        parts = urlsplit(value)
        is_whole = bool(parts.netloc or parts.path) and parts.port != 0
        is_meant = is_whole and parts.scheme in schemes
    except ValueError:  # Invalid port, or IPv6 address in brackets.
        is_meant = False
    # "#" is not allowed: if a password contained it, the URL would end there.
    if not is_meant or not re.fullmatch('[!"$-~]+', value):
        raise BadEnvironment(name, f"a URL such as {default}")
    return value


def origin(name: str, default: str) -> str:
    """Return scheme, host and port of a web site, without a trailing slash."""
    value = url(name, default, "http", "https").rstrip("/")
    parts = urlsplit(value)
    is_bare = value == f"{parts.scheme}://{parts.netloc}" and "@" not in value
    if not is_bare or not _is_host(parts.hostname or ""):
        raise BadEnvironment(name, "scheme and host alone, such as https://petition.example.org")
    return value


def database(name: str, default: str, **options: Any) -> dict[str, Any]:
    """Return Django's database settings for a PostgreSQL URL."""
    # Imported here: some commands read the environment before anything is installed.
    import dj_database_url

    value = url(name, default, "postgres", "postgresql")
    try:
        return dict(dj_database_url.parse(value, **options))
    except ValueError:
        raise BadEnvironment(
            name, "a URL such as postgres://user:password@host:5432/name"
        ) from None


def words(name: str, default: str = "") -> list[str]:
    """Return the items of a comma-separated list, without empty ones."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def choice(name: str, options: tuple[str, ...], default: str) -> str:
    value = text(name, default).lower()
    if value not in options:
        raise BadEnvironment(name, "one of: " + ", ".join(options))
    return value


def networks(name: str, *also: str) -> list[str]:
    """Return a comma-separated list of networks ("192.0.2.0/24", or an address) or `also` words."""
    found = [word.lower() for word in words(name)]
    try:
        return [word if word in also else str(ip_network(word)) for word in found]
    except ValueError:
        expected = ["networks such as 10.0.0.0/8 or fd00::/8, separated by commas", *also]
        raise BadEnvironment(name, " or the word ".join(expected)) from None


def rate(name: str, default: str) -> "RateLimitItem | None":
    """Return a rate limit, such as "600/hour" or "20 per 5 minutes", or None for "off"."""
    # Imported here: some commands read the environment before anything is installed.
    from limits import parse_many

    value = text(name, default).lower()
    if value == "off":
        return None
    try:
        (found,) = parse_many(value)
    except ValueError:
        raise BadEnvironment(name, "one rate such as 600/hour, or off") from None
    return found


def keys(name: str) -> dict[int, bytes]:
    """Return a key ring, `id:base64[,...]`: ids 1 to 255, 32-byte keys, the first for writing."""
    ring: dict[int, bytes] = {}
    for word in words(name):
        number, _, encoded = word.partition(":")
        known = re.fullmatch(r"\d{1,3}", number) and 1 <= int(number) <= 255
        if not known or int(number) in ring:
            raise BadEnvironment(name, "id:key[,id:key] with distinct ids from 1 to 255")
        try:
            key = base64.b64decode(encoded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise BadEnvironment(name, "id:key[,id:key] with keys in base64") from None
        if len(key) != 32:
            raise BadEnvironment(name, "id:key[,id:key] with keys of 32 bytes in base64")
        ring[int(number)] = key
    return ring


def _is_host(value: str) -> bool:
    """Return whether it is an IP address or a host name (RFC 1123, 2.1). Underscores are allowed,
    because container networks use them.
    """
    try:
        return value.isascii() and bool(ip_address(value))
    except ValueError:
        label = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
        return len(value) < 254 and bool(re.fullmatch(rf"(?:{label}\.)*{label}", value))
