"""Search for signatures by address, reference, domain, place, postcode or name.

Each search is recorded with its kind and never with its words, because staff could use it to learn
whether somebody signed.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Q

from petitions.crypto import vault
from petitions.identity import email_addresses, names, residence, typed_text
from petitions.infra import locks
from petitions.models import AuditRecord, Petition, Place, Signature, Signer, array_text
from petitions.signers import sealing
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

# How long the blind indexes of domains are kept.
DOMAINS_KEPT = timedelta(days=30)
Kind = Literal["name", "postcode"]
# Signatures of one name or postcode are listed up to here: the whole list is sorted by time.
MAX_ALIKE = 500
# Groups of blind indexes that the first query for a name or postcode asks for.
FIRST_GROUPS = 512
# One moderator's limit for addresses and domains: more than signers write in, too few to test a
# list of people. Names and postcodes are not limited, because the list of signatures shows them.
LIMITED_KINDS, SEARCHES_AN_HOUR, HOUR = ("address", "domain"), 100, timedelta(hours=1)
# Marks records of typed searches, which count against the limit. Records of list pages lack it.
_TYPED = ", typed"
Action = AuditRecord.Action
_REFERENCE_LENGTH = 12
# Letters that Crockford's base 32 leaves out because they look like digits.
_LOOK_ALIKE = str.maketrans("OIL", "011")
_LABEL = re.compile(r"^reference\b\W*", re.IGNORECASE)
_DOMAIN = re.compile(r"@?[^\s@]+\.[^\s@.]{2,}")


@dataclass(frozen=True, slots=True)
class One:
    """The signature with this reference, of any petition."""

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
    """The days of the last 30 on which somebody signed from an email domain, newest first."""

    days: list[Day]


@dataclass(frozen=True, slots=True)
class Like:
    """Signatures with the same name or postcode as `signature_id`, by which a list finds them."""

    kind: Kind
    petition: Petition
    signature_id: UUID


@dataclass(frozen=True, slots=True)
class Nothing:
    """No signature was found. `kind` is what the text looked like, or ""."""

    kind: str


Found = One | OfMailbox | AtPlace | OfDomain | Like | Nothing


def search(*, petition: Petition, text: str, actor: User, screen: str) -> Found:
    """Search a petition, and by most kinds then the others. Record the search.

    Raises `Refused`, without searching, after `SEARCHES_AN_HOUR` searches for addresses and
    domains. The first refusal of an hour is recorded.
    """
    roles.require(actor, roles.MODERATE)
    sought = typed_text.without_invisible(text).strip()
    with transaction.atomic():
        # Checked before anything is looked up, so that the time of a refusal reveals nothing.
        is_of_person = "@" in email_addresses.as_read(sought) or _DOMAIN.fullmatch(sought)
        if not is_of_person or _is_within_budget(petition, actor, screen):
            kind, found = _find(petition, sought)
            record(petition=petition, kind=kind + _TYPED, actor=actor, screen=screen)
            return found
    raise Refused(
        "Nothing was searched. You have searched for too many addresses or domains within an "
        "hour. This is limited, because each search may tell who signed. Wait, or ask another "
        "moderator."
    )


def _is_within_budget(petition: Petition, actor: User, screen: str) -> bool:
    # Without the lock, two concurrent searches could both take the last place within the limit.
    locks.lock_named(f"search {actor.pk}")
    mine = AuditRecord.objects.filter(actor=actor)
    kinds = [f"{kind}{_TYPED}" for kind in LIMITED_KINDS]
    if mine.lately(Action.SEARCHED, HOUR).filter(why__in=kinds).count() < SEARCHES_AN_HOUR:
        return True
    if not mine.lately(Action.SEARCH_REFUSED, HOUR).exists():
        audit.record(action=Action.SEARCH_REFUSED, screen=screen, actor=actor, about=petition)
    return False


def record(*, petition: Petition, kind: str, actor: User, screen: str) -> None:
    """Record that somebody looked for signatures by this kind."""
    audit.record(action=Action.SEARCHED, screen=screen, actor=actor, about=petition, why=kind)


def _find(petition: Petition, text: str) -> tuple[str, Found]:
    """Return the kind of the text and the result, of the first kind that finds something."""
    if "@" in (address := email_addresses.as_read(text)).lstrip("@"):
        return "address", _by_address(petition, address)
    if _DOMAIN.fullmatch(text) and (days := _days_of_domain(petition, text)):
        return "domain", OfDomain(days)
    # Most places have no Welsh name, so without a text the first of these would be found.
    is_named = Q(name__iexact=text) | Q(name_cy__iexact=text)
    if text and (named := Place.objects.filter(is_named).first()):
        return "place", AtPlace(named)
    reference = as_reference(text)
    is_reference = len(reference) == _REFERENCE_LENGTH
    if is_reference and (one := Signature.objects.filter(reference=reference).first()):
        return "reference", One(one.pk)
    if postcode := _as_postcode(text):
        return "postcode", _like("postcode", petition, postcode)
    # "J.Smith" looks like a domain, and a name of twelve letters like a reference.
    found = _like("name", petition, text) if names.has_a_letter(text) else Nothing("")
    if isinstance(found, Nothing):
        found = Nothing(_taken_for(text) or found.kind)
    return found.kind or "unknown", found


def _taken_for(text: str) -> str:
    """Return the kind that a text without a result looks like; "" if it looks like a name.

    "part" is an incomplete reference or postcode.
    """
    reference = as_reference(text)
    if _DOMAIN.fullmatch(text):
        return "domain"
    if len(reference) == _REFERENCE_LENGTH:
        return "reference"
    is_part = len(reference) < _REFERENCE_LENGTH and reference.isascii()
    return "part" if is_part and any(char.isdigit() for char in text) else ""


def _as_postcode(text: str) -> str:
    """Return the text as a canonical postcode, or "" if it is none. Letters alone never are."""
    try:
        postcode = residence.canonical_postcode(text)
    except residence.NotAPostcode:
        return ""
    return postcode if any(char.isdigit() for char in text) else ""


def as_reference(text: str) -> str:
    """Normalise a reference that somebody typed or read out: "O" is 0, "I" and "l" are 1."""
    letters = _LABEL.sub("", text.strip()).upper().translate(_LOOK_ALIKE)
    return "".join(char for char in letters if char.isalnum())


def same(kind: Kind, signature_id: UUID) -> list[UUID]:
    """Return at most `MAX_ALIKE` ids of signatures with the same name or postcode as this one.

    They are of the same petition. Empty if the signer is gone.
    """
    signer = Signer.objects.filter(pk=signature_id).first()
    try:
        text = sealing.unsealed(signer)[kind] if signer else ""
    except vault.CannotOpen:
        text = ""
    return _signers(kind, signer.petition_id, text, MAX_ALIKE) if signer and text else []


def _like(kind: Kind, petition: Petition, text: str) -> Like | Nothing:
    """Return one signer with this name or postcode, in this petition or the newest other one."""
    others = Petition.objects.exclude(pk=petition.pk).order_by("-id")
    for one in (petition, *others):
        if ids := _signers(kind, one.pk, text, 1):
            return Like(kind, one, ids[0])
    return Nothing(kind)


def _signers(kind: Kind, petition_id: int, text: str, most: int) -> list[UUID]:
    """Return at most `most` ids of signers with this name or postcode.

    There is one index look-up for each group of blind indexes, however many have signed. A frequent
    name is found in the first groups, so each query asks for twice as many as the one before.
    OFFSET keeps PostgreSQL from another join, such as one that scans the whole table.
    """
    indexes_of = sealing.indexes_of_name if kind == "name" else sealing.indexes_of_postcode
    indexes, found, first, number = indexes_of(petition_id, text), list[UUID](), 0, FIRST_GROUPS
    sql = f"""
        SELECT alike.signature_id FROM unnest(%s::bigint[]) AS groups(ix) CROSS JOIN LATERAL (
            SELECT signature_id FROM petitions_signer
            WHERE {kind}_ix = groups.ix AND petition_id = %s OFFSET 0
        ) AS alike LIMIT %s
        """  # noqa: S608 - of constants
    with connection.cursor() as cursor:
        while first < len(indexes) and len(found) < most:
            groups = array_text(indexes[first : first + number])
            cursor.execute(sql, [groups, petition_id, most - len(found)])
            found += [pk for (pk,) in cursor.fetchall()]
            first, number = first + number, 2 * number
    return found


def _by_address(petition: Petition, address: str) -> Found:
    """Find the mailbox of an address in this petition, else in another one."""
    others = Petition.objects.exclude(pk=petition.pk).order_by("-id")
    for one in (petition, *others):
        for index in sealing.petition_mailbox_indexes(one.pk, address):
            if Signer.objects.filter(petition=one, petition_mailbox_ix=index).exists():
                return OfMailbox(one, index)
    return Nothing("address")


def _days_of_domain(petition: Petition, domain: str) -> list[Day]:
    """Return one signature from a domain for each day, newest first: one query by all day keys."""
    address = f"x@{email_addresses.ascii_domain(domain.lstrip('@'))}"
    today = datetime.now(UTC).date()
    days = {
        sealing.domain_index(address, today - timedelta(days=n)): today - timedelta(days=n)
        for n in range(DOMAINS_KEPT.days + 1)
    }
    sql = """
        SELECT days.ix, signed.signature_id FROM unnest(%s) AS days(ix) CROSS JOIN LATERAL (
            SELECT signature_id FROM petitions_signer
            WHERE domain_ix = days.ix AND petition_id = %s LIMIT 1
        ) AS signed
        """
    with connection.cursor() as cursor:
        cursor.execute(sql, [[*days], petition.pk])
        return sorted((Day(days[bytes(ix)], pk) for ix, pk in cursor.fetchall()), reverse=True)
