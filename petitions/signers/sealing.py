"""The signer's personal data: the attempt as typed, its sealing, and its blind indexes."""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple, cast
from uuid import UUID

from django.conf import settings

from petitions.crypto import vault
from petitions.crypto.tokens import Inbox, Mailbox, Recipient
from petitions.identity import email_addresses, names
from petitions.models import Mail, Signature, Signer
from petitions.signers import consent

# Room for all that the form takes: `names.MAX_NAME_BYTES`, an address, a home, and what JSON adds.
SEALED_BYTES = 1024


class Use(StrEnum):
    """What the blind index of a mailbox over all petitions is stored for.

    Each use has an index of its own: anybody can have a row stored for any address, and whoever
    has that row and a copy of the database must not see which other rows it equals. Some have
    another in each petition or news: whoever knows by a hand-in list whose row of one petition it
    is must not see what else that person has signed.
    """

    MAIL = "mail"  # mails to confirm, whose number is limited
    SIGNED = "signed"  # the same mails once their signature is confirmed, by petition
    FIND = "find"  # mails with a link to one's signatures
    ADDRESS = "address"  # mails with a code to a new address
    NEWS = "news"  # news, of which each mailbox gets one, by news


# In the associated data of sealed signers; the row's id is the signature's.
TABLE = "signer"
# Place in `known_by` of the indexes of a confirmed signature under the current key.
CONFIRMED = 1
# Prefix of the purposes of a signature's blind indexes until it is confirmed.
_PENDING = "pending-"
# Signatures fall at random, by their id, into so many groups for the search by name and postcode.
SEARCH_GROUPS = 4096
_GROUP_SHIFT = 128 - 12  # 4096 is two to the twelfth
# The same for recipients without a known signature; the row's id is the mail's.
MAIL_TABLE = "mail"
# Sealed with the address in a mail that is never sent: see `petitions.signatures.find`.
DECOY = "decoy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A submitted form, validated and normalised. `country` is set for signers abroad only."""

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
    # The source code in the link that they followed: see `petitions.counting.sources`.
    source: str = ""


class Indexes(NamedTuple):
    """The blind indexes of one signer, 16 bytes each: of the mailbox, the person in it and the
    home within one petition, and of the mailbox as their mails have it: over all petitions until
    it is confirmed, within the petition since.

    A signature has others while it waits for confirmation than once it is confirmed: see `Use`.
    """

    petition_mailbox: bytes
    person: bytes
    home: bytes
    global_mailbox: bytes


class SearchIndexes(NamedTuple):
    """The blind indexes by which moderators find a name or a postcode, 64 bits each.

    Equal names have equal indexes within one of `SEARCH_GROUPS` groups of a petition's signatures
    only. Under one key for all, a copy of the database would tell the commonest names by how often
    each occurs; and whoever confirms a signature of their own in somebody's name would see there
    whether that person has signed. A search costs one look-up a group, however many have signed.
    """

    name: int
    postcode: int


def indexes(
    petition_id: int, attempt: Attempt, *, is_pending: bool, key_id: int | None = None
) -> Indexes:
    """The blind indexes under which this person is looked up for this petition, before
    confirmation (`is_pending`) or since.

    Under the first (current) key, unless `key_id` names another.
    """
    return indexes_of(petition_id, person_of(attempt), is_pending=is_pending, key_id=key_id)


def indexes_of(
    petition_id: int,
    person: Mapping[str, str],
    *,
    is_pending: bool = False,
    key_id: int | None = None,
) -> Indexes:
    """The blind indexes of a person unsealed from a row."""
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
    """The blind indexes of a person's name and postcode, for the moderators' search.

    Who gave no postcode has one that nobody else has, and so looks like all others.
    """
    prefix, group = _PENDING if is_pending else "", signature_id.int >> _GROUP_SHIFT
    name, postcode = names.folded(person["name"]), person["postcode"] or str(signature_id)
    return SearchIndexes(
        _of_group(group, _group_key(f"{prefix}name", petition_id, name, key_id)),
        _of_group(group, _group_key(f"{prefix}postcode", petition_id, postcode, key_id)),
    )


def indexes_of_name(petition_id: int, name: str) -> list[int]:
    """The blind indexes that a name has in a petition: of each group, before confirmation and
    since, under each key.
    """
    return _in_each_group(petition_id, "name", names.folded(name))


def indexes_of_postcode(petition_id: int, postcode: str) -> list[int]:
    """The same of a canonical postcode."""
    return _in_each_group(petition_id, "postcode", postcode)


