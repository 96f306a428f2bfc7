"""Authenticated encryption (sealing), blind indexes and link keys: a stolen copy is worthless.

The vault knows nothing of petitions. It turns values into sealed bytes that decrypt only for the
row they were sealed for, and into blind indexes that compare for equality without revealing the
value. Three rings of independent master keys come from the environment (`SEALING_KEYS`,
`INDEX_KEYS`, `LINK_KEYS`). None is derived from `SECRET_KEY`. A key per purpose is derived from
them by HKDF-SHA256.

A sealed value is

    format (1 byte) | key id (1) | nonce (12) | AES-256-GCM ciphertext and tag

The key is chosen by its id, never by trial decryption. The associated data binds the table, the
row's id and the format, so that a value moved to another row does not decrypt. The plaintext is
padded to a multiple of `BUCKET` bytes, so that a name of three letters and one of sixty give
values of the same length.
"""

import json
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

FORMAT = 1
BUCKET = 256
NONCE_BYTES = 12
HEADER_BYTES = 2
LENGTH_BYTES = 4
INDEX_BYTES = 16
_LENGTH = struct.Struct("!I").unpack_from
_PREFIX = HEADER_BYTES + NONCE_BYTES
# Shared, because `json.dumps` with options creates one per call, which doubles its cost.
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# `json.loads` first detects the encoding of bytes, and takes twice as long.
_DECODE = json.JSONDecoder().raw_decode


class CannotOpen(Exception):
    """The value is damaged or was moved, or its key is gone. Trying again does not help."""


def seal(value: Mapping[str, object], *, table: str, row_id: UUID, at_least: int = 0) -> bytes:
    """Encrypt a JSON-serialisable mapping for one row of one table.

    `at_least` is the least size of the padded plaintext in bytes, for values whose length must
    never differ. The length of the result depends only on the number of buckets.
    """
    key_id, nonce = next(iter(settings.SEALING_KEYS)), os.urandom(NONCE_BYTES)
    padded = _pad(_JSON.encode(value).encode(), at_least)
    ciphertext = _cipher(key_id).encrypt(nonce, padded, _binding(table) + row_id.bytes)
    return bytes((FORMAT, key_id)) + nonce + ciphertext


def unseal(sealed: bytes | memoryview, *, table: str, row_id: UUID) -> dict[str, object]:
    """Decrypt a value that `seal` made for the same table and row. Raises `CannotOpen`."""
    return opener(table)(sealed, row_id.bytes)


@cache
def opener(table: str) -> Callable[[bytes | memoryview, bytes], dict[str, object]]:
    """Return a faster `unseal` for one table, because an export decrypts a million rows.

    The function takes the sealed value and the 16 bytes of the row's id, without a `UUID` object.
    """
    binding = _binding(table)

    def unseal_row(sealed: bytes | memoryview, row_id: bytes) -> dict[str, object]:
        blob = bytes(sealed)
        if len(blob) <= _PREFIX or blob[0] != FORMAT:
            raise CannotOpen
        nonce, ciphertext = blob[HEADER_BYTES:_PREFIX], blob[_PREFIX:]
        try:
            padded = _cipher(blob[1]).decrypt(nonce, ciphertext, binding + row_id)
        # No key of the ring has this id, or it is not the key.
        except (KeyError, InvalidTag):
            raise CannotOpen from None
        end = LENGTH_BYTES + _LENGTH(padded)[0]
        value: dict[str, object] = _DECODE(padded[LENGTH_BYTES:end].decode())[0]
        return value

    return unseal_row


def blind_index(purpose: str, *parts: str | bytes, key_id: int | None = None) -> bytes:
    """Return a blind index for equality look-ups: HMAC-SHA256 of `parts`, cut to 16 bytes.

    It uses the first key of the ring, unless `key_id` names another. Equal parts under the same
    purpose give equal indexes. Guesses cannot be tested without the key. Every part is preceded by
    its length, so that ("ab", "c") and ("a", "bc") differ.
    """
    return indexer(purpose, index_key_id() if key_id is None else key_id)(*parts)


@cache
def indexer(purpose: str, key_id: int) -> Callable[..., bytes]:
    """Return `blind_index` of one purpose and key, for many values."""
    # Keyed once and then copied: keying costs twice as much as the rest of an index.
    keyed = HMAC(_derive(settings.INDEX_KEYS[key_id], f"index:{purpose}"), SHA256())

    def index(*parts: str | bytes) -> bytes:
        mac = keyed.copy()
        mac.update(_framed(parts))
        return mac.finalize()[:INDEX_BYTES]

    return index


def index_key_id() -> int:
    """Return the id of the current index key, which is the first of `settings.INDEX_KEYS`."""
    return index_key_ids()[0]


@cache
def index_key_ids() -> tuple[int, ...]:
    """Return the ids of the index keys, current one first. Cached: settings are slow to read."""
    return tuple(settings.INDEX_KEYS)


def link_keys(purpose: str) -> list[bytes]:
    """Return the keys for links of one purpose. The first makes new links, and all are accepted."""
    return [_link_key(master, purpose) for master in settings.LINK_KEYS.values()]


@cache
def _cipher(key_id: int) -> AESGCM:
    """Return the cipher of a key of the ring. Raises `KeyError` if the ring has no such key."""
    # Cached, because creating one per row doubles the cost of sealing (1.5 against 0.5 us).
    return AESGCM(_derive(settings.SEALING_KEYS[key_id], "seal"))


@cache
def _link_key(master: bytes, purpose: str) -> bytes:
    # Cached, because each of the several links in a mail would derive the key again.
    return _derive(master, f"link:{purpose}")


def _derive(master: bytes, purpose: str) -> bytes:
    info = b"undersigned/" + purpose.encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master)


def _binding(table: str) -> bytes:
    """Return the prefix of the associated data (AAD), which the row's id follows."""
    return bytes((FORMAT,)) + table.encode() + b"\0"


def _framed(parts: Iterable[str | bytes]) -> bytes:
    framed = []
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        framed += [len(raw).to_bytes(LENGTH_BYTES, "big"), raw]
    return b"".join(framed)


def _pad(plain: bytes, at_least: int) -> bytes:
    framed = _framed((plain,))
    return framed.ljust(-(-max(len(framed), at_least) // BUCKET) * BUCKET, b"\0")
