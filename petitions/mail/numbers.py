"""Aggregate statistics of the outbox for staff: by kind, state and hour, never a single mail.

Anybody on the team can sign with somebody's address, or ask for its signatures. So of what they
provoke they see the same whatever that address has done (constant work): how many were asked for in
an hour, how many of them wait, and how many failed for want of a server or a key. Whether the
others went out, or were refused by the address itself, is not told: rate limits and suppression
tell of a mailbox, and whoever signs with an alias that takes no mail would see by the refusals how
many were tried. Nor are mails counted that exist only where somebody has signed, or has not
confirmed: reminders, and links to another spelling of a mailbox.
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
    """Failed mails of one kind, code and hour, or day where times are already truncated."""

    start: datetime
    kind: str
    code: str
    number: int


class Waiting(NamedTuple):
    """Queued mails of one kind that wait for the same reason."""

    kind: str
    code: str
    number: int


def lately() -> list[Hour]:
    """Mails by hour and kind over the last day, newest first. One query, over those alone."""
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
    """Failed mails still of use, by hour, kind and code, newest first. One query, over those
    alone.
    """
    since = Now() - timedelta(days=settings.PENDING_DAYS)
    rows = (
        Mail.objects.filter(state=Mail.State.FAILED, kind__in=SHOWN, created_at__gt=since)
        .annotate(start=TruncHour("created_at"))
        .values_list("start", "kind", "code")
        .annotate(number=Count("pk"))
    )
    return [Failure(*row) for row in rows.order_by("-start", "kind", "code")[:MOST_FAILURES]]


def waiting() -> list[Waiting]:
    """Queued mails by kind and reason code. One query, over those alone."""
    queued = Mail.objects.filter(state=Mail.State.QUEUED, kind__in=SHOWN)
    rows = queued.values_list("kind", "code").annotate(number=Count("pk"))
    return [Waiting(*row) for row in rows.order_by("kind", "code")]
