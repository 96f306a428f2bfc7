"""Views of a petition's share image (Open Graph), badge, poster and leaflets."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from petitions.counting import tallies
from petitions.models import PetitionText
from petitions.publishing.organisation import organisation
from petitions.publishing.visibility import find_text
from petitions.sharing import badges, cards
from petitions.web.cache_headers import open_to_all, public_page, turns_at
from petitions.web.guards import View


def _of_petition(view: Callable[[HttpRequest, PetitionText], HttpResponse]) -> View:
    """Decorator: pass the petition's text to a view. A removed petition says why on its own page,
    for people; these URLs are fetched by machines.
    """

    @public_page
    @require_http_methods(["GET", "HEAD"])
    @wraps(view)
    def found(request: HttpRequest, slug: str) -> HttpResponse:
        text = find_text(slug)
        if text.petition.is_removed:
            return HttpResponse(status=HTTPStatus.GONE)
        return view(request, text)

    return found


@_of_petition
def image(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """The share image (Open Graph), with the same count as the page."""
    opens_at = text.petition.turns_at
    content = cards.card(
        text, count=tallies.total(text.petition_id), organisation=organisation().name
    )
    response = HttpResponse(content, content_type="image/png")
    return turns_at(opens_at, open_to_all(response))


@_of_petition
def badge(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """The badge: the count as a small image, embeddable by any site."""
    opens_at = text.petition.turns_at
    made = badges.badge(text, count=tallies.total(text.petition_id))
    response = render(request, "petitions/badge.svg", {"badge": made}, content_type="image/svg+xml")
    return turns_at(opens_at, open_to_all(response))


@_of_petition
def poster(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """A poster to print."""
    return _paper(cards.poster(text, organisation=organisation().name))


@_of_petition
def leaflets(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Leaflets to print and cut out."""
    return _paper(cards.leaflets(text, organisation=organisation().name))


def _paper(content: bytes) -> HttpResponse:
    response = HttpResponse(content, content_type="application/pdf")
    # Opens in the browser's viewer, which prints it.
    response["Content-Disposition"] = "inline"
    return response
