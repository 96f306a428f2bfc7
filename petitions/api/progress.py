"""API v1: a petition's time series and regional breakdown, as JSON and CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.views.decorators.http import require_http_methods

from petitions.counting import breakdowns
from petitions.counting.breakdowns import Course
from petitions.models import PetitionText
from petitions.publishing.visibility import find_text
from petitions.web.cache_headers import open_to_all, public_page
from petitions.web.guards import View


def _figures(answer: Callable[[PetitionText, Course], HttpResponse]) -> View:
    """Decorator for a view of a petition's figures; a removed petition says why at its own URL."""

    @public_page
    @require_http_methods(["GET", "HEAD"])
    @wraps(answer)
    def view(request: HttpRequest, slug: str) -> HttpResponse:
        text = find_text(slug)
        if text.petition.is_removed:
            return open_to_all(HttpResponse(status=HTTPStatus.GONE))
        return open_to_all(answer(text, breakdowns.course_of(text.petition)))

    return view


@_figures
def series(text: PetitionText, course: Course) -> HttpResponse:
    """Days, regions and milestones as JSON; regions by their English names."""
    return JsonResponse(
        {
            "slug": text.petition.slug,
            "days": list(_days(course)),
            "regions": {
                "counted_after": course.shared_after,
                "rounded_to": breakdowns.ROUNDED_TO,
                "null_means_fewer_than": breakdowns.FEWEST,
                "shares": list(_shares(course)),
            },
            "milestones": text.milestones,
        }
    )


@_figures
def days(text: PetitionText, course: Course) -> HttpResponse:
    """The count at the end of each day as CSV."""
    columns = ("from", "to", "signatures", "change")
    return _csv(f"{text.petition.slug}-days", columns, _days(course))


@_figures
def regions(text: PetitionText, course: Course) -> HttpResponse:
    """Signatures by region as CSV; empty where the count is suppressed (disclosure control)."""
    columns = ("code", "name", "signatures")
    return _csv(f"{text.petition.slug}-regions", columns, _shares(course))


def _days(course: Course) -> Iterator[dict[str, Any]]:
    for span in course.spans:
        yield {
            "from": span.first.isoformat(),
            "to": span.last.isoformat(),
            "signatures": span.total,
            "change": span.change,
        }


def _shares(course: Course) -> Iterator[dict[str, Any]]:
    for share in course.shares:
        with translation.override(settings.LANGUAGE_CODE):
            name = share.name
        yield {"code": share.group, "name": name, "signatures": share.signatures}


def _csv(name: str, columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> HttpResponse:
    # No CSV injection: no user input, only dates, numbers, and codes and names of our own.
    written = io.StringIO()
    table = csv.DictWriter(written, columns)
    table.writeheader()
    table.writerows(rows)
    response = HttpResponse(written.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
