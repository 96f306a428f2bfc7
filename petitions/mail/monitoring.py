"""Statistics of the outbox: the health of delivery, and figures for staff, never a single mail.

Anybody on the team can sign with somebody's address, or ask for its signatures. So of what they
provoke they see the same whatever that address has done (constant work): how many were asked for in
an hour, how many of them wait, and how many failed for want of a server or a key. Whether the
others went out, or were refused by the address itself, is not told: rate limits and suppression
tell of a mailbox, and whoever signs with an alias that takes no mail would see by the refusals how
many were tried. Nor are mails counted that exist only where somebody has signed, or has not
confirmed: reminders, and links to another spelling of a mailbox.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, Q
from django.db.models.functions import Now, TruncHour

from petitions.mail import replies
from petitions.models import Mail

# Thresholds over mails to the newest signers: how many must have failed by no fault of an address,
# at least and as a share of those asked for.
FEWEST_FAILING, MOST_FAILING = 3, 0.5
# The kinds whose figures staff see.
SHOWN = (Mail.Kind.CONFIRM, Mail.Kind.FIND, Mail.Kind.ANSWER)
RECENT = timedelta(hours=24)
MOST_FAILURES = 200


class MailState(StrEnum):
    WELL = "ok"
    LATE = "late"
    REFUSED = "refused"


class Delivery(NamedTuple):
    """The health of delivery; of recent mails, how many fail, were sent, and were asked for."""

    state: MailState
    failing: int
    sent: int
    asked: int


def mail_state() -> Delivery:
    """Whether the backlog is short, and the server takes most of what it is given.

    `/health` is public, so the state depends on nothing that an address has done, or its owner
    (constant work), and nobody can set it off with addresses that take no mail: how many were sent
    is a figure for operators alone. See `MailQuerySet.outcomes_lately`.
    """
    failing, sent, asked = Mail.objects.outcomes_lately()
    state = MailState.WELL
    if failing >= FEWEST_FAILING and failing >= MOST_FAILING * asked:
        state = MailState.REFUSED
    elif Mail.objects.late(replies.UNWANTED).exists():
        state = MailState.LATE
    return Delivery(state, failing, sent, asked)


def by_hour() -> list[Any]:
    """Mails by hour and kind over the last day, newest first: how many were asked for, wait, and
    failed. One query, over those alone.
    """
    rows = (
        Mail.objects.filter(kind__in=SHOWN, created_at__gt=Now() - RECENT)
        .annotate(start=TruncHour("created_at"))
        .values("start", "kind")
        .annotate(
            asked=Count("pk"),
            waiting=Count("pk", filter=Q(state=Mail.State.QUEUED)),
            failed=Count("pk", filter=Q(state=Mail.State.FAILED)),
        )
    )
    return list(rows.order_by("-start", "kind"))


def failed() -> list[Any]:
    """Failed mails still of use, by hour (or day where times are already truncated), kind and code,
    newest first. One query, over those alone.
    """
    since = Now() - timedelta(days=settings.PENDING_DAYS)
    rows = (
        Mail.objects.filter(state=Mail.State.FAILED, kind__in=SHOWN, created_at__gt=since)
        .annotate(start=TruncHour("created_at"))
        .values("start", "kind", "code")
        .annotate(number=Count("pk"))
    )
    return list(rows.order_by("-start", "kind", "code")[:MOST_FAILURES])


def waiting() -> list[Any]:
    """Queued mails by kind and reason code. One query, over those alone."""
    queued = Mail.objects.filter(state=Mail.State.QUEUED, kind__in=SHOWN)
    return list(queued.values("kind", "code").annotate(number=Count("pk")).order_by("kind", "code"))
