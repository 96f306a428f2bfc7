"""Sample signatures as rows for COPY, generated without the database.

The budget of a row is 25 microseconds. So random draws are made for a whole batch at once, and
what many rows share is made once.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from random import Random
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.conf import settings

from petitions.crypto import vault
from petitions.identity import email_addresses, names
from petitions.management import sample_people as people
from petitions.management.sample_people import Person
from petitions.models import ABROAD, UNKNOWN, Signature
from petitions.models.signature import new_references
from petitions.privacy import retention
from petitions.signers import consent, sealing
from petitions.signers.sealing import Indexes

State = Signature.State
NameUse = Signature.NameUse
SIGNATURE_COLUMNS = (
    "petition_id, text_version, consent_version, link_epoch, id, reference, place_id, state,"
    " name_use, wants_updates, decision_id, created_at, confirmed_at"
)
SIGNER_COLUMNS = (
    "petition_id, signature_id, sealed, petition_mailbox_ix, person_ix, home_ix, slot, name_ix,"
    " postcode_ix"
)
ITEM_COLUMNS = "decision_id, signature_id, previous_state"
_NULL = r"\N"
T = TypeVar("T")
_NAME_USES = {NameUse.PUBLIC.value: 7, NameUse.GOVERNMENT.value: 9, NameUse.WITHHELD.value: 4}
_WANTS_UPDATES = {"t": 35, "f": 65}
_SECOND_OF_MAILBOX_SHARE = 0.04
_SECONDS_TO_CONFIRM = 1_800
_DAY = 86_400


class Home(NamedTuple):
    """Where somebody lives, and the place of its tally."""

    postcode: str
    country: str
    place: str


_ABROAD = tuple(Home("", country, ABROAD) for country in people.COUNTRIES)
_UNSAID = Home("", "", UNKNOWN)
# Per cent in the United Kingdom, abroad, unsaid.
_HOME_SHARES = (80, 12, 8)


class _Course(NamedTuple):
    """How a signature came to its state, and how many of a hundred did so."""

    share: float
    state: str
    # The state before a moderator's decision; without a decision, the state itself.
    before: str
    was_confirmed: bool
    has_signer: bool


def _course(
    share: float,
    state: State,
    *,
    before: State | None = None,
    was_confirmed: bool = True,
    has_signer: bool = True,
) -> _Course:
    # Plain strings: members of an enumeration are slow to format.
    return _Course(share, state.value, (before or state).value, was_confirmed, has_signer)


# One of each state comes first, so that the smallest sample has them all.
_COURSES = (
    _course(86, State.CONFIRMED),
    _course(8, State.PENDING, was_confirmed=False),
    _course(2, State.HELD),
    _course(2.7, State.REMOVED, before=State.CONFIRMED),
    _course(1, State.WITHDRAWN, has_signer=False),
    _course(0.3, State.REMOVED, before=State.PENDING, was_confirmed=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Parameters of all batches of one seeding. Plain values, so that it can be pickled.

    `run` stands in every address, so that a second seeding invents other mailboxes; `homes`
    are those in the UK; `decisions` are the ids under which signatures are removed.
    """

    petition_id: int
    text_version: int
    days: int
    seed: int
    run: str
    now: datetime
    homes: tuple[Home, ...]
    decisions: tuple[UUID, ...]


class Batch(NamedTuple):
    """Rows of three tables in PostgreSQL's text format for COPY, in UTF-8."""

    length: int
    signatures: bytes
    signers: bytes
    items: bytes


def make(plan: Plan, first: int, length: int) -> Batch:
    """Generate a batch that begins at row `first`: the same people for the same plan."""
    return _Maker(plan, first).make(length)


class _Mailbox(NamedTuple):
    """An address and home, which a second person may share."""

    email: str
    home: Home
    name: str


