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
    """Show the statement on the front page, or a page that says that nothing is published."""
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
    """Show the changes of a published statement's text, in the reader's language."""
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
    """Return the template context of a statement's page, for a text from `with_related`."""
    petition = text.statement.petition
    is_public = petition is not None and petition.is_public
    asked = warm_cache.text(petition.slug, get_language()) if petition and is_public else None
    # A petition without a published text has no page to link to.
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
    """Return metadata for the head of a statement's page: canonical URL, link preview, JSON-LD.

    `petition` is its petition if that is public, or None.
    """
    publisher = heads.publisher(organisation())
    data = {
        "@type": "Article",
        "headline": text.title,
        "datePublished": text.published_at.isoformat() if text.published_at else None,
        # The month in which the text was written, if it is older than its publication here.
        "dateCreated": text.dated.strftime("%Y-%m") if text.dated else None,
        "author": publisher,
        "publisher": publisher,
    }
    return heads.head(
        # Not the front page's path, which will show another statement one day.
        path=text.statement.get_absolute_url(),
        title=text.title,
        summary=text.summary or plain(text.body),
        text_language=text.language,
        languages=text.languages or [text.language],
        image=heads.image_of(petition),
        data={name: value for name, value in data.items() if value},
        published_at=text.published_at,
    )
