"""E-mail addresses: whether two of them reach the same mailbox, and which are mistyped.

The canonical form is for comparing only. Mail always goes to what the signer typed.
"""

import re
import unicodedata
from difflib import get_close_matches

from email_validator import EmailNotValidError, validate_email

from petitions.identity import providers
from petitions.identity.providers import LARGE, OTHERS, Provider
from petitions.identity.typed_text import without_invisible

# For `suggested_domain`: the least similarity (difflib) of two domains, and of two endings of one
# name. In a name of up to `_SHORT` letters one typo leaves too little: "gmx" and "sky" are near to
# anything.
_ALIKE, _ALIKE_ENDING, _SHORT = 0.88, 0.6, 4
# Characters beyond which nothing is read: finding an address among others takes up to the square.
_MOST_TYPED = 1_000
# What sentences, lists and mail programs put around an address that is copied, and phones behind
# it: after two spaces they type a full stop.
_BEFORE, _AFTER = ' \t<([{"“„«', " \t>)]}\"”“»'’.,;:!?/،؛؟。"
_WITH_NAME = re.compile(r"[^<>]*<\s*(?:mailto:)?([^<>@]+@[^<>]+)>\W*")
# Full-width forms, of keyboards for Chinese and Japanese.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {ord("。"): "."}
# Some domains are spelt with joiners; no address in ASCII is. The others are letters and marks that
# nobody sees: the grapheme joiner, fillers, and variation selectors.
_UNSEEN = dict.fromkeys(
    [
        *map(ord, "\u200c\u200d\u034f\u115f\u1160\u180b\u180c\u180d\u3164\uffa0"),
        *range(0xFE00, 0xFE10),
    ]
)
_WRITTEN_OUT = re.compile(r"(?i)\s*[\[({]\s*at\s*[\])}]\s*|\s+at\s+")
# What stands between an address and the words or the address that are copied along with it.
_BESIDE = re.compile(r"[,;:]\s+|[,;:](?=\S*@)|[()<>?]")
# Telephones make these of an apostrophe and a hyphen.
_TYPOGRAPHIC = str.maketrans("’‘‑–—", "''---")
_DOT_WRITTEN_OUT = re.compile(r"(?i)\s*[\[({]\s*dot\s*[\])}]\s*|\s+dot\s+")


class NotAnAddress(ValueError):
    """What was typed is no e-mail address; `meant` is one that it may be a slip of, or "".

    `is_foreign`: it is one, but the part before the @ has letters beyond ASCII (RFC 6531), which
    Django's mailer and many servers cannot write to.
    """

    def __init__(self, *, meant: str = "", is_foreign: bool = False) -> None:
        super().__init__()
        self.meant, self.is_foreign = meant, is_foreign


def read(typed: str) -> str:
    """The address in what was typed, without what was copied along. Raises `NotAnAddress`.

    Only what cannot be part of an address is dropped; a guess is offered, and never taken.
    """
    if len(typed) > _MOST_TYPED:
        raise NotAnAddress
    text = without_invisible(typed).translate(_FULL_WIDTH)
    if (bare := text.translate(_UNSEEN)).isascii():
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
    if meant := _meant(text):
        raise NotAnAddress(meant=meant)
    # With another slip besides, as in "josé@gmail..com": without it, it could not be mailed either.
    raise NotAnAddress(is_foreign=_is_valid(_mended(text), allow_smtputf8=True))


def as_read(typed: str) -> str:
    """The address in what was typed, as `read` finds it; what was typed, where it finds none."""
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


def _meant(text: str) -> str:
    """The valid address nearest to one that is not: the only one among other words, or what
    `_mended` gives; "" if none.
    """
    parts = {part.strip(_BEFORE).rstrip(_AFTER) for part in _BESIDE.split(text)}
    if len(among := [part for part in parts if _is_valid(part)]) == 1:
        return among[0]
    # Joined, as in "anna smith@example.org", before a word of it alone.
    words = text.split() if text.count("@") == 1 else []
    return next(filter(_is_valid, (_mended(text), *words)), "")


