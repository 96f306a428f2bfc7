"""Typed readers of environment variables that fail loudly on nonsense.

A reader returns its default only when the variable is absent or empty; a value that
is there but cannot be understood raises `BadEnvironment`, naming the variable and the
form it should have, and never repeating the value: it may be a secret.
"""

import base64
import binascii
import os
import re


class BadEnvironment(Exception):
    """An environment variable holds something that its reader cannot understand."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"{name} in the environment should be {expected}.")


def text(name: str, default: str = "") -> str:
    """The variable's value without surrounding white space."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    """A truth value: 1/0, true/false, yes/no, on/off."""
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise BadEnvironment(name, "one of: 1, 0, true, false, yes, no, on, off")


def integer(name: str, default: int, *, at_least: int = 0) -> int:
    """A whole number, not smaller than `at_least`."""
    value = text(name)
    if not value:
        return default
    if not re.fullmatch(r"-?\d{1,12}", value) or int(value) < at_least:
        raise BadEnvironment(name, f"a whole number, {at_least} or more")
    return int(value)


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list, empty items dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def choice(name: str, options: tuple[str, ...], default: str) -> str:
    """One of `options`."""
    value = text(name, default).lower()
    if value not in options:
        raise BadEnvironment(name, "one of: " + ", ".join(options))
    return value


def keys(name: str) -> dict[int, bytes]:
    """A ring of 32-byte master keys, `id:base64[,id:base64...]`, ids 1 to 255; the first writes."""
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
