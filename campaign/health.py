"""What balancers and operators ask.

`/live` and `/ready` stay 200 while PostgreSQL, Redis or the worker are away: cached pages
still serve, and a balancer that took the process out would take those down too. The state
of each part is at `/health`.
"""

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from petitions.models import Mail
from petitions.screening import limits

_TIMEOUT = 0.5


def live(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("live\n", content_type="text/plain")


def ready(request: HttpRequest) -> HttpResponse:
    """The process can serve web traffic."""
    return HttpResponse("ready\n", content_type="text/plain")


def health(request: HttpRequest) -> HttpResponse:
    """The state of each part; 200 if all are well, 503 if one is not."""
    parts = {"database": _database(), "redis": _redis(), "mail": _mail(), "limits": limits.state()}
    well = all(state == "ok" for state in parts.values())
    body = {"status": "ok" if well else "degraded", **parts}
    return JsonResponse(body, status=200 if well else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError):
        return "away"
    return "ok"


def _redis() -> str:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
        ) as client:
            client.ping()
    except redis.RedisError:
        return "away"
    return "ok"


def _mail() -> str:
    """Whether mail goes out: nothing has been waiting for longer than two minutes."""
    try:
        return "late" if Mail.objects.late().exists() else "ok"
    except (DatabaseError, InterfaceError):
        return "unknown"
