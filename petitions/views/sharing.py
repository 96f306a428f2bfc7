"""What other places show of a petition: its share image, its badge, and papers to hand out."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from petitions import context, tallies
from petitions.caching import open_to_all, public_page, turns_at
from petitions.models import Petition, PetitionText
from petitions.sharing import badges, cards
from petitions.showing import find_text


@public_page
@require_http_methods(["GET", "HEAD"])
def image(request: HttpRequest, slug: str) -> HttpResponse:
    """The share image, with the same count as the page."""
    text = find_text(slug)
    if _is_removed(text):
        return _gone()
    opens_at = text.petition.turns_at
    made = cards.card(
        text, count=tallies.total(text.petition_id), organisation=context.organisation().name
    )
    response = HttpResponse(made.content, content_type="image/png")
    return turns_at(opens_at, open_to_all(response))


@public_page
@require_http_methods(["GET", "HEAD"])
def badge(request: HttpRequest, slug: str) -> HttpResponse:
    """The count as a small picture, for any site."""
    text = find_text(slug)
    if _is_removed(text):
        return _gone()
    opens_at = text.petition.turns_at
    made = badges.badge(text, count=tallies.total(text.petition_id))
    response = render(request, "petitions/badge.svg", {"badge": made}, content_type="image/svg+xml")
    return turns_at(opens_at, open_to_all(response))


@public_page
@require_http_methods(["GET", "HEAD"])
def poster(request: HttpRequest, slug: str) -> HttpResponse:
    """A poster to print."""
    text = find_text(slug)
    if _is_removed(text):
        return _gone()
    return _paper(cards.poster(text, organisation=context.organisation().name))


@public_page
@require_http_methods(["GET", "HEAD"])
def leaflets(request: HttpRequest, slug: str) -> HttpResponse:
    """Leaflets to print and cut out."""
    text = find_text(slug)
    if _is_removed(text):
        return _gone()
    return _paper(cards.leaflets(text, organisation=context.organisation().name))


def _is_removed(text: PetitionText) -> bool:
    return text.petition.state == Petition.State.REMOVED


def _gone() -> HttpResponse:
    """The reason stands on the petition's own page, for people; this is asked for by machines."""
    return HttpResponse(status=HTTPStatus.GONE)


def _paper(content: bytes) -> HttpResponse:
    response = HttpResponse(content, content_type="application/pdf")
    # Opened in the browser, whose own viewer prints it.
    response["Content-Disposition"] = "inline"
    return response
