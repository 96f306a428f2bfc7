"""What e-mailed links and pages carry in their path.

Links are signed, not sealed: they hold a signature's id and the epoch at which they were
mailed, and say nothing to anybody without the database. Pages that must remember what was
typed hold it sealed, at one fixed length, for an hour.
"""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.core.signing import BadSignature, Signer

from petitions import vault

CONFIRM = "confirm"
ATTEMPT = "attempt"
ATTEMPT_SECONDS = 3600
# Room for the longest of everything: a name of 200 characters takes up to 800 bytes.
ATTEMPT_BYTES = 1536
_ID_BYTES = 16


class BadToken(Exception):
    """A token is forged, damaged, truncated or made for something else."""


class ExpiredToken(BadToken):
    """A page's token was good once, but its hour is over."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a mailed link says: which signature, and at which epoch it was mailed."""

    signature_id: UUID
    epoch: int


def link(purpose: str, signature_id: UUID, epoch: int) -> str:
    """The signed token of a mailed link."""
    return _signer(purpose).sign(_b64(signature_id.bytes + epoch.to_bytes(2, "big")))


def read_link(purpose: str, token: str) -> Link:
    """What a link's token says; `BadToken` unless it was signed for this purpose."""
    try:
        raw = _unb64(_signer(purpose).unsign(token))
    except BadSignature:
        raise BadToken from None
    if len(raw) != _ID_BYTES + 2:
        raise BadToken
    return Link(UUID(bytes=raw[:_ID_BYTES]), int.from_bytes(raw[_ID_BYTES:], "big"))


def seal_attempt(attempt_id: UUID, typed: Mapping[str, str]) -> str:
    """A page's token: what was typed, readable by nobody, the same length for everybody."""
    value = {"at": int(time.time()), **typed}
    sealed = vault.seal(value, table=ATTEMPT, row_id=attempt_id, at_least=ATTEMPT_BYTES)
    return _b64(attempt_id.bytes + sealed)


def open_attempt(token: str) -> dict[str, str]:
    """What `seal_attempt` sealed; `ExpiredToken` after an hour, `BadToken` if it is not ours."""
    raw = _unb64(token)
    if len(raw) <= _ID_BYTES:
        raise BadToken
    try:
        value = vault.unseal(raw[_ID_BYTES:], table=ATTEMPT, row_id=UUID(bytes=raw[:_ID_BYTES]))
    except (vault.CannotOpen, json.JSONDecodeError):
        raise BadToken from None
    sealed_at = value.pop("at")
    if not isinstance(sealed_at, int) or time.time() - sealed_at > ATTEMPT_SECONDS:
        raise ExpiredToken
    return {key: str(text) for key, text in value.items()}


def _signer(purpose: str) -> Signer:
    first, *older = vault.link_keys(purpose)
    # Only characters that mail programs keep inside a link: "." rather than Django's ":".
    return Signer(key=first, fallback_keys=[*older], sep=".", salt=f"undersigned.{purpose}")


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken from None
    if _b64(raw) != text:
        # One value has one spelling, so that a token cannot be varied unnoticed.
        raise BadToken
    return raw
