"""Health endpoints (liveness, readiness, the state of all parts), and sentences about the state.

`/live` and `/ready` return 200 even while PostgreSQL, Redis or the worker are down. Cached pages
are still served then, and a load balancer must not take the process out. `/health` returns one
word, for a monitor. Only staff see details, in the admin and by `manage.py health`, because they
would help an attacker.
"""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse

from campaign import monitoring
from petitions.infra.sweeps import SWEEPS

# Sentences by part and state in `campaign.monitoring`. Mail has its own section in the admin.
_SENTENCES = {
    ("database", "takes no writes"): "The database accepts no changes: nobody can sign.",
    ("redis", "away"): "Redis cannot be reached: everybody who signs gets the extra check.",
    ("mailboxes", "compare"): "Signatures wait to be compared: run manage.py reindex_mailboxes.",
}


def live(request: HttpRequest) -> HttpResponse:
    """Return 200: the process responds."""
    return HttpResponse("live\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """Return 200: the process can serve requests."""
    return HttpResponse("ready\n", content_type="text/plain")


def health(request: HttpRequest) -> HttpResponse:
    """Return the public status: "ok" with 200, or "degraded" with 503."""
    status = monitoring.status(monitoring.report())
    return JsonResponse({"status": status}, status=_code(status))


def details(request: HttpRequest) -> HttpResponse:
    """Return the state of each part to staff, without the figures of mail.

    Otherwise one of the staff could sign with a person's address, and learn from one mail more or
    less what that address has done (constant work, docs/architecture.md).
    """
    report = monitoring.report()
    status = monitoring.status(report)
    told = {"status": status, **report, "mail": {"state": report["mail"]["state"]}}
    return JsonResponse(told, status=_code(status))


def sentences() -> list[str]:
    """Return a sentence for each part that does not work, for the admin's home."""
    found = []
    report = monitoring.report()
    for name in monitoring.broken(report):
        state = report[name]["state"]
        if name == "sweeps" and state == "overdue":
            overdue = report[name]["overdue"]
            found += [f"The worker has stopped: {SWEEPS[sweep].consequence}." for sweep in overdue]
        elif name != "mail":
            found.append(_SENTENCES.get((name, state), f"{name}: {state}."))
    return found


def _code(status: str) -> int:
    return HTTPStatus.OK if status == monitoring.WELL else HTTPStatus.SERVICE_UNAVAILABLE
