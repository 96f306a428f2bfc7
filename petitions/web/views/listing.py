"""View of the list of petitions."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from petitions.publishing.visibility import listing
from petitions.web.cache_headers import public_page, turns_at


@public_page
@require_http_methods(["GET", "HEAD"])
def page(request: HttpRequest) -> HttpResponse:
    """List every readable petition: open, announced and closed."""
    listed = listing(get_language())
    response = render(request, "petitions/petitions.html", listed._asdict())
    return turns_at(listed.turns_at, response)
