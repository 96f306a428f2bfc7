"""Sample signatures for trying the site out and for benchmarks: invented people, truly sealed.

They are what signing leaves behind: sealed by the vault, under the same blind indexes, with
slots and tallies. Only their mails are missing, so that nothing is ever sent to anybody.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection
from django.utils import timezone

from petitions import consent, invented, retention, signing, vault
from petitions.invented import pick
from petitions.models import ABROAD, UNKNOWN, Decision, Petition, Place, Postcode, Signature
from petitions.models.signature import new_reference

BATCH = 5_000
State = Signature.State
SHARES = {
    State.CONFIRMED: 86,
    State.PENDING: 8,
    State.HELD: 2,
    State.REMOVED: 3,
    State.WITHDRAWN: 1,
}
_REASONS = (Decision.Reason.AUTOMATED, Decision.Reason.DUPLICATE, Decision.Reason.FALSE_NAME)
_NAME_USES = [
    use
    for use, share in (
        (Signature.NameUse.PUBLIC, 7),
        (Signature.NameUse.GOVERNMENT, 9),
        (Signature.NameUse.WITHHELD, 4),
    )
    for _ in range(share)
]
_ABROAD_SHARE, _UNSAID_SHARE = 0.12, 0.08
_SECOND_OF_MAILBOX_SHARE = 0.04
_WANTS_UPDATES_SHARE = 0.35
_KNOWN_POSTCODES = 2_000


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
    ids under which signatures are removed.
    """

    petition_id: int
    text_version: int
    days: int
    seed: int
    run: str
    now: datetime
    homes: tuple[Home, ...]
    decisions: tuple[UUID, ...]


@dataclass(slots=True)
class Batch:
    """Rows of three tables in PostgreSQL's text format for COPY, and how many in each state."""

    signatures: io.StringIO = field(default_factory=io.StringIO)
    signers: io.StringIO = field(default_factory=io.StringIO)
    items: io.StringIO = field(default_factory=io.StringIO)
    rows: int = 0


def plan(petition: Petition, *, days: int, seed: int, run: str, decisions: list[UUID]) -> Plan:
    """Read once what every batch needs."""
    newest = petition.texts.order_by("-version").first()
    return Plan(
        petition_id=petition.pk,
        text_version=newest.version if newest else 1,
        days=days,
        seed=seed,
        run=run,
        now=timezone.localtime(),
        homes=tuple(_known_homes(Random(seed))),  # noqa: S311 - invents people, keeps no secret
        decisions=tuple(decisions),
    )


def decide(petition: Petition, actor_id: int) -> list[UUID]:
    """Record the decisions that the sample's removed signatures hang on, so that they restore."""
    decisions = Decision.objects.bulk_create(
        Decision(
            petition=petition,
            kind=Decision.Kind.REMOVE,
            reason=reason,
            note="sample data",
            actor_id=actor_id,
        )
        for reason in _REASONS
    )
    return [decision.pk for decision in decisions]


def batches(total: int) -> Iterator[tuple[int, int]]:
    """The first row and the length of every batch of `total` rows."""
    for first in range(0, total, BATCH):
        yield first, min(BATCH, total - first)


def make(plan: Plan, first: int, length: int) -> Batch:
    """Invent a batch. Touches no database, and gives the same people for the same plan."""
    return _Maker(plan, first).make(length)


def store(batch: Batch) -> None:
    """Copy a batch into its tables."""
    with connection.cursor() as cursor:
        for table, columns, rows in (
            ("petitions_signature", _SIGNATURE_COLUMNS, batch.signatures),
            ("petitions_signer", _SIGNER_COLUMNS, batch.signers),
            ("petitions_decisionitem", _ITEM_COLUMNS, batch.items),
        ):
            rows.seek(0)
            cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", rows)


_SIGNATURE_COLUMNS = (
    "id, reference, petition_id, text_version, place_id, state, name_use, wants_updates,"
    " consent_version, link_epoch, decision_id, created_at, confirmed_at"
)
_SIGNER_COLUMNS = "signature_id, petition_id, sealed, mailbox_ix, person_ix, home_ix, slot"
_ITEM_COLUMNS = "decision_id, signature_id, previous_state"
_NULL = r"\N"


@dataclass(frozen=True, slots=True)
class _Mailbox:
    """Somebody's address and home, which one more of the family may share."""

    email: str
    home: Home
    family: str
    name: str


