"""The public timeline of a petition: opening, milestones and close."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from petitions.models import Milestone, Petition, PetitionText

Kind = Milestone.Kind
OPENED, CLOSED = "opened", "closed"


@dataclass(frozen=True)
class Event:
    """One past or announced entry of the timeline, in the reader's language or in another."""

    kind: str
    day: date
    title: str
    words: str = ""
    link: str = ""
    # Empty where the words are the site's own, which every language has.
    language: str = ""

    @property
    def is_ahead(self) -> bool:
        return self.day > timezone.localdate()


@dataclass(frozen=True)
class Story:
    """The timeline of one petition, in the order of days."""

    events: tuple[Event, ...]

    @property
    def handed_in(self) -> date | None:
        """The day on which it was first handed in, unless that is still to come."""
        return self._first(Kind.HANDED_IN)

    @property
    def answered(self) -> date | None:
        """The day of the Government's first reply."""
        return self._first(Kind.REPLY)

    def _first(self, kind: Kind) -> date | None:
        days = (event.day for event in self.events if event.kind == kind and not event.is_ahead)
        return next(days, None)


def story_of(text: PetitionText) -> Story:
    """The timeline in the active language; `text` comes from `to_show`."""
    milestones = map(event_of, text.milestones)
    events = [*_opening(text.petition), *milestones, *_closing(text.petition)]
    # A stable sort: one day's events stay in the order opened, milestones, closed.
    return Story(tuple(sorted(events, key=lambda event: event.day)))


def event_of(row: dict[str, Any]) -> Event:
    """One milestone as `public_milestones` gives it."""
    text = _best(row["texts"])
    return Event(
        kind=row["kind"],
        day=date.fromisoformat(row["day"]),
        title=text["title"] if text else str(Kind(row["kind"]).label),
        words=text["words"] if text else "",
        link=row["link"],
        language=text["language"] if text else "",
    )


def _opening(petition: Petition) -> Iterator[Event]:
    if petition.opens_at:
        title = _("Opens for signatures") if petition.is_announced() else _("Opened for signatures")
        yield Event(OPENED, _day(petition.opens_at), title)


def _closing(petition: Petition) -> Iterator[Event]:
    if petition.closes_at:
        is_over = petition.closes_at <= timezone.now()
        title = _("Closed for signatures") if is_over else _("Closes for signatures")
        yield Event(CLOSED, _day(petition.closes_at), title)


def _day(moment: datetime) -> date:
    return timezone.localdate(moment)


def _best(texts: Iterable[dict[str, str]]) -> dict[str, str] | None:
    """The text in the reader's language, else in English, else any."""
    by_language = {text["language"]: text for text in texts}
    wanted = (get_language() or "", "en", *by_language)
    return next((by_language[code] for code in wanted if code in by_language), None)
