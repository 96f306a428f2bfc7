"""The signer's personal data: the attempt as typed, its sealing, and its blind indexes."""

import hmac
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple, cast
from uuid import UUID

from petitions.crypto import vault
from petitions.crypto.tokens import Inbox, Mailbox, Recipient
from petitions.identity import email_addresses, names
from petitions.models import Mail, Signature, Signer
from petitions.signers import consent

# Room for `names.MAX_NAME_BYTES`, the longest address and home, and the JSON around them.
SEALED_BYTES = 1024


class Use(StrEnum):
    """Uses of the blind index of a mailbox over all petitions.

    Each use has its own index, because anybody can have a row stored for any address: with that row
    and a copy of the database they must not find other rows of the mailbox. Some also differ by
    petition or news: a hand-in list reveals whose row of one petition it is, which must not reveal
    what else that person has signed.
    """

    MAIL = "mail"  # confirmation mails, which are rate-limited
    SIGNED = "signed"  # the same mails after confirmation; one index per petition
    FIND = "find"  # mails with a link to one's signatures
    ADDRESS = "address"  # mails with a code to a new address
    NEWS = "news"  # news mails; one index per news


# In the associated data of sealed signers; the row's id is the signature's.
TABLE = "signer"
# Position in `known_by` of a confirmed signature's indexes under the current key.
CONFIRMED = 1
# Prefix of the purposes of pending signatures' blind indexes.
_PENDING = "pending-"
# Number of groups, by the signature's random id, for the search by name and postcode.
_GROUP_BITS = 12
SEARCH_GROUPS = 2**_GROUP_BITS
# The indexes in one BLAKE2b digest: eight of 64 bits.
_BLOCK, _PER_BLOCK = struct.Struct("!8q"), 8
# In the associated data of mails' recipients without a signature; the row's id is the mail's.
MAIL_TABLE = "mail"
# Key that is sealed with the address of a mail that is never sent: see `signatures.find`.
DECOY = "decoy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A submitted form, validated and normalised. `country` is set only for signers abroad."""

    name: str
    email: str
    postcode: str = ""
    country: str = ""
    language: str = "en"
    name_use: str
    wants_updates: bool = False
    news_may_name: bool = False
    text_version: int = 1
    consent_version: int = consent.CURRENT
    # The code of the link that the signer followed: see `petitions.counting.sources`.
    source: str = ""


class Indexes(NamedTuple):
    """Blind indexes of a signer, 16 bytes each. They change when the signature is confirmed.

    The first three (mailbox, person in it, home) are scoped to the petition. `global_mailbox` is
    stored in mails: over all petitions until confirmation, then per petition. See `Use`.
    """

    petition_mailbox: bytes
    person: bytes
    home: bytes
    global_mailbox: bytes


class SearchIndexes(NamedTuple):
    """Blind indexes, 64 bits each, by which moderators search for a name or a postcode.

    Equal names have equal indexes only within one of a petition's `SEARCH_GROUPS` groups. With one
    key for all, a copy of the database would reveal common names by their frequency, and anybody
    who signs in another person's name could see there whether that person has signed. A search
    costs one look-up per group, however many have signed.
    """

    name: int
    postcode: int


def indexes_of(
    petition_id: int,
    person: Mapping[str, str],
    *,
    is_pending: bool = False,
    key_id: int | None = None,
) -> Indexes:
    """Return a person's blind indexes before (`is_pending`) or after confirmation.

    They use the current key unless `key_id` is given.
    """
    key_id = vault.index_key_id() if key_id is None else key_id
    prefix = _PENDING if is_pending else ""
    petition, mailbox = str(petition_id), email_addresses.canonical(person["email"])
    inbox = _inbox(mailbox, key_id)
    name, home = names.folded(person["name"]), (person["postcode"], person["country"] or "GB")
    return Indexes(
        petition_mailbox=vault.blind_index(f"{prefix}mailbox", petition, mailbox, key_id=key_id),
        person=vault.blind_index(f"{prefix}person", petition, mailbox, name, key_id=key_id),
        home=vault.blind_index(f"{prefix}home", petition, mailbox, *home, key_id=key_id),
        global_mailbox=stored_index(Use.MAIL, inbox)
        if is_pending
        else stored_index(Use.SIGNED, inbox, of=petition_id),
    )


def search_indexes(
    petition_id: int,
    signature_id: UUID,
    person: Mapping[str, str],
    *,
    is_pending: bool = False,
    key_id: int | None = None,
) -> SearchIndexes:
    """Return the blind indexes of a person's name and postcode, for the moderators' search.

    A missing postcode is replaced by a unique text, so that its row looks like all others.
    """
    prefix, group = _PENDING if is_pending else "", signature_id.int >> 128 - _GROUP_BITS
    name, postcode = names.folded(person["name"]), person["postcode"] or str(signature_id)
    block, place = divmod(group, _PER_BLOCK)
    return SearchIndexes(
        _block(block, _group_key(f"{prefix}name", petition_id, name, key_id))[place],
        _block(block, _group_key(f"{prefix}postcode", petition_id, postcode, key_id))[place],
    )


