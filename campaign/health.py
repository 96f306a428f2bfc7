"""Health endpoints: liveness, readiness, and the state of all parts.

`/live` and `/ready` stay 200 while PostgreSQL, Redis or the worker are away: cached pages
still serve, and a load balancer that took the process out would take those down too. `/health`
tells the public one word, for a monitor; details are for staff alone, in the admin and by
`manage.py health`: what exactly is broken is of use to an attacker.
"""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse

from campaign import monitoring


def live(request: HttpRequest) -> HttpResponse:
    """Liveness: the process answers."""
    return HttpResponse("live\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """Readiness: the process can serve web traffic."""
    return HttpResponse("ready\n", content_type="text/plain")


def health(request: HttpRequest) -> HttpResponse:
    """Public health check: "ok" with 200, "degraded" with 503."""
    report = monitoring.report()
    return JsonResponse({"status": report.status}, status=_status_code(report))


def details(request: HttpRequest) -> HttpResponse:
    """Health details: the state of each part, for staff."""
    report = monitoring.report()
    return JsonResponse(report.for_staff(), status=_status_code(report))


def _status_code(report: monitoring.Report) -> int:
    return HTTPStatus.OK if report.is_well else HTTPStatus.SERVICE_UNAVAILABLE
