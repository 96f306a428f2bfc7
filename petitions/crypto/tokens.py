"""Encrypted tokens in the URLs of e-mailed links and of pages, and one-time codes.

Links hold a signature's id and its link epoch, or the blind index of a mailbox. They are encrypted,
so that somebody who sees a link and has a copy of the database cannot find the row. AES-SIV (RFC
5297) is deterministic, so that a mail that is sent again is the same.
Pages that must remember what was typed hold it sealed, at a fixed length, for an hour. Codes are
for people who read their mail on another device. They are short, so they are valid only on the page
and for five tries.
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings

from petitions.crypto import vault

CONFIRM = "confirm"
NOT_ME = "not-me"
FIND = "find"
FIND_SECONDS = 3600
MAIL_AGAIN = "mail-again"
NO_NEWS = "no-news"
DRAFT = "draft"
ATTEMPT = "attempt"
ATTEMPT_SECONDS = 3600
# Room for the longest values: a name of 200 characters takes up to 800 bytes, and so does an
# address. The URL of the page still stays below gunicorn's limit of 4094 bytes.
ATTEMPT_BYTES = 2304
CODE = "code"
CODE_DIGITS = 8
_SIV_BYTES = 16
# A page's token is not sealed for a row: its attempt's id is inside.
_NO_ROW = UUID(int=0)
_TIME_BYTES = 5
# Signature id, epoch; signature id, epoch, petition id, key id, blind index; key id, blind index.
_LINK, _MAILBOX, _INBOX = Struct(">16sH"), Struct(">16sHQB16s"), Struct(">B16s")
# News id, signature id, petition id, key id, blind index.
_NEWS = Struct(">16s16sQB16s")


class BadToken(Exception):
    """A token is forged, damaged, truncated or made for another purpose."""


class ExpiredToken(BadToken):
    """A token of a page or a link is genuine but has expired."""


@dataclass(frozen=True, slots=True)
class Link:
    """Payload of a mailed link: the signature's id and its `link_epoch` when it was mailed."""

    signature_id: UUID
    epoch: int


def link(purpose: str, signature_id: UUID, epoch: int) -> str:
    """Return the token of a mailed link."""
    return _encrypted(purpose, _LINK.pack(signature_id.bytes, epoch))


def read_link(purpose: str, token: str) -> Link:
    """Return the payload of a link's token. Raises `BadToken`."""
    signature_id, epoch = _LINK.unpack(_decrypted(purpose, token, _LINK.size))
    return Link(UUID(bytes=signature_id), epoch)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Payload of a "this wasn't me" link: the attempt, the petition and the mailbox.

    The mailbox is identified by its blind index over all petitions and the id of the key, so that
    the link stays valid after the attempt is deleted.
    """

    signature_id: UUID
    epoch: int
    petition_id: int
    key_id: int
    ix: bytes


def mailbox_link(purpose: str, mailbox: Mailbox) -> str:
    """Return the token of a link with a `Mailbox`, of fixed length."""
    _id, *rest = astuple(mailbox)
    return _encrypted(purpose, _MAILBOX.pack(mailbox.signature_id.bytes, *rest))


def read_mailbox_link(purpose: str, token: str) -> Mailbox:
    """Return the payload of such a token, which expires only with its keys. Raises `BadToken`."""
    signature_id, *rest = _MAILBOX.unpack(_decrypted(purpose, token, _MAILBOX.size))
    mailbox = Mailbox(UUID(bytes=signature_id), *rest)
    _need_index_key(mailbox.key_id)
    return mailbox


class Inbox(NamedTuple):
    """A mailbox over all petitions: its blind index and the id of the key.

    This index is in no table. The stored ones are derived from it, one for each use
    (`petitions.signers.sealing.Use`).
    """

    key_id: int
    ix: bytes


def inbox_link(purpose: str, inbox: Inbox) -> str:
    """Return the token of a link with an `Inbox` and the current time."""
    return _encrypted(purpose, _now() + _INBOX.pack(inbox.key_id, inbox.ix))


def read_inbox_link(purpose: str, token: str) -> Inbox:
    """Return the payload of such a token, which expires only with its keys. Raises `BadToken`."""
    raw = _decrypted(purpose, token, _TIME_BYTES + _INBOX.size)
    inbox = Inbox(*_INBOX.unpack(raw[_TIME_BYTES:]))
    _need_index_key(inbox.key_id)
    return inbox


@dataclass(frozen=True, slots=True)
class Subscription:
    """Payload of an unsubscribe link in a news mail.

    It identifies the mailbox as `Mailbox` does, so it is still valid when the list of recipients is
    deleted.
    """

    news_id: UUID
    signature_id: UUID
    petition_id: int
    inbox: Inbox

    @property
    def is_test(self) -> bool:
        """Return whether the link is in a test mail, which has no signature."""
        return not self.signature_id.int


def subscription_link(to: Subscription) -> str:
    """Return the token of an unsubscribe link, of fixed length."""
    inbox = to.inbox
    raw = _NEWS.pack(
        to.news_id.bytes, to.signature_id.bytes, to.petition_id, inbox.key_id, inbox.ix
    )
    return _encrypted(NO_NEWS, raw)


def read_subscription_link(token: str) -> Subscription:
    """Return the payload of an unsubscribe link, which expires with its keys. Raises `BadToken`."""
    news, signature, petition_id, *inbox = _NEWS.unpack(_decrypted(NO_NEWS, token, _NEWS.size))
    to = Subscription(UUID(bytes=news), UUID(bytes=signature), petition_id, Inbox(*inbox))
    if not to.is_test:
        _need_index_key(to.inbox.key_id)
    return to


@dataclass(frozen=True, slots=True)
class Recipient:
    """A mailed address: its blind index under the first key, and its mailbox's under each key."""

    address_ix: bytes
    inboxes: tuple[Inbox, ...]


