"""Redirects from addresses that petitions and statements had once, for ever."""

from http import HTTPStatus

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import patch_cache_control

from campaign.models import Statement, StatementText
from petitions.publishing import changes

# Seconds. Not for ever in browsers: a slug may be given back to what had it first.
_KEPT = 300
_OF_STATEMENTS = {"campaign:statement", "campaign:history"}


def redirect_of(request: HttpRequest) -> HttpResponse | None:
    """The redirect for a request that found nothing: any page, picture or figure of a petition, or
    a statement; None if nothing public had this slug. One query, where a slug was not found alone.

    A form that was sent to the old address is sent again to the new one (308).
    """
    match = request.resolver_match
    if match is None or not (old := match.kwargs.get("slug")):
        return None
    try:
        slug = _statement(old) if match.view_name in _OF_STATEMENTS else changes.current_slug(old)
    except (DatabaseError, InterfaceError):
        return None
    if slug is None:
        return None
    query = request.META.get("QUERY_STRING", "")
    url = reverse(match.view_name, kwargs={**match.kwargs, "slug": slug})
    response = HttpResponseRedirect(f"{url}?{query}" if query else url)
    is_read = request.method in {"GET", "HEAD"}
    moved = HTTPStatus.MOVED_PERMANENTLY if is_read else HTTPStatus.PERMANENT_REDIRECT
    response.status_code = moved
    patch_cache_control(response, public=True, max_age=_KEPT)
    return response


def _statement(slug: str) -> str | None:
    public = StatementText.objects.published().values("statement")
    found = Statement.objects.filter(former_addresses__slug=slug, pk__in=public)
    return found.values_list("slug", flat=True).first()