def indexes_of_name(petition_id: int, name: str) -> list[int]:
    """Return all blind indexes of a name in a petition: per group, state and key."""
    return _in_each_group(petition_id, "name", names.folded(name))


def indexes_of_postcode(petition_id: int, postcode: str) -> list[int]:
    """Return all blind indexes of a canonical postcode in a petition: per group, state and key."""
    return _in_each_group(petition_id, "postcode", postcode)


def _in_each_group(petition_id: int, kind: str, text: str) -> list[int]:
    keys = [
        _group_key(f"{prefix}{kind}", petition_id, text, key_id)
        for prefix in ("", _PENDING)
        for key_id in vault.index_key_ids()
    ]
    blocks = range(SEARCH_GROUPS // _PER_BLOCK)
    return [index for key in keys for block in blocks for index in _block(block, key)]


def _group_key(kind: str, petition_id: int, text: str, key_id: int | None) -> bytes:
    """Return the key from which a text's index in each group is computed."""
    return vault.blind_index(f"search-{kind}", str(petition_id), text, key_id=key_id)


def _block(block: int, key: bytes) -> tuple[int, ...]:
    """Return the indexes of `_PER_BLOCK` consecutive groups, from one hash.

    A search computes thousands of indexes; a hash for each took five times as long.
    """
    return _BLOCK.unpack(blake2b(block.to_bytes(2, "big"), key=key).digest())


def person_of(attempt: Attempt) -> dict[str, str]:
    """Return the personal data of an attempt, which is sealed."""
    return {
        "name": attempt.name,
        "email": attempt.email,
        "postcode": attempt.postcode,
        "country": attempt.country,
        "language": attempt.language,
    }


def known_as(signer: Signer) -> list[Indexes]:
    """Return all blind indexes of a signer: stored, and confirmed and pending under each key.

    During a key rotation, signatures of the same mailbox may have indexes under different keys.
    """
    try:
        return known_by(signer, unsealed(signer))
    except vault.CannotOpen:
        return [stored(signer)]


def known_by(signer: Signer, person: Mapping[str, str]) -> list[Indexes]:
    """Return the same as `known_as`, for a signer who is already unsealed.

    Those of a confirmed signature under the current key are at position `CONFIRMED`.
    """
    computed = [
        indexes_of(signer.petition_id, person, is_pending=is_pending, key_id=key_id)
        for key_id in vault.index_key_ids()
        for is_pending in (False, True)
    ]
    return [stored(signer), *computed]


def stored(signer: Signer) -> Indexes:
    """Return the blind indexes in a signer's row, without `global_mailbox`, which is in mails."""
    return Indexes(
        bytes(signer.petition_mailbox_ix),
        bytes(signer.person_ix),
        bytes(signer.home_ix),
        global_mailbox=b"",
    )


def petition_mailbox_indexes(petition_id: int, address: str) -> list[bytes]:
    """Return the blind indexes of a mailbox within a petition, under each key, current one first.

    Those of confirmed signatures precede those of pending ones.
    """
    mailbox = email_addresses.canonical(address)
    return [
        vault.blind_index(f"{prefix}mailbox", str(petition_id), mailbox, key_id=key_id)
        for prefix in ("", _PENDING)
        for key_id in vault.index_key_ids()
    ]


def same_mailbox(petition_id: int, ix: bytes) -> list[bytes]:
    """Return all blind indexes, within a petition, of the mailbox with this index."""
    rows = Signer.objects.filter(petition=petition_id, petition_mailbox_ix=ix)
    known = [index for row in rows[:1] for index in known_as(row)]
    return mailboxes(known) or [ix]


def inboxes_of(address: str) -> list[Inbox]:
    """Return a mailbox's blind indexes over all petitions, under each key, current one first."""
    mailbox = email_addresses.canonical(address)
    return [_inbox(mailbox, key_id) for key_id in vault.index_key_ids()]


def mailbox_of(signature: Signature, address: str) -> Mailbox:
    """Return the payload of the "not me" link in a form's mail, under the current key."""
    inbox = inbox_of(address)
    return Mailbox(
        signature_id=signature.pk,
        epoch=signature.link_epoch,
        petition_id=signature.petition_id,
        key_id=inbox.key_id,
        ix=inbox.ix,
    )


def inbox_of(address: str) -> Inbox:
    """Return a mailbox's blind index over all petitions, under the current key."""
    return _inbox(email_addresses.canonical(address), vault.index_key_id())


def address_as_inboxes(address: str) -> list[Inbox]:
    """Return the blind indexes of an exact address (not its aliases), current key first.

    They are `Inbox` objects because they are stored in the same way. None equals a mailbox's.
    """
    return [Inbox(key_id, _address_index(address, key_id)) for key_id in vault.index_key_ids()]


def _inbox(mailbox: str, key_id: int) -> Inbox:
    return Inbox(key_id, vault.blind_index("inbox", mailbox, key_id=key_id))


def stored_index(use: Use, inbox: Inbox, *, of: int | UUID | None = None) -> bytes:
    """Return the blind index of a mailbox as stored for one use.

    It is over all petitions, unless `of` is the id of a petition or a news.
    """
    scope = [] if of is None else [str(of)]
    return vault.blind_index(f"inbox:{use}", inbox.ix, *scope, key_id=inbox.key_id)


def recipient_of(address: str) -> Recipient:
    """Return an address as the payload of a mailed link: see `is_recipient`."""
    inboxes = tuple(inboxes_of(address))
    return Recipient(_address_index(address, inboxes[0].key_id), inboxes)


def is_recipient(recipient: Recipient, address: str) -> bool:
    """Return whether this is exactly the mailed address, without provider alias rules."""
    if not recipient.inboxes:
        return False
    key_id = recipient.inboxes[0].key_id
    return hmac.compare_digest(recipient.address_ix, _address_index(address, key_id))


def _address_index(address: str, key_id: int) -> bytes:
    return vault.blind_index("recipient", email_addresses.folded(address), key_id=key_id)


def network_index(network: str, day: date | None = None) -> bytes | None:
    """Return the blind index of a network on a day (default: today, UTC), or None for ""."""
    return _of_the_day("network", network, day) if network else None


def domain_index(address: str, day: date | None = None) -> bytes:
    """Return the blind index of an address's domain on a day (default: today, UTC)."""
    return _of_the_day("domain", email_addresses.domain_of(address), day)


def domains_by_index(domains: Iterable[str], days: Iterable[date]) -> dict[bytes, str]:
    """Map blind indexes on these days (UTC) to their domains, to recognise them in rows."""
    days = set(days)
    return {domain_index(f"@{name}", day): name for name in domains for day in days}


def _of_the_day(purpose: str, text: str, day: date | None) -> bytes:
    return vault.blind_index(purpose, (day or datetime.now(UTC).date()).isoformat(), text)


def seal(person: Mapping[str, str], signature_id: UUID) -> bytes:
    """Seal (encrypt) a person, as `person_of` returns them, for a signature."""
    return vault.seal(person, table=TABLE, row_id=signature_id, at_least=SEALED_BYTES)


def unseal(sealed: bytes | memoryview, signature_id: UUID) -> dict[str, str]:
    """Decrypt to name, email, postcode, country and language. Raises `vault.CannotOpen`."""
    value = vault.unseal(sealed, table=TABLE, row_id=signature_id)
    return {key: str(text) for key, text in value.items()}


def opener() -> Callable[[memoryview, bytes], dict[str, str]]:
    """Return `unseal` for exports: its function takes the 16 bytes of an id, to be faster."""
    return cast("Callable[[memoryview, bytes], dict[str, str]]", vault.opener(TABLE))


def unsealed(signer: Signer) -> dict[str, str]:
    """Decrypt the person of a signer's row. Raises `vault.CannotOpen`."""
    return unseal(signer.sealed, signer.signature_id)


def address_of(signer: Signer) -> str | None:
    """Return a signer's exact address, case-folded, or None if it cannot be unsealed.

    Reading it proves nothing about other spellings of the mailbox.
    """
    try:
        return email_addresses.folded(unsealed(signer)["email"])
    except vault.CannotOpen:
        return None


def seal_addressee(mail_id: UUID, *, address: str, language: str, **more: str) -> bytes:
    """Seal the recipient of a mail without a signature, at a fixed length (constant work)."""
    person = {"email": address, "language": language, **more}
    return vault.seal(person, table=MAIL_TABLE, row_id=mail_id, at_least=512)


def addressee(mail: Mail) -> dict[str, str] | None:
    """Decrypt the recipient of a mail: email and language, or the whole signer; None if erased.

    Load the mail with `signature__signer`. Raises `vault.CannotOpen`.
    """
    if mail.sealed:
        value = vault.unseal(mail.sealed, table=MAIL_TABLE, row_id=mail.pk)
        return {key: str(text) for key, text in value.items()}
    signer: Signer | None = getattr(mail.signature, "signer", None)
    return unsealed(signer) if signer else None


def mailboxes(known: Iterable[Indexes]) -> list[bytes]:
    """Return the distinct blind indexes of a mailbox."""
    return list({index.petition_mailbox for index in known})


def persons(known: Iterable[Indexes]) -> list[bytes]:
    """Return the distinct blind indexes of a person."""
    return list({index.person for index in known})
