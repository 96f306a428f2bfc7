"""Metadata in the head of a statement's page: canonical URL, link preview, JSON-LD."""

from django.urls import reverse

from campaign.models import Statement, StatementText
from petitions.models import Petition
from petitions.publishing.organisation import organisation
from petitions.sharing import heads


def path_of(statement: Statement) -> str:
    """The path of a statement in the active language; the featured one has the front page."""
    if statement.is_featured:
        return reverse("campaign:front_page")
    return statement.get_absolute_url()


def for_statement(text: StatementText, petition: Petition | None) -> heads.Head:
    """The head of a statement's page; `petition` if it leads to one that the public may see."""
    publisher = heads.publisher(organisation())
    data = {
        "@type": "Article",
        "headline": text.title,
        "datePublished": text.published_at.isoformat() if text.published_at else None,
        # The month that the words are from, where they are older than this site.
        "dateCreated": text.dated.strftime("%Y-%m") if text.dated else None,
        "author": publisher,
        "publisher": publisher,
    }
    return heads.head(
        path=path_of(text.statement),
        title=text.title,
        summary=text.summary,
        text_language=text.language,
        languages=text.languages or [text.language],
        image=heads.image_of(petition),
        data={name: value for name, value in data.items() if value},
        published_at=text.published_at,
    )
