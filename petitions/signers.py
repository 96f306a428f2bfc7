"""Who signs: what somebody typed, how it is sealed, and the indexes it is looked up by."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple
from uuid import UUID

from petitions import addresses, consent, names, vault
from petitions.models import Signer

# The table and purpose that sealed signers are bound to; the row's id is the signature's.
TABLE = "signer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What somebody typed, validated and tidied. `country` is set for signers abroad only."""

    name: str
    email: str
    postcode: str = ""
    country: str = ""
    language: str = "en"
    name_use: str
    wants_updates: bool = False
    text_version: int = 1
    consent_version: int = consent.CURRENT


class Indexes(NamedTuple):
    """The blind indexes of one signer, 16 bytes each; `mail` spans all petitions."""

    mailbox: bytes
    person: bytes
    home: bytes
    mail: bytes


def indexes(petition_id: int, attempt: Attempt) -> Indexes:
    """The blind indexes under which this person is looked up for this petition."""
    petition, mailbox = str(petition_id), addresses.canonical(attempt.email)
    return Indexes(
        mailbox=vault.blind_index("mailbox", petition, mailbox),
        person=vault.blind_index("person", petition, mailbox, names.folded(attempt.name)),
        home=vault.blind_index(
            "home", petition, mailbox, attempt.postcode, attempt.country or "GB"
        ),
        mail=vault.blind_index("mail", mailbox),
    )


def mailbox_index(petition_id: int, address: str) -> bytes:
    """The blind index of a mailbox within one petition; `address` as typed."""
    return vault.blind_index("mailbox", str(petition_id), addresses.canonical(address))


def network_index(network: str, day: date | None = None) -> bytes | None:
    """The index of a network under the key of a day, today unless said; None for ""."""
    return _of_the_day("network", network, day) if network else None


def domain_index(address: str, day: date | None = None) -> bytes:
    """The index of an address's domain under the key of a day, today unless said."""
    domain = addresses.ascii_domain(address.rpartition("@")[2])
    return _of_the_day("domain", domain, day)


def _of_the_day(purpose: str, text: str, day: date | None) -> bytes:
    return vault.blind_index(purpose, (day or datetime.now(UTC).date()).isoformat(), text)


def seal(attempt: Attempt, signature_id: UUID) -> bytes:
    """The personal part of an attempt, sealed for one signature."""
    person = {
        "name": attempt.name,
        "email": attempt.email,
        "postcode": attempt.postcode,
        "country": attempt.country,
        "language": attempt.language,
    }
    return vault.seal(person, table=TABLE, row_id=signature_id)


def unseal(sealed: bytes | memoryview, signature_id: UUID) -> dict[str, str]:
    """What `seal` sealed: name, email, postcode, country, language. Raises `vault.CannotOpen`."""
    value = vault.unseal(sealed, table=TABLE, row_id=signature_id)
    return {key: str(text) for key, text in value.items()}


def unsealed(signer: Signer) -> dict[str, str]:
    """The person of a signer's row. Raises `vault.CannotOpen`."""
    return unseal(signer.sealed, signer.signature_id)
