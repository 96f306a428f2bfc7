"""Health endpoints (liveness, readiness, the state of all parts), and the state in sentences.

`/live` and `/ready` stay 200 while PostgreSQL, Redis or the worker are away: cached pages
still serve, and a load balancer that took the process out would take those down too. `/health`
tells the public one word, for a monitor; details are for staff alone, in the admin and by
`manage.py health`: what exactly is broken is of use to an attacker.
"""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse

from campaign import monitoring
from petitions.infra.sweeps import SWEEPS

# By the part and its state in `campaign.monitoring`; mail has a section of its own.
_SENTENCES = {
    ("database", "takes no writes"): "The database takes nothing in: nobody can sign.",
    ("redis", "away"): "Redis is away: everybody who signs solves the challenge.",
    ("mailboxes", "compare"): "Signatures wait to be compared: run manage.py reindex_mailboxes.",
}


def live(request: HttpRequest) -> HttpResponse:
    """Liveness: the process answers."""
    return HttpResponse("live\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """Readiness: the process can serve web traffic."""
    return HttpResponse("ready\n", content_type="text/plain")


def health(request: HttpRequest) -> HttpResponse:
    """Public health check: "ok" with 200, "degraded" with 503."""
    status = monitoring.status(monitoring.report())
    return JsonResponse({"status": status}, status=_code(status))


def details(request: HttpRequest) -> HttpResponse:
    """Health details: the state of each part, for staff, without the figures of mail (constant
    work, docs/architecture.md): one more or less would show a signer with somebody's address what
    that has done.
    """
    report = monitoring.report()
    status = monitoring.status(report)
    told = {"status": status, **report, "mail": {"state": report["mail"]["state"]}}
    return JsonResponse(told, status=_code(status))


def sentences() -> list[str]:
    """What the admin's home says: a sentence for each part that does not work; none if all do."""
    found = []
    report = monitoring.report()
    for name in monitoring.broken(report):
        state = report[name]["state"]
        if name == "sweeps" and state == "overdue":
            overdue = report[name]["overdue"]
            found += [f"The worker stands still: {SWEEPS[sweep].consequence}." for sweep in overdue]
        elif name != "mail":
            found.append(_SENTENCES.get((name, state), f"{name}: {state}."))
    return found


def _code(status: str) -> int:
    return HTTPStatus.OK if status == monitoring.WELL else HTTPStatus.SERVICE_UNAVAILABLE
