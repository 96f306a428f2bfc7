"""API v1: a petition's public data, for other sites and for journalists."""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from petitions.counting import goals, tallies
from petitions.models import Petition
from petitions.publishing.visibility import find_text
from petitions.web.cache_headers import open_to_all, public_page, turns_at


@public_page
@require_http_methods(["GET", "HEAD"])
def petition(request: HttpRequest, slug: str) -> HttpResponse:
    """One petition: its state and count, as JSON. CORS is open to any origin."""
    text = find_text(slug)
    asked = text.petition
    if asked.is_removed:
        gone = {
            "slug": asked.slug,
            "state": asked.state,
            "reason": asked.removed_reason,
        }
        return open_to_all(JsonResponse(gone, status=HTTPStatus.GONE))
    count = tallies.total(asked.pk)
    opens_at, state = asked.turns_at, _state(asked)
    known = {
        "slug": asked.slug,
        "title": text.title,
        "url": settings.SITE_URL + asked.get_absolute_url(),
        "state": state,
        "signature_count": count,
        "goal": goals.goal_for(count, asked.goal),
        "opens_at": opens_at,
        "opened_at": None if state == "announced" else asked.opens_at,
        "closes_at": asked.closes_at,
        "closed_at": asked.closes_at if state == "closed" else None,
        "counted_at": timezone.now(),
    }
    return turns_at(opens_at, open_to_all(JsonResponse(known)))


def _state(petition: Petition) -> str:
    if petition.is_announced():
        return "announced"
    if petition.is_interrupted:
        return "paused"
    return "open" if petition.is_accepting() else "closed"
