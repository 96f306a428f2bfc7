"""E-mail addresses: whether two reach the same mailbox, and whether one is mistyped.

The canonical form is only for comparing. Mail always goes to the address as typed.
"""

import re
import unicodedata
from difflib import get_close_matches

from email_validator import EmailNotValidError, validate_email

from petitions.identity import providers
from petitions.identity.providers import LARGE, OTHERS, Provider
from petitions.identity.typed_text import without_invisible

# For `suggested_domain`: the least similarity (difflib) of two domains, and of two endings of the
# same name. Names of up to `_MAX_SHORT_NAME` letters, such as "gmx", are similar to anything.
_MIN_SIMILARITY, _MIN_ENDING_SIMILARITY, _MAX_SHORT_NAME = 0.88, 0.6, 4
# Longer input is rejected: finding an address in it can take quadratic time.
_MAX_TYPED = 1_000
# Characters that sentences, lists and mail programs put around a copied address. Phones add a full
# stop after two spaces.
_BEFORE, _AFTER = ' \t<([{"“„«', " \t>)]}\"”“»'’.,;:!?/،؛؟。"
_WITH_NAME = re.compile(r"[^<>]*<\s*(?:mailto:)?([^<>@]+@[^<>]+)>\W*")
# Full-width forms, from Chinese and Japanese keyboards.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {ord("。"): "."}
# Joiners, which only domains beyond ASCII are spelt with, and invisible letters and marks: the
# grapheme joiner, fillers and variation selectors.
_INVISIBLE = dict.fromkeys(
    [
        *map(ord, "\u200c\u200d\u034f\u115f\u1160\u180b\u180c\u180d\u3164\uffa0"),
        *range(0xFE00, 0xFE10),
    ]
)
_WRITTEN_OUT = re.compile(r"(?i)\s*[\[({]\s*at\s*[\])}]\s*|\s+at\s+")
# Separators between an address and other words or addresses that were copied with it.
_BESIDE = re.compile(r"[,;:]\s+|[,;:](?=\S*@)|[()<>?]")
# Phones replace apostrophes and hyphens by these.
_TYPOGRAPHIC = str.maketrans("’‘‑–—", "''---")
_DOT_WRITTEN_OUT = re.compile(r"(?i)\s*[\[({]\s*dot\s*[\])}]\s*|\s+dot\s+")


class NotAnAddress(ValueError):
    """The input is no e-mail address that mail can be sent to.

    `meant` is the address that was probably meant, or "". `is_foreign`: the local part has letters
    beyond ASCII (RFC 6531), to which Django's mailer and many servers cannot send.
    """

    def __init__(self, *, meant: str = "", is_foreign: bool = False) -> None:
        super().__init__()
        self.meant, self.is_foreign = meant, is_foreign


def read(typed: str) -> str:
    """Return the address in the input, without what was copied with it. Raises `NotAnAddress`.

    Only characters that cannot be part of an address are dropped. A guess is offered but not used.
    """
    if len(typed) > _MAX_TYPED:
        raise NotAnAddress
    text = without_invisible(typed).translate(_FULL_WIDTH)
    if (bare := text.translate(_INVISIBLE)).isascii():
        text = bare
    if named := _WITH_NAME.fullmatch(text):
        text = named[1]
    quoted = "'’‘" if text.rstrip(_AFTER) != text else ""
    text = re.sub(r"(?i)^mailto:", "", text.strip(_BEFORE + quoted).rstrip(_AFTER))
    text = re.sub(r"\s*@\s*", "@", text)
    if _is_valid(text):
        return text
    if _is_valid(plain := text.translate(_TYPOGRAPHIC)):
        raise NotAnAddress(meant=plain)
    if _is_valid(text, allow_smtputf8=True):
        raise NotAnAddress(is_foreign=True)
    if meant := _suggestion(text):
        raise NotAnAddress(meant=meant)
    # With a typo, as in "josé@gmail..com". Without the typo it could not be mailed either.
    raise NotAnAddress(is_foreign=_is_valid(_repaired(text), allow_smtputf8=True))


def as_read(typed: str) -> str:
    """Return the address that `read` finds in the input, or the input if there is none."""
    try:
        return read(typed)
    except NotAnAddress:
        return typed


def _is_valid(address: str, *, allow_smtputf8: bool = False) -> bool:
    try:
        validate_email(
            address,
            check_deliverability=False,
            allow_display_name=False,
            allow_smtputf8=allow_smtputf8,
            strict=True,
        )
    except EmailNotValidError:
        return False
    return True


def _suggestion(text: str) -> str:
    """Return the only valid address among other words, or the repaired text if valid, or ""."""
    parts = {part.strip(_BEFORE).rstrip(_AFTER) for part in _BESIDE.split(text)}
    if len(among := [part for part in parts if _is_valid(part)]) == 1:
        return among[0]
    # Join "anna smith@example.org" before trying each word.
    words = text.split() if text.count("@") == 1 else []
    return next(filter(_is_valid, (_repaired(text), *words)), "")


