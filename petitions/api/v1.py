"""API v1: a petition's public data, for other sites and journalists. CORS allows any origin."""

import csv
import io
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone, translation

from petitions.counting import breakdowns, goals, tallies
from petitions.counting.breakdowns import Statistics
from petitions.models import Petition, PetitionText
from petitions.publishing.visibility import find_text
from petitions.web.responses import allow_any_origin, public_page, turns_at
from petitions.web.views.sharing import of_petition


@public_page
def petition(request: HttpRequest, slug: str) -> HttpResponse:
    """Return a petition's state and count as JSON."""
    text = find_text(slug)
    asked = text.petition
    if asked.is_removed:
        gone = {"slug": asked.slug, "state": asked.state, "reason": asked.removed_reason}
        return allow_any_origin(JsonResponse(gone, status=HTTPStatus.GONE))
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
    return turns_at(opens_at, allow_any_origin(JsonResponse(known)))


def _state(petition: Petition) -> str:
    if petition.is_announced():
        return "announced"
    if petition.is_interrupted:
        return "paused"
    return "open" if petition.is_accepting() else "closed"


@of_petition
def progress(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Return days, regions (with English names) and milestones as JSON."""
    statistics = breakdowns.statistics_of(text.petition)
    return JsonResponse(
        {
            "slug": text.petition.slug,
            "days": list(_days(statistics)),
            "regions": {
                "counted_after": statistics.shared_after,
                "rounded_to": breakdowns.ROUNDED_TO,
                "null_means_fewer_than": breakdowns.LEAST_SHOWN,
                "shares": list(_shares(statistics)),
            },
            "milestones": text.milestones,
        }
    )


@of_petition
def days(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Return the count at the end of each day as CSV."""
    columns = ("from", "to", "signatures", "change")
    rows = _days(breakdowns.statistics_of(text.petition))
    return _csv(f"{text.petition.slug}-days", columns, rows)


@of_petition
def regions(request: HttpRequest, text: PetitionText) -> HttpResponse:
    """Return signatures by region as CSV. Suppressed counts are empty (disclosure control)."""
    columns = ("code", "name", "signatures")
    rows = _shares(breakdowns.statistics_of(text.petition))
    return _csv(f"{text.petition.slug}-regions", columns, rows)


def _days(statistics: Statistics) -> Iterator[dict[str, Any]]:
    for span in statistics.spans:
        yield {
            "from": span.first.isoformat(),
            "to": span.last.isoformat(),
            "signatures": span.total,
            "change": span.change,
        }


def _shares(statistics: Statistics) -> Iterator[dict[str, Any]]:
    for share in statistics.shares:
        with translation.override(settings.LANGUAGE_CODE):
            name = share.name
        yield {"code": share.group, "name": name, "signatures": share.signatures}


def _csv(name: str, columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> HttpResponse:
    # CSV injection is impossible: there are only dates, numbers, and our own codes and names.
    written = io.StringIO()
    table = csv.DictWriter(written, columns)
    table.writeheader()
    table.writerows(rows)
    response = HttpResponse(written.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
