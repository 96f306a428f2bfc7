"""Search for signatures by what a person tells: address, reference, domain or place.

Whoever searches is on record, with the kind of what was sought and never with its words: it is a
tool by which staff could learn whether somebody signed.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from petitions.identity import email_addresses
from petitions.models import AuditRecord, Petition, Place, Signature, Signer
from petitions.signers import sealing
from petitions.staff import audit

# For how long the blind indexes of domains are kept.
DOMAINS_KEPT = timedelta(days=30)
_REFERENCE_LENGTH = 12
# Letters that Crockford's base 32 leaves out, for they look like digits.
_LOOK_ALIKE = str.maketrans("OIL", "011")
_LABEL = re.compile(r"^reference\b\W*", re.IGNORECASE)
_DOMAIN = re.compile(r"@?[^\s@]+\.[^\s@.]{2,}")


@dataclass(frozen=True, slots=True)
class One:
    """A signature with this reference, of whichever petition."""

    signature_id: UUID


@dataclass(frozen=True, slots=True)
class OfMailbox:
    """Signatures of one mailbox, by its blind index within a petition."""

    petition: Petition
    index: bytes


@dataclass(frozen=True, slots=True)
class AtPlace:
    """The signatures of a place."""

    place: Place


class Day(NamedTuple):
    """A day on which somebody signed from a domain, and one of its signatures."""

    day: date
    signature_id: UUID


@dataclass(frozen=True, slots=True)
class OfDomain:
    """Days on which somebody signed from an email domain, the newest first: none if nobody did.

    Older ones than 30 days are not known any more.
    """

    days: list[Day]


@dataclass(frozen=True, slots=True)
class Nothing:
    """No signature was found; `kind` is what the words were taken for, "" for none."""

    kind: str


Found = One | OfMailbox | AtPlace | OfDomain | Nothing


@transaction.atomic
def search(*, petition: Petition, text: str, actor: User, screen: str) -> Found:
    """Find what the words are about, in a petition first, and put on record that it was sought."""
    kind, found = _find(petition, text.strip())
    record(petition=petition, kind=kind, actor=actor, screen=screen)
    return found


def record(*, petition: Petition, kind: str, actor: User, screen: str) -> None:
    """Put on record that somebody looked for signatures of one kind of origin."""
    audit.record(
        action=AuditRecord.Action.SEARCHED,
        screen=screen,
        actor_id=actor.pk,
        about=petition,
        why=kind,
    )


def _find(petition: Petition, text: str) -> tuple[str, Found]:
    """The kind of what was sought, and what is found."""
    if "@" in text.lstrip("@"):
        return "address", _by_address(petition, text)
    if _DOMAIN.fullmatch(text):
        return "domain", OfDomain(_days_of_domain(petition, text))
    named = Place.objects.filter(Q(name__iexact=text) | Q(name_cy__iexact=text)).first()
    if named:
        return "place", AtPlace(named)
    reference = as_reference(text)
    if len(reference) == _REFERENCE_LENGTH:
        pk = Signature.objects.filter(reference=reference).values_list("pk", flat=True).first()
        return "reference", One(pk) if pk else Nothing("reference")
    return "unknown", Nothing("")


def as_reference(text: str) -> str:
    """What somebody wrote or read out as a stored reference: "O" is 0, "I" and "l" are 1."""
    letters = _LABEL.sub("", text.strip()).upper().translate(_LOOK_ALIKE)
    return "".join(char for char in letters if char.isalnum())


def _by_address(petition: Petition, address: str) -> Found:
    """Its mailbox in this petition, else in another one."""
    others = Petition.objects.exclude(pk=petition.pk).order_by("-id")
    for one in (petition, *others):
        for index in sealing.petition_mailbox_indexes(one.pk, address):
            if Signer.objects.filter(petition=one, petition_mailbox_ix=index).exists():
                return OfMailbox(one, index)
    return Nothing("address")


def _days_of_domain(petition: Petition, domain: str) -> list[Day]:
    """One signature of each day, by the keys of the last days: one query."""
    address = f"x@{email_addresses.ascii_domain(domain.lstrip('@'))}"
    today = datetime.now(UTC).date()
    days = {
        sealing.domain_index(address, today - timedelta(days=n)): today - timedelta(days=n)
        for n in range(DOMAINS_KEPT.days + 1)
    }
    rows = Signer.objects.order_by().values_list("domain_ix", "pk")
    first, *others = [rows.filter(petition=petition, domain_ix=index)[:1] for index in days]
    found = first.union(*others, all=True)
    return sorted((Day(days[bytes(index or b"")], pk) for index, pk in found), reverse=True)