def _in_each_group(petition_id: int, kind: str, text: str) -> list[int]:
    keys = [
        _group_key(f"{prefix}{kind}", petition_id, text, key_id)
        for prefix in ("", _PENDING)
        for key_id in settings.INDEX_KEYS
    ]
    return [_of_group(group, key) for key in keys for group in range(SEARCH_GROUPS)]


def _group_key(kind: str, petition_id: int, text: str, key_id: int | None) -> bytes:
    """The key under which the indexes of a text in each group are made."""
    return vault.blind_index(f"search-{kind}", str(petition_id), text, key_id=key_id)


def _of_group(group: int, key: bytes) -> int:
    # Keyed BLAKE2: a search makes thousands, and HMAC took four times as long.
    index = blake2b(group.to_bytes(2, "big"), digest_size=8, key=key).digest()
    return int.from_bytes(index, "big", signed=True)


def person_of(attempt: Attempt) -> dict[str, str]:
    """What is sealed of an attempt."""
    return {
        "name": attempt.name,
        "email": attempt.email,
        "postcode": attempt.postcode,
        "country": attempt.country,
        "language": attempt.language,
    }


def known_as(signer: Signer) -> list[Indexes]:
    """All blind indexes of this person in their petition: those stored, and under each index key
    those of a confirmed signature and of one that waits.

    While the ring of index keys holds several, an earlier signature of the same mailbox may
    still stand under an older one, or a later one under a newer.
    """
    try:
        return known_by(signer, unsealed(signer))
    except vault.CannotOpen:
        return [stored(signer)]


def known_by(signer: Signer, person: Mapping[str, str]) -> list[Indexes]:
    """The same of a signer who is unsealed already. At `CONFIRMED` those that they have from their
    confirmation on.
    """
    computed = [
        indexes_of(signer.petition_id, person, is_pending=is_pending, key_id=key_id)
        for key_id in settings.INDEX_KEYS
        for is_pending in (False, True)
    ]
    return [stored(signer), *computed]


def stored(signer: Signer) -> Indexes:
    """The blind indexes in a signer's row; the one over all petitions is in its mails."""
    return Indexes(
        bytes(signer.petition_mailbox_ix),
        bytes(signer.person_ix),
        bytes(signer.home_ix),
        global_mailbox=b"",
    )


def petition_mailbox_indexes(petition_id: int, address: str) -> list[bytes]:
    """The blind indexes of a mailbox within one petition, under each key, the first one first: of
    confirmed signatures, and then of those that wait.
    """
    mailbox = email_addresses.canonical(address)
    return [
        vault.blind_index(f"{prefix}mailbox", str(petition_id), mailbox, key_id=key_id)
        for prefix in ("", _PENDING)
        for key_id in settings.INDEX_KEYS
    ]


def same_mailbox(petition_id: int, ix: bytes) -> list[bytes]:
    """All blind indexes of the mailbox that has this one, within one petition."""
    rows = Signer.objects.filter(petition=petition_id, petition_mailbox_ix=ix)
    known = [index for row in rows[:1] for index in known_as(row)]
    return mailboxes(known) or [ix]


def inboxes_of(address: str) -> list[Inbox]:
    """A mailbox over all petitions, by its blind index under each key; the first is current."""
    mailbox = email_addresses.canonical(address)
    return [_inbox(mailbox, key_id) for key_id in settings.INDEX_KEYS]


def mailbox_of(signature: Signature, address: str) -> Mailbox:
    """What the "not me" link in the mail about a form says, by the current key."""
    inbox = inbox_of(address)
    return Mailbox(
        signature_id=signature.pk,
        epoch=signature.link_epoch,
        petition_id=signature.petition_id,
        key_id=inbox.key_id,
        ix=inbox.ix,
    )


def inbox_of(address: str) -> Inbox:
    """A mailbox over all petitions, by its blind index under the current key."""
    return _inbox(email_addresses.canonical(address), vault.index_key_id())


def address_as_inboxes(address: str) -> list[Inbox]:
    """One spelling of a mailbox, the very address, by its blind index under each key; the first is
    current. As an `Inbox`, for it is stored in the same way, and equals none.
    """
    return [Inbox(key_id, _address_index(address, key_id)) for key_id in settings.INDEX_KEYS]


def _inbox(mailbox: str, key_id: int) -> Inbox:
    return Inbox(key_id, vault.blind_index("inbox", mailbox, key_id=key_id))


