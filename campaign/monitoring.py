"""Health checks of each part of the site, for `/health` and `manage.py health`.

Each check tests what its part is for. The database is written to. Mail is judged by the outcome of
the newest mails. Beat and the worker are judged by the last success of each sweep, because a
process may be alive but stuck. A report is cached for `REPORT_SECONDS`, so that a client that polls
often puts no load on the database.
"""

from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Min
from django.utils import timezone

from petitions.infra import locks, sweeps
from petitions.infra.ttl_cache import TTLCache
from petitions.mail.monitoring import mail_state
from petitions.models import Mail
from petitions.moderation import reindex
from petitions.screening import rate_limits

REPORT_SECONDS = 5.0
_TIMEOUT = 0.5
WELL = "ok"
PROBE = "write-probe"
# The query exceeds this work_mem, so that PostgreSQL writes a temporary file.
PROBE_MEMORY, PROBE_QUERY = "64kB", "SELECT count(*) FROM generate_series(1, 60000)"


# The state of each part ("ok", or what is wrong with it), and the figures behind it.
Report = dict[str, dict[str, Any]]

_cache = TTLCache[str, Report]()


def report() -> Report:
    """Return the state of all parts, at most `REPORT_SECONDS` old."""
    return _cache.get_or_set("report", REPORT_SECONDS, look)


def look() -> Report:
    """Check all parts now, and return their state."""
    return {
        "database": _checked(_database, otherwise="away"),
        "sweeps": _checked(_sweeps),
        "mail": _checked(_mail),
        "redis": {"state": _redis()},
        "limits": {"state": rate_limits.state()},
        "mailboxes": _checked(_mailboxes),
    }


def broken(report: Report) -> list[str]:
    """Return the names of the parts that are not "ok"."""
    return [name for name, part in report.items() if part["state"] != WELL]


def status(report: Report) -> str:
    """Return the public status: "ok" or "degraded"."""
    return "degraded" if broken(report) else WELL


def _checked(part: Callable[[], dict[str, Any]], otherwise: str = "unknown") -> dict[str, Any]:
    try:
        return part()
    except (DatabaseError, InterfaceError):
        return {"state": otherwise}


def _database() -> dict[str, Any]:
    """Check that a transaction commits that needs new disk space, as signing does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    try:
        _write()
    except (DatabaseError, InterfaceError) as error:
        return {"state": "takes no writes", "error": type(error.__cause__ or error).__name__}
    return {"state": WELL}


@transaction.atomic
def _write() -> None:
    """Write a row, and a temporary file of a megabyte.

    On a full disk a table may still have room for one row.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{PROBE_MEMORY}'")
        cursor.execute(PROBE_QUERY)
    locks.note_success(PROBE)


def _sweeps() -> dict[str, Any]:
    """Check that each sweep has succeeded lately, which needs both beat and the worker."""
    ages = sweeps.ages()
    overdue = sweeps.overdue(ages)
    seconds = {name: round(age.total_seconds()) for name, age in sorted(ages.items())}
    state = "overdue" if overdue else WELL
    return {"state": state, "overdue": overdue, "seconds_since": seconds}


def _mail() -> dict[str, Any]:
    """Check that mail is sent, by the same figures as on the admin's home."""
    delivery = mail_state()
    return {
        "state": str(delivery.state),
        "oldest_waiting_seconds": _oldest(),
        "failing_lately": delivery.failing,
        "sent": delivery.sent,
        "asked": delivery.asked,
    }


def _oldest() -> int:
    # Without news, which may wait and is claimed by an index of its own.
    queued = Mail.objects.filter(state=Mail.State.QUEUED).exclude(kind=Mail.Kind.NEWS)
    oldest = queued.aggregate(at=Min("created_at"))["at"]
    return round((timezone.now() - oldest).total_seconds()) if oldest else 0


def _redis() -> str:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
        ) as client:
            client.ping()
    except redis.RedisError:
        return "away"
    return WELL


def _mailboxes() -> dict[str, Any]:
    """Check that signers were reindexed under the alias rules of this release."""
    return {"state": "compare" if reindex.is_due() else WELL}
