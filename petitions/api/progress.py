"""Version 1: the course of a petition as figures, for other sites and for journalists."""

import csv
import io
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone, translation
from django.views.decorators.http import require_http_methods

from petitions import progress
from petitions.caching import public_page
from petitions.models import Petition, PetitionText
from petitions.progress import Course


@public_page
@require_http_methods(["GET", "HEAD"])
def series(request: HttpRequest, slug: str) -> HttpResponse:
    """Days, regions and milestones; region by the names that English has."""
    text = _find(slug)
    if text.petition.state == Petition.State.REMOVED:
        return _gone()
    course = progress.course_of(text.petition)
    return _open_to_all(
        JsonResponse(
            {
                "slug": slug,
                "days": list(_days(course)),
                "regions": _regions(course),
                "milestones": getattr(text, "milestones", []),
            }
        )
    )


@public_page
@require_http_methods(["GET", "HEAD"])
def days(request: HttpRequest, slug: str) -> HttpResponse:
    """The count after each day as CSV."""
    text = _find(slug)
    if text.petition.state == Petition.State.REMOVED:
        return _gone()
    told = _days(progress.course_of(text.petition))
    return _csv(f"{slug}-days", ("from", "to", "signatures", "change"), told)


@public_page
@require_http_methods(["GET", "HEAD"])
def regions(request: HttpRequest, slug: str) -> HttpResponse:
    """Signatures by region as CSV; empty where they are fewer than may be said."""
    text = _find(slug)
    if text.petition.state == Petition.State.REMOVED:
        return _gone()
    told = _regions(progress.course_of(text.petition))
    return _csv(f"{slug}-regions", ("code", "name", "signatures"), told["shares"])


def _find(slug: str) -> PetitionText:
    text = PetitionText.objects.to_show(slug, settings.LANGUAGE_CODE)
    if text is None or not text.petition.is_public(timezone.now()):
        raise Http404
    return text


def _days(course: Course) -> Iterable[dict[str, Any]]:
    for span in course.spans:
        yield {
            "from": span.first.isoformat(),
            "to": span.last.isoformat(),
            "signatures": span.total,
            "change": span.change,
        }


def _regions(course: Course) -> dict[str, Any]:
    with translation.override(settings.LANGUAGE_CODE):
        shares = [
            {"code": share.group, "name": share.name, "signatures": share.signatures}
            for share in course.shares
        ]
    return {
        "counted_after": course.shared_after,
        "rounded_to": progress.ROUNDED_TO,
        "null_means_fewer_than": progress.FEWEST,
        "shares": shares,
    }


def _csv(name: str, columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> HttpResponse:
    # Nothing in it is typed by anybody: dates, numbers, and codes and names of our own.
    written = io.StringIO()
    table = csv.DictWriter(written, columns)
    table.writeheader()
    table.writerows(rows)
    response = HttpResponse(written.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return _open_to_all(response)


def _gone() -> HttpResponse:
    """The reason stands at the petition's own address."""
    return _open_to_all(HttpResponse(status=410))


def _open_to_all(response: HttpResponse) -> HttpResponse:
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