def recipient_link(recipient: Recipient) -> str:
    """Return the token of a magic link to an address, with the current time."""
    inboxes = b"".join(_INBOX.pack(inbox.key_id, inbox.ix) for inbox in recipient.inboxes)
    return _encrypted(FIND, _now() + recipient.address_ix + inboxes)


def read_recipient_link(token: str) -> Recipient:
    """Return a magic link's recipient. Raises `BadToken`, `ExpiredToken` after `FIND_SECONDS`."""
    raw = _decrypted(FIND, token)
    made_at, rest = int.from_bytes(raw[:_TIME_BYTES], "big"), raw[_TIME_BYTES:]
    address_ix, inboxes = rest[: vault.INDEX_BYTES], rest[vault.INDEX_BYTES :]
    if not inboxes or len(inboxes) % _INBOX.size:
        raise BadToken
    if time.time() - made_at > FIND_SECONDS:
        raise ExpiredToken
    found = [Inbox(*one) for one in _INBOX.iter_unpack(inboxes)]
    return Recipient(
        address_ix, tuple(inbox for inbox in found if inbox.key_id in settings.INDEX_KEYS)
    )


def code(signature_id: UUID, epoch: int) -> str:
    """Return the one-time code that stands for a mailed link: an HMAC cut to `CODE_DIGITS`."""
    return _code(vault.link_keys(CODE)[0], signature_id, epoch)


def is_code(typed: str, signature_id: UUID, epoch: int) -> bool:
    """Return whether these ASCII digits are the code, compared in constant time."""
    right = [
        hmac.compare_digest(typed.encode(), _code(key, signature_id, epoch).encode())
        for key in vault.link_keys(CODE)
    ]
    return any(right)


def spoken(code: str) -> str:
    """Format a code in two groups of four digits, which are easier to remember."""
    return f"{code[:4]}-{code[4:]}"


def seal_attempt(attempt_id: UUID, typed: Mapping[str, object], *, at: int) -> str:
    """Return a page's token: what was typed, sealed, at a fixed length.

    It expires an hour after `at` (Unix seconds).
    """
    value = {"at": at, "id": attempt_id.hex, **typed}
    return _b64(vault.seal(value, table=ATTEMPT, row_id=_NO_ROW, at_least=ATTEMPT_BYTES))


def open_attempt(token: str) -> tuple[UUID, dict[str, Any], int]:
    """Unseal a page's token: return the attempt's id, what was typed, and `at`.

    Raises `BadToken`, and `ExpiredToken` an hour after `at`.
    """
    try:
        value = vault.unseal(_unb64(token), table=ATTEMPT, row_id=_NO_ROW)
    except (vault.CannotOpen, json.JSONDecodeError):
        raise BadToken from None
    at, attempt_id = value.pop("at"), UUID(str(value.pop("id")))
    if not isinstance(at, int) or time.time() - at > ATTEMPT_SECONDS:
        raise ExpiredToken
    return attempt_id, value, at


def _code(key: bytes, signature_id: UUID, epoch: int) -> str:
    message = signature_id.bytes + epoch.to_bytes(2, "big")
    number = int.from_bytes(hmac.digest(key, message, "sha256")[:8], "big")
    return str(number % 10**CODE_DIGITS).zfill(CODE_DIGITS)


def _now() -> bytes:
    return int(time.time()).to_bytes(_TIME_BYTES, "big")


def _encrypted(purpose: str, raw: bytes) -> str:
    return _b64(AESSIV(vault.link_keys(purpose)[0]).encrypt(raw, None))


def _decrypted(purpose: str, token: str, length: int | None = None) -> bytes:
    sealed = _unb64(token)
    if len(sealed) <= _SIV_BYTES or length not in {None, len(sealed) - _SIV_BYTES}:
        raise BadToken
    for key in vault.link_keys(purpose):
        with suppress(InvalidTag):
            return AESSIV(key).decrypt(sealed, None)
    raise BadToken


def _need_index_key(key_id: int) -> None:
    """Raise `BadToken` if the key of a mailbox's index is gone: nothing can be found by it."""
    if key_id not in settings.INDEX_KEYS:
        raise BadToken


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken from None
    if _b64(raw) != text:
        # Accept only canonical base64, so that tokens are not malleable.
        raise BadToken
    return raw