class _Maker:
    """Invents signatures row after row; remembers the last mailbox with a free slot."""

    def __init__(self, plan: Plan, first: int) -> None:
        self.plan = plan
        self.number = first
        self.rng = Random(f"{plan.seed}/{first}")  # noqa: S311 - invents people, keeps no secret
        self.batch = Batch()
        self.shared: _Mailbox | None = None
        self.exact_after = plan.now - retention.EXACT_FOR

    def make(self, length: int) -> Batch:
        # One of each state first, so that the smallest sample has them all.
        states = list(SHARES) if self.number == 0 else []
        states += self.rng.choices(list(SHARES), list(SHARES.values()), k=length)
        for state in states[:length]:
            self._add(state)
            self.number += 1
        self.batch.rows = length
        return self.batch

    def _add(self, state: State) -> None:
        # What the state was before the moderator's decision tells what the row must have.
        before = self._before_removal() if state is State.REMOVED else state
        signature_id = uuid4()
        created, confirmed = self._times(before)
        takes_slot = before in {State.CONFIRMED, State.HELD}
        attempt, slot, place = self._attempt(takes_slot)
        decision = str(pick(self.rng, self.plan.decisions)) if state is State.REMOVED else _NULL
        wants_updates = attempt.wants_updates and state is not State.WITHDRAWN
        self.batch.signatures.write(
            f"{signature_id}\t{new_reference()}\t{self.plan.petition_id}\t{attempt.text_version}\t"
            f"{place}\t{state.value}\t{attempt.name_use}\t{'t' if wants_updates else 'f'}\t"
            f"{attempt.consent_version}\t0\t{decision}\t{created}\t{confirmed}\n"
        )
        if state is not State.WITHDRAWN:
            self._add_signer(signature_id, attempt, slot)
        if state is State.REMOVED:
            self.batch.items.write(f"{decision}\t{signature_id}\t{before.value}\n")

    def _add_signer(self, signature_id: UUID, attempt: signing.Attempt, slot: str) -> None:
        petition_id = self.plan.petition_id
        index = signing.indexes(petition_id, attempt)
        sealed = vault.seal(attempt.sealable(), table=signing.SIGNER_TABLE, row_id=signature_id)
        self.batch.signers.write(
            f"{signature_id}\t{petition_id}\t\\\\x{sealed.hex()}\t\\\\x{index.mailbox.hex()}\t"
            f"\\\\x{index.person.hex()}\t\\\\x{index.home.hex()}\t{slot}\n"
        )

    def _attempt(self, takes_slot: bool) -> tuple[signing.Attempt, str, str]:
        """What somebody typed, the slot they take, and their place."""
        rng, shared = self.rng, self.shared
        person = invented.person(rng)
        joins = takes_slot and shared is not None and rng.random() < _SECOND_OF_MAILBOX_SHARE
        if joins and shared is not None and person.name != shared.name:
            mailbox, slot = shared, "2"
            self.shared = None
        else:
            mailbox, slot = self._mailbox(person), "1" if takes_slot else _NULL
            self.shared = mailbox if takes_slot else self.shared
        attempt = signing.Attempt(
            name=person.name,
            email=mailbox.email,
            postcode=mailbox.home.postcode,
            country=mailbox.home.country,
            language=person.language,
            name_use=pick(rng, _NAME_USES),
            wants_updates=rng.random() < _WANTS_UPDATES_SHARE,
            text_version=self.plan.text_version,
            consent_version=consent.CURRENT,
        )
        return attempt, slot, mailbox.home.place

    def _mailbox(self, person: invented.Person) -> _Mailbox:
        domain = pick(self.rng, invented.DOMAINS)
        email = f"{person.handle}.{self.plan.run}.{self.number}@{domain}"
        return _Mailbox(email, self._home(), person.family, person.name)

    def _home(self) -> Home:
        chance = self.rng.random()
        if chance < _ABROAD_SHARE:
            return Home("", pick(self.rng, invented.COUNTRIES), ABROAD)
        if chance < _ABROAD_SHARE + _UNSAID_SHARE:
            return Home("", "", UNKNOWN)
        if self.plan.homes:
            return pick(self.rng, self.plan.homes)
        return Home(invented.postcode(self.rng), "", UNKNOWN)

    def _before_removal(self) -> State:
        return State.PENDING if self.rng.random() < 0.1 else State.CONFIRMED  # noqa: PLR2004

    def _times(self, state: State) -> tuple[str, str]:
        """When it was signed and confirmed: more at the start, as when a campaign is news."""
        rng, plan = self.rng, self.plan
        is_pending = state is State.PENDING
        days = min(plan.days, settings.PENDING_DAYS - 1) if is_pending else plan.days
        age = rng.random() ** 0.6 * days * 86_400
        created = plan.now - timedelta(seconds=age)
        if is_pending:
            return self._cut(created), _NULL
        confirmed = min(created + timedelta(seconds=rng.expovariate(1 / 1_800)), plan.now)
        return self._cut(created), self._cut(confirmed)

    def _cut(self, time: datetime) -> str:
        """The time as the site keeps it: by the day once it is no longer fresh."""
        if time >= self.exact_after:
            return time.isoformat()
        return time.replace(hour=0, minute=0, second=0, microsecond=0).isoformat()


def _known_homes(rng: Random) -> Iterator[Home]:
    """Some homes in constituencies; postcodes that are loaded, else ones of the right shape."""
    loaded = Postcode.objects.values_list("postcode", "place_id")[:_KNOWN_POSTCODES]
    for postcode, place in loaded:
        yield Home(postcode, "", place)
    if not loaded:
        constituencies = Place.objects.filter(kind=Place.Kind.CONSTITUENCY)
        for code in constituencies.values_list("code", flat=True):
            yield Home(invented.postcode(rng), "", code)