def _repaired(text: str) -> str:
    """Return the text without spaces and with its full stops, "@" and provider repaired.

    The result may still be no address.
    """
    text = _WRITTEN_OUT.sub("@", text) if "@" not in text else text
    text = _DOT_WRITTEN_OUT.sub(".", text)
    text = re.sub(r"\s", "", text)
    local, at, domain = text.rpartition("@")
    if not at:
        ending = next((large for large in LARGE if text.lower().endswith(large)), "")
        local, domain = text[: -len(ending)] if ending else "", ending
    local = re.sub(r"\.{2,}", ".", local.strip("@.,"))
    domain = re.sub(r"[.,;:]+", ".", domain).strip(".-")
    alone = next((large for large in LARGE if large.partition(".")[0] == domain.lower()), domain)
    return f"{local}@{suggested_domain(alone) or alone}"


def canonical(address: str) -> str:
    """Return the normal form, equal for all aliases of a mailbox, by the rules in `providers`.

    Domains are in lower-case ASCII. Local parts are in lower case (no large provider is
    case-sensitive), without the provider's tags and ignored characters.
    """
    local, _, domain = address.strip().rpartition("@")
    domain = ascii_domain(domain)
    provider = providers.BY_DOMAIN.get(domain)
    if provider is None:
        name, _, parent = domain.partition(".")
        owner = providers.BY_DOMAIN.get(parent)
        if owner is not None and owner.subdomains and name:
            # Subdomain addressing: the local part is only a tag.
            return f"{_mailbox(name, owner)}@{owner.canonical}"
        return f"{_mailbox(local, providers.DEFAULT)}@{domain}"
    return f"{_mailbox(local, provider)}@{provider.canonical}"


def _mailbox(local: str, provider: Provider) -> str:
    """Return the local part without case, tag and ignored characters. It never becomes empty."""
    base = local.lower()
    if not local.isascii():
        # Canonical caseless matching, Unicode Standard 3.13, D145.
        folded = unicodedata.normalize("NFD", local).casefold()
        base = unicodedata.normalize("NFC", folded)
    if provider.hyphen_is_dot:
        base = base.replace("-", ".")
    for tag in provider.tags:
        base = base.partition(tag)[0] or base
    bare = base
    for char in provider.ignores:
        bare = bare.replace(char, "")
    if not bare.isascii():
        # Recompose, because removing a dot may put an accent next to its letter.
        bare = unicodedata.normalize("NFC", bare)
    return bare or base


def folded(address: str) -> str:
    """Lower the case of an address, without any provider's alias rules.

    In the local part only ASCII letters change, because "ß" is not "ss".
    """
    local, _, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    return f"{local.encode().lower().decode()}@{ascii_domain(domain)}"


def deliverable(address: str) -> str:
    """Return the address for SMTP: as typed, with its domain in ASCII (IDNA 2008).

    Django would encode the domain by IDNA 2003, which turns "faß.de" into "fass.de", so that a
    stranger would get the mail.
    """
    local, _, domain = address.rpartition("@")
    return f"{local}@{ascii_domain(domain)}"


def domain_of(address: str) -> str:
    """Return the domain of an address, in the form of `ascii_domain`."""
    return ascii_domain(address.rpartition("@")[2])


def ascii_domain(domain: str) -> str:
    """Return a domain in lower-case ASCII, by IDNA 2008 ("bücher.de" gives "xn--bcher-kva.de").

    An invalid domain is returned in lower case.
    """
    if domain.isascii():
        return domain.rstrip(".").lower()
    # Slow, but not cached: a hit would reveal that somebody typed it before (constant work).
    name = unicodedata.normalize("NFC", domain).lower().rstrip(".")
    try:
        return validate_email(f"x@{name}", check_deliverability=False).ascii_domain.lower()
    except EmailNotValidError:
        return name


def masked(address: str) -> str:
    """Mask an address for display: its first letter and its domain, without its length."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def masked_for_staff(address: str) -> str:
    """Mask an address for staff: its domain is shown only if many people share it.

    The domain of one person or family would identify them.
    """
    if domain_of(address) in providers.SHARED:
        return masked(address)
    return f"{address[:1]}•••@•••"


def suggested_domain(domain: str) -> str | None:
    """Return the large provider's domain that was probably meant, or None if this seems right.

    It is no validation error, because somebody may have their mail at gmial.com. It is not cached:
    a hit would reveal which domains were typed before (constant work).
    """
    domain = ascii_domain(domain)
    if domain in LARGE or domain in OTHERS:
        return None
    name, _dot, ending = domain.partition(".")
    endings = [large.partition(".")[2] for large in LARGE if large.partition(".")[0] == name]
    if endings:
        near = get_close_matches(ending, endings, n=1, cutoff=_MIN_ENDING_SIMILARITY)
        return f"{name}.{near[0]}" if near else None
    long_names = [large for large in LARGE if len(large.partition(".")[0]) > _MAX_SHORT_NAME]
    near = get_close_matches(domain, long_names, n=1, cutoff=_MIN_SIMILARITY)
    return near[0] if near else None
