"""E-mail addresses: the form that tells whether two of them reach the same mailbox.

The canonical form is for comparing only. Mail always goes to what the signer typed.
"""

import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email


@dataclass(frozen=True, slots=True)
class Provider:
    """How one provider reads the local part: all of `domains` are one, named `canonical`.

    What follows one of the characters in `tags` is the owner's own label; the characters in
    `ignores` make no difference; with `hyphen_is_dot` the two mean the same.
    """

    canonical: str
    domains: frozenset[str]
    ignores: str = ""
    tags: str = "+"
    hyphen_is_dot: bool = False


# What the providers themselves say, or their programs do, about aliases of one mailbox. Domains
# where two accounts may bear one name (outlook.com and hotmail.com, gmx.de and gmx.net) are two.
PROVIDERS = (
    Provider("gmail.com", frozenset({"gmail.com", "googlemail.com"}), ignores="."),
    Provider(
        "proton.me",
        frozenset({"proton.me", "protonmail.com", "protonmail.ch", "pm.me"}),
        ignores=".-_",
    ),
    Provider("icloud.com", frozenset({"icloud.com", "me.com", "mac.com"})),
    Provider(
        "yandex.ru",
        frozenset({"yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "ya.ru"}),
        hyphen_is_dot=True,
    ),
    Provider("fastmail.com", frozenset({"fastmail.com", "fastmail.fm"})),
    # Yahoo's disposable addresses are nickname-keyword at the same domain.
    *(
        Provider(domain, frozenset({domain}), tags="-+")
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
    local, _, domain = address.strip().rpartition("@")
    domain = ascii_domain(domain)
    provider = _BY_DOMAIN.get(domain, Provider(domain, frozenset()))
    base = local.lower() if local.isascii() else _caseless(local)
    for tag in provider.tags:
        base = base.partition(tag)[0] or base
    if provider.hyphen_is_dot:
        base = base.replace("-", ".")
    bare = base.translate(dict.fromkeys(map(ord, provider.ignores)))
    # An accent that a dot kept apart from its letter joins it now.
    bare = unicodedata.normalize("NFC", bare)
    return f"{bare or base}@{provider.canonical}"


def deliverable(address: str) -> str:
    """The address for the mail server: as typed, with its domain in ASCII.

    Django would write the domain by the rules of 2003, under which "faß.de" becomes "fass.de":
    mail would go to a stranger.
    """
    local, _, domain = address.rpartition("@")
    return f"{local}@{ascii_domain(domain)}"


def ascii_domain(domain: str) -> str:
    """The domain in lower case and ASCII, by IDNA 2008 ("bücher.de" gives "xn--bcher-kva.de").

    What is no domain comes back in lower case.
    """
    if domain.isascii():
        return domain.rstrip(".").lower()
    name = unicodedata.normalize("NFC", domain).lower().rstrip(".")
    try:
        return validate_email(f"x@{name}", check_deliverability=False).ascii_domain.lower()
    except EmailNotValidError:
        return name


def _caseless(local: str) -> str:
    # Canonical caseless matching, Unicode Standard 3.13, D145.
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", local).casefold())


def masked(address: str) -> str:
    """The address as it may be shown: its first letter, its length hidden, and its domain."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
