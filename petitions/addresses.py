"""E-mail addresses: the form that tells whether two of them reach the same mailbox.

The canonical form is for comparing only. Mail always goes to what the signer typed.
"""

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """How one provider reads the local part: all of `domains` are one, named `canonical`."""

    canonical: str
    domains: frozenset[str]
    ignores_dots: bool = False
    tag: str = "+"


# What the providers themselves document about aliases of one mailbox.
PROVIDERS = (
    Provider(
        "gmail.com", frozenset({"gmail.com", "googlemail.com"}), ignores_dots=True
    ),
    Provider(
        "proton.me",
        frozenset({"proton.me", "protonmail.com", "pm.me"}),
        ignores_dots=True,
    ),
    Provider("icloud.com", frozenset({"icloud.com", "me.com", "mac.com"})),
    Provider("yandex.ru", frozenset({"yandex.ru", "yandex.com", "ya.ru"})),
    Provider("fastmail.com", frozenset({"fastmail.com", "fastmail.fm"})),
    # Yahoo's disposable addresses are nickname-keyword at the same domain.
    *(
        Provider(domain, frozenset({domain}), tag="-")
        for domain in ("yahoo.com", "yahoo.co.uk", "ymail.com", "rocketmail.com")
    ),
)
_BY_DOMAIN = {domain: provider for provider in PROVIDERS for domain in provider.domains}


def canonical(address: str) -> str:
    """The form that is equal for addresses of one mailbox.

    Domains are compared without case and in their ASCII form; local parts without case (no
    large provider tells case apart), without what follows the provider's tag character, and
    without dots where the provider ignores them.
    """
    local, _, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    domain = ascii_domain(domain)
    provider = _BY_DOMAIN.get(domain, Provider(domain, frozenset()))
    base = local.casefold().partition(provider.tag)[0] or local.casefold()
    if provider.ignores_dots:
        base = base.replace(".", "") or base
    return f"{base}@{provider.canonical}"


def ascii_domain(domain: str) -> str:
    """The domain in lower case and ASCII ("bücher.de" gives "xn--bcher-kva.de")."""
    if domain.isascii():
        return domain.rstrip(".").lower()
    try:
        return domain.rstrip(".").encode("idna").decode().lower()
    except UnicodeError:
        return domain.rstrip(".").lower()


def masked(address: str) -> str:
    """The address as it may be shown: its first letter, its length hidden, and its domain."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
