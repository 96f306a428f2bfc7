"""The purposes of exports. Each declares its columns, and a file contains nothing else.

A purpose is a class: who may export it, what its file contains and may be used for, how long copies
may be kept, and its rows. To add one, write its class below, and say in docs/organisers.md what its
file may be used for. The screens, the command, the record and the reminder follow.
"""

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, ClassVar

from petitions.handover import reading
from petitions.handover.reading import Row
from petitions.identity import residence
from petitions.mail import suppression
from petitions.mail.suppression import Addressee
from petitions.models import ABROAD, Export, Place, Signature
from petitions.models.counts import ANONYMITY_THRESHOLD
from petitions.models.signature import spoken
from petitions.signatures import self_service
from petitions.signers import sealing

Cells = tuple[str | int, ...]

RARE = ANONYMITY_THRESHOLD
# Rows kept in memory to be shuffled. With 20,000 the first row came after a second, and memory rose
# above 100 MB.
SHUFFLED = 4_000
EXPORT = "petitions.export_signatures"
_open = sealing.opener()
_WITHHELD = Signature.NameUse.WITHHELD.value


class Purpose(ABC):
    """One purpose of exports."""

    name: ClassVar[str]
    label: ClassVar[str]
    contains: ClassVar[str]
    allowed: ClassVar[str]
    permission: ClassVar[str] = EXPORT
    kept_for: ClassVar[timedelta]
    columns: ClassVar[tuple[str, ...]]
    # Whether rows are about single people: copies outlive their withdrawal.
    has_people: ClassVar[bool] = True
    # Whether it may cover all petitions together.
    spans_petitions: ClassVar[bool] = False
    # Whether it may be limited to one place, or to some days.
    has_parts: ClassVar[bool] = True
    # Whether it asks for one address instead of a selection.
    is_of_one_person: ClassVar[bool] = False
    # Templates show the class itself. Django's would call it.
    do_not_call_in_templates: ClassVar[bool] = True

    def __init__(self, export: Export, subject: str = "") -> None:
        """`subject` is the person's address, if the purpose `is_of_one_person`."""
        self.export = export
        self.subject = subject

    @abstractmethod
    def batches(self) -> Iterator[list[Cells]]:
        """Yield the rows of the file, in batches that fit into memory."""

    @abstractmethod
    def about(self) -> int:
        """Return about how many rows there are."""


class HandIn(Purpose):
    """The list that is handed in to the petition's addressee."""

    name = "hand-in"
    label = "Hand the petition in"
    contains = (
        "One row for each counted signature: its reference, the name unless the signer withheld "
        "it, the constituency or country, and the day. No address and no postcode."
    )
    allowed = (
        "To hand in with the petition, to those to whom it is addressed, and to check what was "
        "handed in."
    )
    kept_for = timedelta(days=183)
    columns = ("reference", "name", "constituency or country", "day")
    # A signer with a withheld name is not even read, except for the country if abroad.
    opened: ClassVar[str] = "s.name_use <> 'withheld' OR s.place_id = 'abroad'"

    def batches(self) -> Iterator[list[Cells]]:
        # Looking up a name's translation is slow: do it once per place, not once per row.
        names = {code: str(place) for code, place in reading.places().items()}
        for batch in reading.batches(self.export, opened=self.opened):
            yield [_handed_in(row, names) for row in batch]

    def about(self) -> int:
        return reading.about(self.export)


class ByConstituency(Purpose):
    """Numbers by constituency, for letters to Members of Parliament."""

    name = "by-constituency"
    label = "Write to Members of Parliament"
    contains = (
        "One row for each constituency: its code, name and region, and the exact number of "
        "counted signatures. Nothing about any person."
    )
    allowed = (
        "To tell each Member how many of their constituents signed. Do not publish a number "
        "under 25."
    )
    kept_for = timedelta(days=365)
    columns = ("code", "constituency", "region", "signatures")
    has_people = False

    def batches(self) -> Iterator[list[Cells]]:
        places, counted = reading.places(), reading.by_place(self.export)
        lines = [(places[code], n) for code, n in counted.items()]
        lines.sort(key=lambda line: (line[0].kind, line[0].name))
        yield [(p.code, str(p), str(p.get_region_display()), n) for p, n in lines]

    def about(self) -> int:
        return len(reading.by_place(self.export))


class Supporters(Purpose):
    """Addresses of supporters who asked for news and may still be mailed."""

    name = "supporters"
    label = "Send news to supporters who asked for it"
    contains = (
        "One row for each supporter who asked for news: address, name unless withheld, and "
        "language. It leaves out people who withdrew, unsubscribed or objected, or whose address "
        "does not work."
    )
    allowed = (
        "To send news of this petition, once, within a week, with a way to unsubscribe. Export "
        "again before each sending, because people leave the list every day. If a row has no "
        "name, that person withheld it. The subject of their mail must not name a petition."
    )
    permission = "petitions.export_supporters"
    kept_for = timedelta(days=7)
    columns = ("address", "name", "language")
    spans_petitions = True
    # The supporters of one place and day would show where and when the owner of an address signed.
    # Beside the hand-in list of the same few they would also show the reference of somebody who
    # withheld their name. News to one place is sent by the site, which requires 25 people and a
    # second organiser.
    has_parts = False
    wanted: ClassVar[str] = "s.wants_updates"

    def batches(self) -> Iterator[list[Cells]]:
        read = reading.batches(self.export, where=self.wanted)
        yield from _shuffled([*_mailable(batch)] for batch in read)

    def about(self) -> int:
        return reading.about(self.export, self.wanted)


