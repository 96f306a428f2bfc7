"""Statistics of the outbox: the health of delivery, and figures for staff, never a single mail.

Anybody on the team can sign with somebody's address, or ask for its signatures. The figures of
such mails must therefore be the same whatever that address has done (constant work). Staff see how
many were asked for in an hour, how many of them wait, and how many failed because of a server or a
key. They do not see how many others were sent or refused: rate limits and suppression would reveal
facts about a mailbox, and somebody who signs with an alias that takes no mail could count the
refusals. Some mails exist only if somebody has signed, or has not confirmed: reminders, and links
to another spelling of a mailbox. These are not counted.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Count, Q
from django.db.models.functions import Now, TruncHour
from django.utils import timezone

from petitions.mail import replies
from petitions.models import Mail

# Delivery fails if at least so many mails to the newest signers failed by no fault of an address,
# and at least this share of those asked for.
MIN_FAILING, MIN_FAILING_SHARE = 3, 0.5
# The kinds whose figures staff see.
SHOWN = (Mail.Kind.CONFIRM, Mail.Kind.FIND, Mail.Kind.ANSWER)
RECENT = timedelta(hours=24)
MAX_FAILURES_SHOWN = 200
# Mails that wait for us. Those that their recipient's server has put off are left out: it is asked
# only about mails that are still wanted. In an outage of our own server no attempt is counted.
WAITS = Q(state=Mail.State.QUEUED) & (Q(attempts=0) | Q(code=""))


class MailState(StrEnum):
    WELL = "ok"
    LATE = "late"
    REFUSED = "refused"


class Delivery(NamedTuple):
    """The health of delivery, and how many recent mails fail, were sent, and were asked for."""

    state: MailState
    failing: int
    sent: int
    asked: int


def mail_state() -> Delivery:
    """Return whether the backlog is short and the server takes most of its mail.

    `/health` is public. The state therefore depends on nothing that an address or its owner has
    done (constant work), and nobody can trigger it with addresses that take no mail. Only operators
    see how many were sent. See `MailQuerySet.outcomes_lately`.
    """
    failing, sent, asked = Mail.objects.outcomes_lately()
    state = MailState.WELL
    if failing >= MIN_FAILING and failing >= MIN_FAILING_SHARE * asked:
        state = MailState.REFUSED
    elif Mail.objects.late(replies.UNWANTED).exists():
        state = MailState.LATE
    return Delivery(state, failing, sent, asked)


def by_hour() -> list[Any]:
    """Return the mails of the last day by hour and kind, newest first: how many were asked for,
    wait, and failed. One query that reads only these mails.

    Each hour is whole. Of mails of erased people only the hour is stored, so in a part of an hour
    they would be missing, and reveal that somebody has withdrawn.
    """
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    rows = (
        Mail.objects.filter(kind__in=SHOWN, created_at__gte=hour - RECENT)
        .annotate(start=TruncHour("created_at"))
        .values("start", "kind")
        .annotate(
            asked=Count("pk"),
            waiting=Count("pk", filter=WAITS),
            failed=Count("pk", filter=Q(state=Mail.State.FAILED)),
        )
    )
    return list(rows.order_by("-start", "kind"))


def failed() -> list[Any]:
    """Return failed mails that are still of use, by hour (or by day where times are truncated),
    kind and code, newest first. One query that reads only these mails.
    """
    since = Now() - timedelta(days=settings.PENDING_DAYS)
    rows = (
        Mail.objects.filter(state=Mail.State.FAILED, kind__in=SHOWN, created_at__gt=since)
        .annotate(start=TruncHour("created_at"))
        .values("start", "kind", "code")
        .annotate(number=Count("pk"))
    )
    return list(rows.order_by("-start", "kind", "code")[:MAX_FAILURES_SHOWN])


def waiting() -> list[Any]:
    """Return queued mails by kind and reason code. One query that reads only these mails."""
    queued = Mail.objects.filter(WAITS, kind__in=SHOWN)
    return list(queued.values("kind", "code").annotate(number=Count("pk")).order_by("kind", "code"))
