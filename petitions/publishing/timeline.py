"""The public timeline of a petition: opening, milestones and close."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from petitions.formatting.languages import last_day
from petitions.models import Milestone, PetitionText

Kind = Milestone.Kind


@dataclass(frozen=True)
class Event:
    """One past or announced entry of the timeline, in the reader's language if there is a text."""

    kind: str
    day: date
    title: str
    words: str = ""
    link: str = ""
    # Empty for the site's own words, which exist in every language.
    language: str = ""

    @property
    def is_ahead(self) -> bool:
        return self.day > timezone.localdate()


@dataclass(frozen=True)
class Story:
    """The timeline of one petition, ordered by day, and the days on which it was first handed in
    and answered; None if that is still to come.
    """

    events: tuple[Event, ...]
    handed_in: date | None
    answered: date | None


def story_of(text: PetitionText) -> Story:
    """Return the timeline in the active language; `text` comes from `to_show`."""
    petition = text.petition
    events = [event_of(row) for row in text.milestones]
    if petition.opens_at:
        title = _("Opens for signatures") if petition.is_announced() else _("Opened for signatures")
        events.insert(0, Event("opened", timezone.localdate(petition.opens_at), title))
    if petition.closes_at:
        is_over = petition.closes_at <= timezone.now()
        title = _("Closed for signatures") if is_over else _("Closes for signatures")
        events.append(Event("closed", last_day(petition.closes_at), title))
    # The sort is stable: events of one day stay in the order opened, milestones, closed.
    events.sort(key=lambda event: event.day)
    past = [event for event in events if not event.is_ahead]
    handed_in = next((event.day for event in past if event.kind == Kind.HANDED_IN), None)
    answered = next((event.day for event in past if event.kind == Kind.REPLY), None)
    return Story(tuple(events), handed_in, answered)


def event_of(row: dict[str, Any]) -> Event:
    """Return a milestone from `public_milestones` as an event: in the reader's language, else in
    English, else in any.
    """
    by_language = {text["language"]: text for text in row["texts"]}
    wanted = (get_language() or "", "en", *by_language)
    text = next((by_language[code] for code in wanted if code in by_language), None)
    return Event(
        kind=row["kind"],
        day=date.fromisoformat(row["day"]),
        title=text["title"] if text else str(Kind(row["kind"]).label),
        words=text["words"] if text else "",
        link=row["link"],
        language=text["language"] if text else "",
    )
