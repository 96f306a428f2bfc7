"""Sample signatures as rows to copy in: invented here, without a look at the database."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID

from django.conf import settings

from petitions import retention, signers
from petitions.addresses import Rules
from petitions.models import ABROAD, UNKNOWN, Signature
from petitions.models.signature import new_reference
from petitions.seeding import people
from petitions.seeding.people import pick

State = Signature.State
SHARES = {
    State.CONFIRMED: 86,
    State.PENDING: 8,
    State.HELD: 2,
    State.REMOVED: 3,
    State.WITHDRAWN: 1,
}
SIGNATURE_COLUMNS = (
    "id, reference, petition_id, text_version, place_id, state, name_use, wants_updates,"
    " consent_version, link_epoch, decision_id, created_at, confirmed_at"
)
SIGNER_COLUMNS = "signature_id, petition_id, sealed, mailbox_ix, person_ix, home_ix, slot"
ITEM_COLUMNS = "decision_id, signature_id, previous_state"
_NULL = r"\N"
_NAME_USES = (
    [Signature.NameUse.PUBLIC] * 7
    + [Signature.NameUse.GOVERNMENT] * 9
    + [Signature.NameUse.WITHHELD] * 4
)
_ABROAD_SHARE, _UNSAID_SHARE = 0.12, 0.08
_SECOND_OF_MAILBOX_SHARE = 0.04
_WANTS_UPDATES_SHARE = 0.35
_NEVER_CONFIRMED_SHARE = 0.1
_SECONDS_TO_CONFIRM = 1_800
_DAY = 86_400


class Home(NamedTuple):
    """Where somebody lives, and the line of the count that it belongs to."""

    postcode: str
    country: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all batches of one seeding share. Plain values, so that processes can pass it on.

    `run` stands in every address, so that a second seeding invents other mailboxes; `homes`
    are known homes in the UK, empty where no constituency is loaded yet; `decisions` are the
    ids under which signatures are removed; `rules` are those of the mail providers.
    """

    petition_id: int
    text_version: int
    days: int
    seed: int
    run: str
    now: datetime
    homes: tuple[Home, ...]
    decisions: tuple[UUID, ...]
    rules: Rules


class Batch(NamedTuple):
    """Rows of three tables in PostgreSQL's text format for COPY."""

    length: int
    signatures: str
    signers: str
    items: str


def make(plan: Plan, first: int, length: int) -> Batch:
    """Invent a batch that begins at row `first`: the same people for the same plan."""
    return _Maker(plan, first).make(length)


class _Mailbox(NamedTuple):
    """Somebody's address and home, which one more of the family may share."""

    email: str
    home: Home
    name: str


