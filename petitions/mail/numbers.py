"""The outbox as staff see it: numbers by kind, state and hour, and never a single mail.

Anybody on the team can sign with somebody's address, or ask for its signatures. So of what they
provoke they see as much whatever that address has done: how many were asked for in an hour, how
many of them wait, and how many failed for want of a server or a key. Whether the others went out,
or were refused by the address itself, is not told: limits and objections tell of a mailbox, and
whoever signs with an alias that takes no mail would see by the refusals how many were tried. Nor
are there numbers of mails that exist only where somebody has signed, or has not confirmed:
reminders, and links to another spelling of a mailbox.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Q
from django.db.models.functions import Now, TruncHour

from petitions.models import Mail

SHOWN = (Mail.Kind.CONFIRM, Mail.Kind.FIND)
LATELY = timedelta(hours=24)
MOST_FAILURES = 200


class Hour(NamedTuple):
    """Mails of one kind that were asked for within an hour, and what became of them."""

    start: datetime
    kind: str
    asked: int
    waiting: int
    failed: int


class Failure(NamedTuple):
    """Mails of one kind and hour, or of a day that is longer ago, that failed in the same way."""

    start: datetime
    kind: str
    code: str
    number: int


class Waiting(NamedTuple):
    """Mails of one kind that wait for the same reason."""

    kind: str
    code: str
    number: int


def lately() -> list[Hour]:
    """The last day, the newest hour first. One query, over what was asked for since."""
    of_the_day = Mail.objects.filter(kind__in=SHOWN, created_at__gt=Now() - LATELY)
    rows = (
        of_the_day.annotate(start=TruncHour("created_at"))
        .values_list("start", "kind")
        .annotate(
            asked=Count("pk"),
            waiting=Count("pk", filter=Q(state=Mail.State.QUEUED)),
            failed=Count("pk", filter=Q(state=Mail.State.FAILED)),
        )
    )
    return [Hour(*row) for row in rows.order_by("-start", "kind")]


def failed() -> list[Failure]:
    """What failed while it could still be used, the newest first. One query, over that alone."""
    since = Now() - timedelta(days=settings.PENDING_DAYS)
    rows = (
        Mail.objects.filter(state=Mail.State.FAILED, kind__in=SHOWN, created_at__gt=since)
        .annotate(start=TruncHour("created_at"))
        .values_list("start", "kind", "code")
        .annotate(number=Count("pk"))
    )
    return [Failure(*row) for row in rows.order_by("-start", "kind", "code")[:MOST_FAILURES]]


def waiting() -> list[Waiting]:
    """What waits now, and why. One query, over that alone."""
    queued = Mail.objects.filter(state=Mail.State.QUEUED, kind__in=SHOWN)
    rows = queued.values_list("kind", "code").annotate(number=Count("pk"))
    return [Waiting(*row) for row in rows.order_by("kind", "code")]
