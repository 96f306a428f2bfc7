"""Views of the campaign's own pages: statements."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from campaign.models import StatementText
from petitions.counting import sources, tallies
from petitions.formatting.sanitising import plain, render_markdown
from petitions.models import Petition
from petitions.publishing import warm_cache
from petitions.publishing.organisation import organisation
from petitions.publishing.visibility import has_several, standing
from petitions.sharing import heads
from petitions.web.responses import carries_source, public_page, turns_at


@public_page
@require_http_methods(["GET", "HEAD"])
def front_page(request: HttpRequest) -> HttpResponse:
    """The featured statement; while nothing is published, a page that says so."""
    text = StatementText.objects.on_front_page(get_language())
    if text is None:
        return render(request, "campaign/nothing_yet.html")
    return _statement(request, text)


@public_page
@require_http_methods(["GET", "HEAD"])
def statement(request: HttpRequest, slug: str) -> HttpResponse:
    text = StatementText.objects.to_show(get_language()).filter(statement__slug=slug).first()
    if text is None:
        raise Http404
    return _statement(request, text)


@public_page
@require_http_methods(["GET", "HEAD"])
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """What has been changed in a published statement's text, in the reader's language."""
    texts = StatementText.objects.to_show(get_language()).prefetch_related("corrections")
    text = texts.filter(statement__slug=slug).first()
    if text is None:
        raise Http404
    path = reverse("campaign:statement", args=[slug])
    shown = {"text": text, "path": path, "versions": [text], "is_signed": False}
    return render(request, "petitions/history.html", shown)


def _statement(request: HttpRequest, text: StatementText) -> HttpResponse:
    source = sources.carried(request.META)
    shown = statement_context(text)
    shown["has_several"] = has_several()
    shown["source_query"] = f"?{sources.PARAMETER}={source}" if source else ""
    response = render(request, "campaign/statement.html", shown)
    return turns_at(shown.get("opens_at"), carries_source(response))


def statement_context(text: StatementText) -> dict[str, Any]:
    """Template context of a statement's page, for a text loaded with statement and petition."""
    petition = text.statement.petition
    is_public = petition is not None and petition.is_public
    asked = warm_cache.text(petition.slug, get_language()) if petition and is_public else None
    # A petition none of whose texts is published has no page to lead to.
    is_to_come = petition is not None and asked is None
    if is_to_come:
        petition = None
    shown = standing(petition, tallies.total(petition.pk)) if petition else {}
    return shown | {
        "asked": asked,
        "petition_is_to_come": is_to_come,
        "text": text,
        "head": head(text, petition),
        "body": render_markdown(text.body),
    }


def head(text: StatementText, petition: Petition | None) -> heads.Head:
    """Metadata in the head of a statement's page: canonical URL, link preview, JSON-LD.

    `petition` if it leads to one that the public may see.
    """
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
        # Not the front page, which shows another statement one day.
        path=text.statement.get_absolute_url(),
        title=text.title,
        summary=text.summary or plain(text.body),
        text_language=text.language,
        languages=text.languages or [text.language],
        image=heads.image_of(petition),
        data={name: value for name, value in data.items() if value},
        published_at=text.published_at,
    )