def _mended(text: str) -> str:
    """The text without full stops and signs doubled, left out or mistaken for others, and spaces
    within, at the large provider that is probably meant; it may still be no address.
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
    """Normal form, equal for all aliases of one mailbox, under the rules in `providers`.

    Domains are compared without case and in their ASCII form; local parts without case (no
    large provider tells case apart), without what follows the provider's tag character, and
    without dots where the provider ignores them.
    """
    local, _, domain = address.strip().rpartition("@")
    domain = ascii_domain(domain)
    provider = providers.BY_DOMAIN.get(domain)
    if provider is None:
        name, _, parent = domain.partition(".")
        owner = providers.BY_DOMAIN.get(parent)
        if owner is not None and owner.subdomains and name:
            # Subdomain addressing: the local part is only the owner's label.
            return f"{_mailbox(name, owner)}@{owner.canonical}"
        return f"{_mailbox(local, providers.USUAL)}@{domain}"
    return f"{_mailbox(local, provider)}@{provider.canonical}"


def _mailbox(local: str, provider: Provider) -> str:
    """The local part without case, tag and ignored characters; never empty, unless it was."""
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
        # Recompose: without the dot between them an accent joins its letter.
        bare = unicodedata.normalize("NFC", bare)
    return bare or base


def folded(address: str) -> str:
    """Case-fold an address, without any provider's alias rules: no other spelling equals it. Of
    letters beyond ASCII not even case is ignored, for "ß" is not "ss".
    """
    local, _, domain = unicodedata.normalize("NFC", address.strip()).rpartition("@")
    return f"{local.encode().lower().decode()}@{ascii_domain(domain)}"


def deliverable(address: str) -> str:
    """The address for SMTP: as typed, with its domain in ASCII (IDNA 2008).

    Django would encode the domain by IDNA 2003, under which "faß.de" becomes "fass.de": mail
    would go to a stranger.
    """
    local, _, domain = address.rpartition("@")
    return f"{local}@{ascii_domain(domain)}"


def domain_of(address: str) -> str:
    """The domain of an address, as `ascii_domain` gives it."""
    return ascii_domain(address.rpartition("@")[2])


def ascii_domain(domain: str) -> str:
    """The domain in lower case and ASCII, by IDNA 2008 ("bücher.de" gives "xn--bcher-kva.de").

    What is no domain is returned in lower case.
    """
    if domain.isascii():
        return domain.rstrip(".").lower()
    # Slow, and yet not cached: a hit would tell that somebody typed it before (constant work).
    name = unicodedata.normalize("NFC", domain).lower().rstrip(".")
    try:
        return validate_email(f"x@{name}", check_deliverability=False).ascii_domain.lower()
    except EmailNotValidError:
        return name


def masked(address: str) -> str:
    """The address masked for display: its first letter, its length hidden, and its domain."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def masked_for_staff(address: str) -> str:
    """The address masked for who must not learn whose it is: with its domain only if that is of
    many, such as gmail.com, for a domain of one person or family names them.
    """
    if domain_of(address) in providers.OF_MANY:
        return masked(address)
    return f"{address[:1]}•••@•••"


def suggested_domain(domain: str) -> str | None:
    """Typo suggestion: the large provider's domain that was probably meant; None if this one
    seems right.

    Never a validation error: somebody may well have their mail at gmial.com. Not cached: a hit
    would tell which domains were typed before (constant work).
    """
    domain = ascii_domain(domain)
    if domain in LARGE or domain in OTHERS:
        return None
    name, _dot, ending = domain.partition(".")
    endings = [large.partition(".")[2] for large in LARGE if large.partition(".")[0] == name]
    if endings:
        near = get_close_matches(ending, endings, n=1, cutoff=_ALIKE_ENDING)
        return f"{name}.{near[0]}" if near else None
    long_names = [large for large in LARGE if len(large.partition(".")[0]) > _SHORT]
    near = get_close_matches(domain, long_names, n=1, cutoff=_ALIKE)
    return near[0] if near else None
