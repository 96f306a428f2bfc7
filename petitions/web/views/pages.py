"""View of the static pages about the site: privacy, safety, help, about, accessibility."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods

from petitions.web import long_pages
from petitions.web.cache_headers import public_page


@public_page
@require_http_methods(["GET", "HEAD"])
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Show the page `name`, one of `long_pages.NAMES`."""
    return render(request, "petitions/page.html", {"page": long_pages.read(name, get_language())})
