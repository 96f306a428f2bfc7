"""What other places show of a petition: its share image, and papers to put up and hand out."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from petitions import context, tallies
from petitions.caching import public_page
from petitions.models import Petition, PetitionText
from petitions.sharing import cards
from petitions.views.petition import find_text


@public_page
@require_http_methods(["GET", "HEAD"])
def image(request: HttpRequest, slug: str) -> HttpResponse:
    """The share image, with the same count as the page."""
    text = find_text(slug)
    if _is_removed(text):
        return _gone()
    made = cards.card(
        text, count=tallies.total(text.petition_id), organisation=context.organisation().name
    )
    return _open_to_all(HttpResponse(made.content, content_type="image/png"))


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


def _open_to_all(response: HttpResponse) -> HttpResponse:
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
