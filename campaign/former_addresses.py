"""Permanent redirects from former URLs of petitions and statements."""

from http import HTTPStatus
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.cache import patch_cache_control

from campaign.models import Statement, StatementText
from petitions.models import Petition, PetitionText

# Seconds. Browsers must not keep a redirect for ever: a slug may return to its first owner.
_MAX_AGE = 300
_OF_STATEMENTS = {"campaign:statement", "campaign:history"}


def redirect_of(request: HttpRequest) -> HttpResponse | None:
    """Return the redirect for a request that found nothing, or None if nothing public had its slug.

    This covers all URLs of petitions and statements. One query, and none for URLs without a slug.
    A form posted to the old URL is posted again to the new one (308).
    """
    match = request.resolver_match
    if match is None or not (old := match.kwargs.get("slug")):
        return None
    public = _statements() if match.view_name in _OF_STATEMENTS else _petitions()
    try:
        owners = public.filter(former_addresses__slug=old)
        slug = owners.values_list("slug", flat=True).first()
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
    patch_cache_control(response, public=True, max_age=_MAX_AGE)
    return response


def _statements() -> QuerySet[Any]:
    """Return statements that are public now. Another redirect would reveal a draft's new slug."""
    return Statement.objects.filter(pk__in=StatementText.objects.published().values("statement"))


def _petitions() -> QuerySet[Any]:
    """Return petitions that are public now, or were removed with a public reason."""
    return Petition.objects.published().filter(
        pk__in=PetitionText.objects.published().values("petition")
    )
