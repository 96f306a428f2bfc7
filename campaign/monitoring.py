"""Whether the site does all of its work: what `/health` and `manage.py health` tell.

Each part is asked by doing what it is there for. The database is written to; mail is judged by
what became of it; beat and the worker by when each periodic job last came to its end, for a
process that is there may still do nothing. A report is kept for `KEPT` seconds, so that whoever
asks often, from wherever, cannot load the database.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Min
from django.utils import timezone

from petitions.infra import leases
from petitions.infra.ttl_cache import Kept
from petitions.models import Mail
from petitions.moderation import reindex
from petitions.screening import rate_limits

KEPT = 5.0
_TIMEOUT = 0.5
WELL = "ok"
# How long each job of the schedule may be silent: some intervals, or one night and a half.
LONGEST_SILENCE = {
    "deliver-mail": timedelta(minutes=1),
    "raise-alerts": timedelta(minutes=2),
    "record-closes": timedelta(minutes=5),
    "give-notice": timedelta(minutes=30),
    "queue-reminders": timedelta(minutes=30),
    "keep-no-longer": timedelta(hours=3),
    "take-snapshots": timedelta(hours=3),
    "check-tallies": timedelta(hours=36),
}
PROBE = "write-probe"
# Of the mails of so many who signed last within the hour: how many must have been refused, at
# least and of all, before it is the mail server's doing and not that of mistyped addresses.
NEWEST, FEWEST_REFUSED, MOST_REFUSED = 100, 10, 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the site: "ok" or what is wrong with it, and the figures behind that."""

    state: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The state of all parts at one moment."""

    parts: dict[str, Part]

    @property
    def is_well(self) -> bool:
        """Whether every part is."""
        return all(part.state == WELL for part in self.parts.values())

    @property
    def status(self) -> str:
        """The one word for the world."""
        return WELL if self.is_well else "degraded"

    def as_dict(self) -> dict[str, Any]:
        """For the team."""
        parts = {name: {"state": part.state, **part.figures} for name, part in self.parts.items()}
        return {"status": self.status, **parts}


_kept = Kept[str, Report]()


def report() -> Report:
    """The state of all parts, as it was at most `KEPT` seconds ago."""
    return _kept.get("report", KEPT, look)


def look() -> Report:
    """Ask all parts now."""
    return Report(
        {
            "database": _asked(_database, otherwise="away"),
            "jobs": _asked(_jobs),
            "mail": _asked(_mail),
            "redis": Part(_redis()),
            "limits": Part(rate_limits.state()),
            "mailboxes": _asked(_mailboxes),
        }
    )


def _asked(part: Callable[[], Part], otherwise: str = "unknown") -> Part:
    try:
        return part()
    except (DatabaseError, InterfaceError):
        return Part(otherwise)


def _database() -> Part:
    """Whether a transaction commits that needs new room on the disk, as signing does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    try:
        _write()
    except (DatabaseError, InterfaceError) as error:
        return Part("takes no writes", {"error": type(error.__cause__ or error).__name__})
    return Part(WELL)


@transaction.atomic
def _write() -> None:
    """Write a temporary file of a megabyte, for tables may have room where the disk has none, and
    a row.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64kB'")
        cursor.execute("SELECT count(*) FROM generate_series(1, 60000)")
    leases.note_success(PROBE)


def _jobs() -> Part:
    """Whether each job has come to its end lately: beat, the worker and the database did it."""
    ages = leases.last_successes(LONGEST_SILENCE)
    silent = sorted(name for name, age in ages.items() if age > LONGEST_SILENCE[name])
    figures = {name: round(age.total_seconds()) for name, age in sorted(ages.items())}
    return Part("silent" if silent else WELL, {"silent": silent, "seconds_since": figures})


def _mail() -> Part:
    """Whether mail goes out: nothing waits for long, and the server takes most of it."""
    late = Mail.objects.late().exists()
    refused, tried = _lately()
    state = WELL
    if refused >= FEWEST_REFUSED and refused >= MOST_REFUSED * tried:
        state = "refused"
    elif late:
        state = "late"
    figures = {"oldest_waiting_seconds": _oldest(), "refused_lately": refused, "tried": tried}
    return Part(state, figures)


def _oldest() -> int:
    oldest = Mail.objects.filter(state=Mail.State.QUEUED).aggregate(at=Min("created_at"))["at"]
    return round((timezone.now() - oldest).total_seconds()) if oldest else 0


def _lately() -> tuple[int, int]:
    """How many mails the server refused or put off, of how many that it was given.

    By the index of the newest signatures: mails have none by time, and need none to be sent.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LATELY, {"newest": NEWEST})
        refused, tried = cursor.fetchone()
    return refused, tried


_LATELY = """
    SELECT count(*) FILTER (WHERE m.state <> 'sent'), count(*)
    FROM petitions_petition p
    CROSS JOIN unnest(ARRAY['pending', 'confirmed', 'held']) AS chosen (state)
    CROSS JOIN LATERAL (
        SELECT s.id FROM petitions_signature s
        WHERE s.petition_id = p.id AND s.state = chosen.state
            AND s.created_at > now() - interval '1 hour'
        ORDER BY s.created_at DESC LIMIT %(newest)s
    ) newest
    JOIN petitions_mail m ON m.signature_id = newest.id
        AND (m.state IN ('sent', 'failed')
            OR m.state = 'queued' AND m.code NOT IN ('', 'domain'))
    WHERE p.state = 'open'
"""


def _redis() -> str:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
        ) as client:
            client.ping()
    except redis.RedisError:
        return "away"
    return WELL


def _mailboxes() -> Part:
    """Whether signers were compared under the alias rules of this release."""
    return Part("compare" if reindex.is_due() else WELL)