class Research(Purpose):
    """Weeks and places without anything personal, for research."""

    name = "research"
    label = "Give to research"
    contains = (
        "One row for each counted signature: the week and the constituency. Places with fewer "
        "than 25 are put together as “elsewhere”, and left out if that has fewer than 25. No "
        "reference, no name."
    )
    allowed = "To give to researchers. They may publish figures of 25 or more."
    kept_for = timedelta(days=365)
    columns = ("week", "constituency")
    has_people = False
    spans_petitions = True

    def batches(self) -> Iterator[list[Cells]]:
        shown = _merged(reading.by_place(self.export), reading.places())
        for batch in reading.batches(self.export, opened="FALSE"):
            yield [
                (_week(day), shown[place])
                for _id, _petition, _reference, _use, place, day, _sealed in batch
                if place in shown
            ]

    def about(self) -> int:
        return reading.about(self.export)


class OnePerson(Purpose):
    """All data about one person, for somebody who writes in and proves who they are."""

    name = "person"
    label = "Answer one person who asks what you hold about them"
    contains = (
        "All that is stored about one email address: each signature with name, address, "
        "postcode, choices and messages. If nobody signed with it, the file has no rows."
    )
    allowed = "To give to that person, and to nobody else. Then delete it."
    permission = "petitions.export_person"
    kept_for = timedelta(days=30)
    columns = (
        "petition", "reference", "state", "name", "email", "postcode", "country", "language",
        "counts_for", "name_use", "wants_updates", "news_may_name", "text_version",
        "consent_version", "source", "signed", "confirmed", "mails",
    )  # fmt: skip
    spans_petitions = True
    is_of_one_person = True

    def batches(self) -> Iterator[list[Cells]]:
        held = self_service.subject_access(recipient=sealing.recipient_of(self.subject))
        yield [
            tuple(_in_words(one[column]) for column in self.columns) for one in held["signatures"]
        ]

    def about(self) -> int:
        return 0


PURPOSES: dict[str, type[Purpose]] = {
    one.name: one for one in (HandIn, ByConstituency, Supporters, Research, OnePerson)
}


def of(export: Export, subject: str = "") -> Purpose:
    """Return the purpose of an export. Raises `KeyError` if only another release has it."""
    return PURPOSES[export.purpose](export, subject)


def _person(key: str, sealed: memoryview | None) -> dict[str, str]:
    """Return the unsealed signer, or {} if they were not read or retention has erased them."""
    return {} if sealed is None else _open(sealed, bytes.fromhex(key))


def _handed_in(row: Row, names: dict[str, str]) -> Cells:
    key, _petition, reference, name_use, place, day, sealed = row
    person = _person(key, sealed)
    country = person.get("country", "") if place == ABROAD else ""
    return (
        spoken(reference),
        "" if name_use == _WITHHELD else person.get("name", ""),
        _country(country) if country else names[place],
        day,
    )


def _mailable(batch: list[Row]) -> Iterator[Cells]:
    """Yield address, name and language of those who may be mailed, with one query for the batch."""
    people = {
        key: (petition, name_use, person)
        for key, petition, _reference, name_use, _place, _day, sealed in batch
        if (person := _person(key, sealed))
    }
    unwanted = suppression.reasons(
        {
            key: Addressee(petition, person["email"])
            for key, (petition, _use, person) in people.items()
        },
        are_news=True,
    )
    for key, (_petition, name_use, person) in people.items():
        if key not in unwanted:
            name = "" if name_use == _WITHHELD else person["name"]
            yield person["email"], name, person["language"]


def _shuffled(batches: Iterable[list[Cells]]) -> Iterator[list[Cells]]:
    """Yield all rows in random order, each drawn from at least `SHUFFLED` or from all that remain.

    In the order of the hand-in list, each address would be next to its row there: constituency, day
    and reference, even if its owner withheld the name. Shuffling within batches is not enough: the
    one row of a last batch would be among the last rows of that list, and an organiser could push
    one more row into it with each supporter of their own.
    """
    chance, waiting = random.SystemRandom(), list[Cells]()
    for batch in batches:
        waiting += batch
        drawn = []
        while len(waiting) > SHUFFLED:
            at = chance.randrange(len(waiting))
            waiting[at], waiting[-1] = waiting[-1], waiting[at]
            drawn.append(waiting.pop())
        if drawn:
            yield drawn
    chance.shuffle(waiting)
    if waiting:
        yield waiting


def _merged(counted: Counter[str], places: dict[str, Place]) -> dict[str, str]:
    """Map the code of each place to its name in the file. Places that are left out are missing."""
    rare = {code for code, n in counted.items() if n < RARE}
    shown = {code: str(places[code]) for code in counted if code not in rare}
    if sum(counted[code] for code in rare) >= RARE:
        shown |= dict.fromkeys(rare, "elsewhere")
    return shown


@lru_cache(maxsize=4_096)
def _week(day: str) -> str:
    """Return the Monday of a day's week."""
    parsed = date.fromisoformat(day)
    return (parsed - timedelta(days=parsed.weekday())).isoformat()


@lru_cache(maxsize=512)
def _country(code: str) -> str:
    return residence.country_name(code, "en")


def _in_words(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(" ".join(mail.values()) for mail in value)
    return "" if value is None else str(value)
