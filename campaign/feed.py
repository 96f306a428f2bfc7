"""The Atom feed of the campaign's news: statements, and events of petitions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.feedgenerator import Atom1Feed, get_tag_uri
from django.utils.html import escape
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from campaign.models import StatementText
from petitions.formatting.sanitising import legible, plain
from petitions.models import Petition, PetitionText
from petitions.publishing.organisation import organisation
from petitions.publishing.timeline import event_of
from petitions.sharing.heads import absolute
from petitions.web.responses import public_page

# Feed readers fetch all entries each time.
_MAX_ENTRIES = 50


@dataclass(frozen=True)
class Entry:
    """One entry of the feed, in the language of its text."""

    event: str
    # Also part of the entry's id: it stays when the statement moves to or from the front page.
    path: str
    at: datetime
    title: str
    summary: str
    language: str


@public_page
@require_http_methods(["GET", "HEAD"])
def feed(request: HttpRequest) -> HttpResponse:
    """Serve the Atom feed in the URL's language. Entries without it have a text in another."""
    language = get_language() or settings.LANGUAGE_CODE
    name = legible(organisation().name)
    home = absolute(reverse("campaign:front_page"))
    news = _Feed(
        title=name or _("News of our petitions"),
        link=home,
        description=_("News of our petitions"),
        language=language,
        feed_url=absolute(reverse("campaign:feed")),
        author_name=name or None,
        feed_guid=home,
    )
    entries = [*_statements(language), *_petitions(language)]
    for entry in sorted(entries, key=lambda entry: entry.at, reverse=True)[:_MAX_ENTRIES]:
        address = absolute(entry.path)
        news.add_item(
            title=legible(entry.title),
            link=address,
            # Escaped against XSS, because feed readers treat summaries as HTML.
            description=escape(legible(entry.summary)),
            # `get_tag_uri` puts a slash of its own before the event.
            unique_id=get_tag_uri(
                f"{absolute(entry.path).rstrip('/')}#{entry.event}", entry.at.date()
            ),
            pubdate=entry.at,
            updateddate=entry.at,
            language=entry.language,
        )
    return HttpResponse(
        news.writeString("utf-8"), content_type="application/atom+xml; charset=utf-8"
    )


class _Feed(Atom1Feed):
    """An Atom feed whose entries have `xml:lang`."""

    def item_attributes(self, item: dict[str, Any]) -> dict[str, str]:
        return {**super().item_attributes(item), "xml:lang": item["language"]}


def _statements(language: str) -> Iterator[Entry]:
    seen = set()
    for text in StatementText.objects.to_show(language):
        if text.statement_id in seen or text.published_at is None:
            continue
        seen.add(text.statement_id)
        path, summary = text.statement.get_absolute_url(), text.summary or plain(text.body)
        yield Entry("statement", path, text.published_at, text.title, summary, text.language)


def _petitions(language: str) -> Iterator[Entry]:
    now = timezone.now()
    for petition in Petition.objects.with_news():
        if petition.is_announced(now):
            # Nothing has happened yet.
            continue
        text = min(
            petition.public_texts,
            key=lambda text: (text.language != language, text.language != "en", -text.version),
        )
        path, title, ask = petition.get_absolute_url(), text.title, text.ask
        opened = petition.opens_at or text.published_at
        if opened is not None:
            words = _("Petition opened: %(title)s") % {"title": title}
            yield Entry("opened", path, opened, words, ask, text.language)
        if petition.closes_at is not None and petition.closes_at <= now:
            words = _("Petition closed: %(title)s") % {"title": title}
            yield Entry("closed", path, petition.closes_at, words, ask, text.language)
        yield from _milestones(petition, text, path)


def _milestones(petition: Petition, text: PetitionText, path: str) -> Iterator[Entry]:
    """Yield entries for a petition's past milestones. Future ones are no news yet."""
    for row in petition.public_milestones:
        event = event_of(row)
        if event.is_ahead:
            continue
        at = timezone.make_aware(datetime.combine(event.day, time.min))
        words = f"{event.title}: {text.title}"
        language = event.language or text.language
        name = f"milestone-{row['id']}"
        yield Entry(name, path, at, words, plain(event.words) or text.ask, language)
