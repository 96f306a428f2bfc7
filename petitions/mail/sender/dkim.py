"""DKIM (RFC 6376): the public key with which receivers check the signature of a mail."""

import base64
import binascii
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from petitions.mail.sender.lookup import Lookup, Record

SELECTOR = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII)
# RFC 8301: receivers reject signatures by shorter keys, and signers should use longer ones.
_MIN_BITS, _GOOD_BITS = 1024, 2048
_ED25519_BYTES = 32
_DAMAGED = "The key is damaged, perhaps cut: copy it from your mail provider again."
_MISSING = (
    "There is no key under this selector. Switch DKIM on with your mail provider, and publish the "
    "record that it shows. A signature for the provider’s own domain does not count for yours."
)


def check(domain: str, selector: str, lookup: Lookup, *, parent: str, is_strict: bool) -> Record:
    """Check the DKIM key of a selector.

    It may be published at the `parent` domain whose DMARC policy applies, unless alignment is
    strict (`adkim=s`). Raises `Unanswered`.
    """
    if not selector:
        record = Record("DKIM", f"(selector)._domainkey.{domain}")
        record.problems.append("Enter the selector that your mail provider shows, and check again.")
        return record
    record = Record("DKIM", f"{selector}._domainkey.{domain}")
    record.found = _keys(record.name, lookup)
    if not record.found and parent != domain:
        higher = f"{selector}._domainkey.{parent}"
        if found := _keys(higher, lookup):
            record.name, record.found = higher, found
            if is_strict:
                record.problems.append(
                    f"The key is that of {parent}, and DMARC there asks for strict alignment "
                    f"(adkim=s): publish a key for {domain}, or take adkim=s out."
                )
    if not record.found:
        record.problems.append(_MISSING)
    elif len(record.found) > 1:
        record.problems.append("There are several records under this selector: leave one.")
    else:
        _judge(record)
    return record


def _keys(name: str, lookup: Lookup) -> list[str]:
    return [text for text in lookup.txt(name) if "p" in tags(text)]


def tags(text: str) -> dict[str, str]:
    """Return the tags of a DKIM or DMARC record in order, with names in lower case."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _sign, value in pairs}


def _judge(record: Record) -> None:
    values = tags(record.found[0])
    if "v" in values and (next(iter(values)) != "v" or values["v"] != "DKIM1"):
        record.problems.append("It must begin with “v=DKIM1”.")
    if "sha256" not in values.get("h", "sha256"):
        record.problems.append("“h” allows no SHA-256, which all receivers ask for: take it out.")
    if not {"*", "email"} & set(values.get("s", "*").replace(" ", "").split(":")):
        record.problems.append("“s” does not allow email: take it out.")
    if "y" in values.get("t", "").replace(" ", "").split(":"):
        record.problems.append("“t=y” says that this is a test, to be ignored: take it out.")
    record.problems += _key_problems(
        values.get("k", "rsa").lower(), "".join(values["p"].split()), record
    )


def _key_problems(kind: str, written: str, record: Record) -> list[str]:
    if not written:
        return ["The key is withdrawn (“p=” is empty): publish the one that is used now."]
    try:
        key = base64.b64decode(written, validate=True)
    except binascii.Error:
        return [_DAMAGED]
    if kind == "ed25519":
        record.advice.append("Large providers do not check Ed25519: publish an RSA key as well.")
        return [] if len(key) == _ED25519_BYTES else ["This is not an Ed25519 key: copy it again."]
    if kind != "rsa":
        return [f"“k={kind}” is not a kind of key that receivers know."]
    return _rsa_problems(key, record)


def _rsa_problems(key: bytes, record: Record) -> list[str]:
    try:
        loaded = load_der_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        return [_DAMAGED]
    bits = loaded.key_size if isinstance(loaded, rsa.RSAPublicKey) else 0
    if bits < _MIN_BITS:
        return [
            f"The key is too short for receivers to trust ({bits} bits): make one of {_GOOD_BITS}."
        ]
    if bits < _GOOD_BITS:
        record.advice.append(f"The key has {bits} bits: {_GOOD_BITS} are recommended.")
    return []
