"""Pages of drafts as the public will see them, and the view behind a secret link to a draft."""

from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from campaign import draft_links
from campaign.models import Statement, StatementText
from campaign.views import statement_context
from petitions.crypto import tokens
from petitions.formatting.languages import in_language
from petitions.formatting.sanitising import render_markdown
from petitions.models import Petition, PetitionText
from petitions.publishing.organisation import organisation
from petitions.publishing.visibility import standing_if_open
from petitions.sharing import heads
from petitions.web.forms import SignForm
from petitions.web.guards import token_is_proof
from petitions.web.responses import SeeOther, get_or_post
from petitions.web.views.throttling import throttled


def statement_page(statement: Statement, language: str) -> dict[str, Any]:
    """Return the template context of a statement's page in the active `language`, drafts included.

    Its petition is shown as if it were open. Raises `Http404` if there is no text.
    """
    text = StatementText.objects.to_preview(statement, language)
    if text is None:
        raise Http404
    shown, petition = statement_context(text), statement.petition
    asked = PetitionText.objects.to_preview(petition, language) if petition else None
    if petition is None or asked is None:
        return shown
    return {**shown, **standing_if_open(petition), "petition": petition, "asked": asked}


def petition_page(petition: Petition, language: str) -> dict[str, Any]:
    """Return the same for a petition's page, with its form. Raises `Http404` without a text."""
    text = PetitionText.objects.to_preview(petition, language)
    if text is None:
        raise Http404
    return standing_if_open(petition) | {
        "text": text,
        "head": heads.for_petition(text, count=0, organisation=organisation()),
        "body": render_markdown(text.body),
        "form": SignForm(text=text),
    }


@token_is_proof
@get_or_post
def draft(
    request: HttpRequest, language: str, token: str, *, is_petition: bool = False
) -> HttpResponse:
    """Show the draft behind a secret link, or redirect to its page once it is public.

    The data of its form is never read or stored.
    """
    if response := throttled(request, ()):
        return response
    try:
        link = draft_links.find(token)
    except tokens.BadToken:
        link = None
    if link is None:
        return render(request, "campaign/no_draft.html", status=HTTPStatus.NOT_FOUND)
    statement = link.statement
    if statement and not is_petition:
        return _statement(request, statement, language, token)
    petition = statement.petition if statement else link.petition
    if petition is None:
        raise Http404
    if petition.is_public and petition.texts.published().exists():
        return SeeOther(in_language(petition.get_absolute_url(), language))
    # A draft has no public history to link to.
    shown = petition_page(petition, language)
    shown |= {"is_draft": True, "is_sent": request.method == "POST"}
    if statement:
        shown["draft_statement_path"] = reverse("drafts:draft", args=[language, token])
    return render(request, "campaign/draft_petition.html", shown)


def _statement(
    request: HttpRequest, statement: Statement, language: str, token: str
) -> HttpResponse:
    if statement.texts.published().exists():
        return SeeOther(in_language(statement.get_absolute_url(), language))
    shown = statement_page(statement, language) | {"is_draft": True}
    shown["draft_petition_path"] = reverse("drafts:petition", args=[language, token])
    return render(request, "campaign/draft_statement.html", shown)