class _Maker:
    """Invents signatures row after row; remembers the last mailbox with a free slot."""

    def __init__(self, plan: Plan, first: int) -> None:
        self.plan = plan
        self.number = first
        self.rng = Random(f"{plan.seed}/{first}")
        self.signatures: list[str] = []
        self.signers: list[str] = []
        self.items: list[str] = []
        self.shared: _Mailbox | None = None
        self.clock = _Clock(plan.now, plan.days)
        self.ids = _ids()

    def make(self, length: int) -> Batch:
        # One of each state first, so that the smallest sample has them all.
        states = list(SHARES) if self.number == 0 else []
        states += self.rng.choices(list(SHARES), list(SHARES.values()), k=length)
        for state in states[:length]:
            self._add(state)
            self.number += 1
        return Batch(length, "".join(self.signatures), "".join(self.signers), "".join(self.items))

    def _add(self, state: State) -> None:
        # What the state was before the moderator's decision tells what the row must have.
        before = self._before_removal() if state is State.REMOVED else state
        takes_slot = before is State.CONFIRMED or before is State.HELD
        attempt, slot, place = self._attempt(takes_slot)
        created, confirmed = self._times(before)
        decision = str(pick(self.rng, self.plan.decisions)) if state is State.REMOVED else _NULL
        updates = "t" if attempt.wants_updates and state is not State.WITHDRAWN else "f"
        signature_id = next(self.ids)
        self.signatures.append(
            f"{signature_id.hex}\t{new_reference()}\t{self.plan.petition_id}\t"
            f"{attempt.text_version}\t{place}\t{state.value}\t{attempt.name_use}\t{updates}\t"
            f"{attempt.consent_version}\t0\t{decision}\t{created}\t{confirmed}\n"
        )
        if state is not State.WITHDRAWN:
            self._add_signer(signature_id, attempt, slot)
        if state is State.REMOVED:
            self.items.append(f"{decision}\t{signature_id.hex}\t{before.value}\n")

    def _add_signer(self, signature_id: UUID, attempt: signers.Attempt, slot: str) -> None:
        petition_id = self.plan.petition_id
        index = signers.indexes(petition_id, attempt, rules=self.plan.rules)
        sealed = signers.seal(attempt, signature_id)
        self.signers.append(
            f"{signature_id.hex}\t{petition_id}\t\\\\x{sealed.hex()}\t\\\\x{index.mailbox.hex()}\t"
            f"\\\\x{index.person.hex()}\t\\\\x{index.home.hex()}\t{slot}\n"
        )

    def _attempt(self, takes_slot: bool) -> tuple[signers.Attempt, str, str]:
        """What somebody typed, the slot they take, and their place."""
        person = people.person(self.rng)
        mailbox, slot = self._mailbox(person, takes_slot)
        attempt = signers.Attempt(
            name=person.name,
            email=mailbox.email,
            postcode=mailbox.home.postcode,
            country=mailbox.home.country,
            language=person.language,
            name_use=pick(self.rng, _NAME_USES),
            wants_updates=self.rng.random() < _WANTS_UPDATES_SHARE,
            text_version=self.plan.text_version,
        )
        return attempt, slot, mailbox.home.place

    def _mailbox(self, person: people.Person, takes_slot: bool) -> tuple[_Mailbox, str]:
        """A new mailbox, or now and then the last one's second slot for another of the family."""
        if not takes_slot:
            return self._new_mailbox(person), _NULL
        shared, self.shared = self.shared, None
        joins = self.rng.random() < _SECOND_OF_MAILBOX_SHARE
        if shared is not None and joins and shared.name != person.name:
            return shared, "2"
        self.shared = self._new_mailbox(person)
        return self.shared, "1"

    def _new_mailbox(self, person: people.Person) -> _Mailbox:
        domain = pick(self.rng, people.DOMAINS)
        email = f"{person.handle}.{self.plan.run}.{self.number}@{domain}"
        return _Mailbox(email, self._home(), person.name)

    def _home(self) -> Home:
        chance = self.rng.random()
        if chance < _ABROAD_SHARE:
            return Home("", pick(self.rng, people.COUNTRIES), ABROAD)
        if chance < _ABROAD_SHARE + _UNSAID_SHARE:
            return Home("", "", UNKNOWN)
        if self.plan.homes:
            return pick(self.rng, self.plan.homes)
        return Home(people.postcode(self.rng), "", UNKNOWN)

    def _before_removal(self) -> State:
        return State.PENDING if self.rng.random() < _NEVER_CONFIRMED_SHARE else State.CONFIRMED

    def _times(self, state: State) -> tuple[str, str]:
        """When it was signed and confirmed: more at the start, as when a campaign is news."""
        days = self.plan.days
        if state is State.PENDING:
            days = min(days, settings.PENDING_DAYS - 1)
        age = self.rng.random() ** 0.6 * days * _DAY
        if state is State.PENDING:
            return self.clock.at(age), _NULL
        waited = self.rng.expovariate(1 / _SECONDS_TO_CONFIRM)
        return self.clock.at(age), self.clock.at(max(age - waited, 0))


def _ids() -> Iterator[UUID]:
    """Random ids, drawn in bulk: one by one they cost as much as sealing."""
    while True:
        drawn = os.urandom(16 * 1000)
        for start in range(0, len(drawn), 16):
            yield UUID(bytes=drawn[start : start + 16], version=4)


class _Clock:
    """Times as the site keeps them: exact while fresh, by the day after `retention.EXACT_FOR`."""

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