class _Maker:
    """Generates signatures row by row; keeps the last mailbox with a free slot."""

    def __init__(self, plan: Plan, first: int) -> None:
        self.plan = plan
        self.first = first
        self.rng = Random(f"{plan.seed}/{first}")
        self.indexes = _Indexer(plan.petition_id)
        self.same = f"{plan.petition_id}\t{plan.text_version}\t{consent.CURRENT}\t0\t"
        self.decisions = [str(decision) for decision in plan.decisions]
        self.clock = _Clock(plan.now, plan.days)
        self.signatures: list[str] = []
        self.signers: list[str] = []
        self.items: list[str] = []
        self.shared: _Mailbox | None = None

    def make(self, length: int) -> Batch:
        for row in zip(
            range(self.first, self.first + length),
            self._courses(length),
            people.crowd(self.rng, length),
            self._homes(length),
            self._draw(_NAME_USES, length),
            self._draw(_WANTS_UPDATES, length),
            _ids(length),
            new_references(length),
            strict=True,
        ):
            self._add(*row)
        lines = (self.signatures, self.signers, self.items)
        return Batch(length, *("".join(part).encode() for part in lines))

    def _add(
        self,
        number: int,
        course: _Course,
        person: Person,
        home: Home,
        name_use: str,
        wants_updates: str,
        signature_id: bytes,
        reference: str,
    ) -> None:
        has_slot = course.was_confirmed and course.has_signer
        mailbox, slot = self._mailbox(number, person, home, has_slot=has_slot)
        created, confirmed = self._times(was_confirmed=course.was_confirmed)
        was_removed = course.state != course.before
        decision = pick(self.rng, self.decisions) if was_removed else _NULL
        key = signature_id.hex()
        self.signatures.append(
            f"{self.same}{key}\t{reference}\t{mailbox.home.place}\t{course.state}\t{name_use}\t"
            f"{wants_updates if course.has_signer else 'f'}\t{decision}\t{created}\t{confirmed}\n"
        )
        if course.has_signer:
            self._add_signer(
                signature_id, person, mailbox, slot, is_pending=not course.was_confirmed
            )
        if was_removed:
            self.items.append(f"{decision}\t{key}\t{course.before}\n")

    def _add_signer(
        self,
        signature_id: bytes,
        person: Person,
        mailbox: _Mailbox,
        slot: str,
        *,
        is_pending: bool,
    ) -> None:
        postcode, country, _place = mailbox.home
        typed = {
            "name": person.name,
            "email": mailbox.email,
            "postcode": postcode,
            "country": country,
            "language": person.language,
        }
        index = self.indexes.of(typed, is_pending=is_pending)
        pk, petition_id = UUID(bytes=signature_id), self.plan.petition_id
        sealed = sealing.seal(typed, pk)
        search = sealing.search_indexes(petition_id, pk, typed, is_pending=is_pending)
        self.signers.append(
            f"{self.plan.petition_id}\t{signature_id.hex()}\t"
            f"\\\\x{sealed.hex()}\t\\\\x{index.petition_mailbox.hex()}\t"
            f"\\\\x{index.person.hex()}\t\\\\x{index.home.hex()}\t{slot}\t"
            f"{search.name}\t{search.postcode}\n"
        )

    def _mailbox(
        self, number: int, person: Person, home: Home, *, has_slot: bool
    ) -> tuple[_Mailbox, str]:
        """A new mailbox, or now and then the last one's second slot for another of the family."""
        if not has_slot:
            return self._new_mailbox(number, person, home), _NULL
        shared, self.shared = self.shared, None
        joins = self.rng.random() < _SECOND_OF_MAILBOX_SHARE
        if shared is not None and joins and shared.name != person.name:
            return shared, "2"
        self.shared = self._new_mailbox(number, person, home)
        return self.shared, "1"

    def _new_mailbox(self, number: int, person: Person, home: Home) -> _Mailbox:
        domain = people.DOMAINS[number % len(people.DOMAINS)]
        email = f"{person.handle}.{self.plan.run}.{number}@{domain}"
        return _Mailbox(email, home, person.name)

    def _courses(self, length: int) -> list[_Course]:
        shares = [course.share for course in _COURSES]
        one_of_each = _COURSES if self.first == 0 else ()
        return [*one_of_each, *self.rng.choices(_COURSES, shares, k=length)][:length]

    def _homes(self, length: int) -> list[Home]:
        groups = self.rng.choices((self.plan.homes, _ABROAD, (_UNSAID,)), _HOME_SHARES, k=length)
        return [pick(self.rng, group) for group in groups]

    def _draw(self, shares: dict[str, int], length: int) -> list[str]:
        return self.rng.choices(list(shares), list(shares.values()), k=length)

    def _times(self, *, was_confirmed: bool) -> tuple[str, str]:
        """Times of signing and confirming: more at the start, as when a campaign is news."""
        days = self.plan.days
        if not was_confirmed:
            days = min(days, settings.PENDING_DAYS - 1)
        age = self.rng.random() ** 0.6 * days * _DAY
        if not was_confirmed:
            return self.clock.at(age), _NULL
        waited = self.rng.expovariate(1 / _SECONDS_TO_CONFIRM)
        return self.clock.at(age), self.clock.at(max(age - waited, 0))


class _Indexer:
    """Blind indexes (`sealing.indexes`) in bulk for one petition: shared work is done once."""

    def __init__(self, petition_id: int) -> None:
        petition = str(petition_id)
        self._hashes = {
            is_pending: [
                partial(vault.blind_index, f"{'pending-' * is_pending}{purpose}", petition)
                for purpose in ("mailbox", "person", "home")
            ]
            for is_pending in (False, True)
        }
        # Among many, names repeat.
        self._folded = lru_cache(maxsize=10_000)(names.folded)

    def of(self, person: Mapping[str, str], *, is_pending: bool) -> Indexes:
        """The blind indexes of the signer's row, as `sealing.stored` reads them back."""
        mailbox = email_addresses.canonical(person["email"])
        of_mailbox, of_person, of_home = self._hashes[is_pending]
        return Indexes(
            petition_mailbox=of_mailbox(mailbox),
            person=of_person(mailbox, self._folded(person["name"])),
            home=of_home(mailbox, person["postcode"], person["country"] or "GB"),
            global_mailbox=b"",
        )


# Translation table that sets the version (4) of random UUIDs, for all of them at once.
_VERSION = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))


def pick(rng: Random, values: Sequence[T]) -> T:
    """A random value: three times as fast as `rng.choice`, and as uniform for short lists."""
    return values[int(rng.random() * len(values))]


def _ids(number: int) -> list[bytes]:
    """Random UUIDs, sorted, so that they fill the indexes of the keys page by page."""
    drawn = bytearray(os.urandom(16 * number))
    drawn[6::16] = drawn[6::16].translate(_VERSION)
    drawn[8::16] = drawn[8::16].translate(_VARIANT)
    return sorted(bytes(drawn[start : start + 16]) for start in range(0, len(drawn), 16))


class _Clock:
    """Times as the site stores them: exact, or by the day after `retention.EXACT_FOR`."""

    def __init__(self, now: datetime, days: int) -> None:
        self.now = now
        self.exact_for = retention.EXACT_FOR.total_seconds()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        self.since_midnight = (now - midnight).total_seconds()
        # Made once: most rows of a sample are older than a few days.
        self.midnights = [(midnight - timedelta(days=n)).isoformat() for n in range(days + 2)]

    def at(self, age: float) -> str:
        """The moment `age` seconds ago."""
        if age <= self.exact_for:
            return (self.now - timedelta(seconds=age)).isoformat()
        return self.midnights[int((age - self.since_midnight) // _DAY) + 1]