def stored_index(use: Use, inbox: Inbox, *, of: int | UUID | None = None) -> bytes:
    """The blind index of a mailbox as it is stored for one use: over all petitions, or `of` one
    petition or news.
    """
    scope = [] if of is None else [str(of)]
    return vault.blind_index(f"inbox:{use}", inbox.ix, *scope, key_id=inbox.key_id)


def recipient_of(address: str) -> Recipient:
    """An address as a mailed link names it: see `is_recipient`."""
    inboxes = tuple(inboxes_of(address))
    return Recipient(_address_index(address, inboxes[0].key_id), inboxes)


def is_recipient(recipient: Recipient, address: str) -> bool:
    """Whether this is the very address that was mailed, provider alias rules aside."""
    if not recipient.inboxes:
        return False
    key_id = recipient.inboxes[0].key_id
    return hmac.compare_digest(recipient.address_ix, _address_index(address, key_id))


def _address_index(address: str, key_id: int) -> bytes:
    return vault.blind_index("recipient", email_addresses.folded(address), key_id=key_id)


def network_index(network: str, day: date | None = None) -> bytes | None:
    """The blind index of a network, scoped to a day (default: today, UTC); None for ""."""
    return _of_the_day("network", network, day) if network else None


def domain_index(address: str, day: date | None = None) -> bytes:
    """The blind index of an address's domain, scoped to a day (default: today, UTC)."""
    return _of_the_day("domain", email_addresses.domain_of(address), day)


def domains_by_index(domains: Iterable[str], days: Iterable[date]) -> dict[bytes, str]:
    """Domains by their blind indexes of these days (UTC), to recognise them in stored rows."""
    days = set(days)
    return {domain_index(f"@{name}", day): name for name in domains for day in days}


def _of_the_day(purpose: str, text: str, day: date | None) -> bytes:
    return vault.blind_index(purpose, (day or datetime.now(UTC).date()).isoformat(), text)


def seal(attempt: Attempt, signature_id: UUID) -> bytes:
    """Seal (encrypt) the personal data of an attempt for one signature."""
    return seal_again(person_of(attempt), signature_id)


def seal_again(person: Mapping[str, str], signature_id: UUID) -> bytes:
    """Seal a person anew for the same signature, such as under another name or key."""
    return vault.seal(person, table=TABLE, row_id=signature_id, at_least=SEALED_BYTES)


def unseal(sealed: bytes | memoryview, signature_id: UUID) -> dict[str, str]:
    """Decrypt to name, email, postcode, country and language. Raises `vault.CannotOpen`."""
    value = vault.unseal(sealed, table=TABLE, row_id=signature_id)
    return {key: str(text) for key, text in value.items()}


def opener() -> Callable[[memoryview, bytes], dict[str, str]]:
    """`unseal` by the 16 bytes of an id, for exports, which open a million."""
    return cast("Callable[[memoryview, bytes], dict[str, str]]", vault.opener(TABLE))


def unsealed(signer: Signer) -> dict[str, str]:
    """Decrypt the person of a signer's row. Raises `vault.CannotOpen`."""
    return unseal(signer.sealed, signer.signature_id)


def address_of(signer: Signer) -> str | None:
    """The very address of a signer, case-folded: who reads it has proved nothing of other spellings
    of the mailbox. None if it cannot be unsealed.
    """
    try:
        return email_addresses.folded(unsealed(signer)["email"])
    except vault.CannotOpen:
        return None


def seal_addressee(mail_id: UUID, *, address: str, language: str, **more: str) -> bytes:
    """Seal the recipient of a mail without a signature; of fixed length (constant work)."""
    person = {"email": address, "language": language, **more}
    return vault.seal(person, table=MAIL_TABLE, row_id=mail_id, at_least=512)


def addressee(mail: Mail) -> dict[str, str] | None:
    """Decrypt the recipient of a mail: an address and a language, or the whole signer; None if
    erased. Load it with signature and signer. Raises `vault.CannotOpen`.
    """
    if mail.sealed:
        value = vault.unseal(mail.sealed, table=MAIL_TABLE, row_id=mail.pk)
        return {key: str(text) for key, text in value.items()}
    signer: Signer | None = getattr(mail.signature, "signer", None)
    return unsealed(signer) if signer else None


def mailboxes(known: Iterable[Indexes]) -> list[bytes]:
    """The distinct blind indexes of a mailbox."""
    return list({index.petition_mailbox for index in known})


def persons(known: Iterable[Indexes]) -> list[bytes]:
    """The distinct blind indexes of a person."""
    return list({index.person for index in known})
