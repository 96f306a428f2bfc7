"""To-do lists for the admin's home, over all petitions.

Moderators see held signatures, alerts and waiting bulk decisions; organisers see enquiries,
news that waits, scheduled erasures and drafts. Each function returns template context: models, or
dicts of them.
"""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Func, IntegerField, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from petitions.admin.signatures.filters import OLDEST
from petitions.formatting.languages import days, hours, minutes
from petitions.mail import monitoring
from petitions.models import (
    Alert,
    BulkDecision,
    Enquiry,
    Erasure,
    ErasureStop,
    News,
    Petition,
    Signature,
)
from petitions.moderation.selection import Number
from petitions.moderation.switches import Switch, is_on
from petitions.publishing import readiness, warm_cache
from petitions.publishing.readiness import POSTCODES_VALID_FOR

# Held signatures are counted no further.
MAX_HELD = 10_000
MAX_ALERTS = 20
MAX_JOBS = 5
MAX_DRAFTS = 5
MAX_ENQUIRIES = 5


def needs() -> dict[str, Any]:
    """Return the moderators' to-do list over all petitions; empty if nothing waits.

    Five queries, which read only held signatures, open alerts and waiting decisions.
    """
    petitions = Petition.objects.titled().in_bulk()
    held = _held(petitions)
    numbers = [one["number"] for one in held]
    bursts = Alert.objects.open_bursts()
    by_petition = bursts.values_list("petition").annotate(number=Count("pk")).order_by("-number")
    together = [
        {"petition": petitions[pk or 0], "number": number}
        for pk, number in by_petition
        if number > 1
    ]
    alerts = list(Alert.objects.open_on_home()[:MAX_ALERTS])
    waiting = BulkDecision.objects.waiting().select_related("actor", "undoes__undoes")
    jobs = list(waiting[:MAX_JOBS])
    for alert in alerts:
        alert.petition = petitions.get(alert.petition_id or 0)
    for job in jobs:
        job.petition = petitions[job.petition_id]
    if not (held or alerts or jobs):
        return {}
    return {
        "held": held,
        # How many signatures are held, and for how long the oldest one has been.
        "number": Number(sum(one.n for one in numbers), all(one.is_exact for one in numbers)),
        "age": spoken_age(timezone.now() - held[0]["oldest"]) if held else "",
        "alerts": [(alert, alert_url(alert)) for alert in alerts],
        "together": together,
        "jobs": jobs,
    }


def _held(petitions: dict[int, Petition]) -> list[dict[str, Any]]:
    """Return the petitions with held signatures, the one that has waited longest first."""
    held = Signature.objects.filter(petition=OuterRef("pk"), state=Signature.State.HELD)
    some = ArraySubquery(held.order_by().values("pk")[: MAX_HELD + 1])
    oldest = held.order_by("created_at", "id").values("confirmed_at")[:1]
    numbers = Petition.objects.annotate(
        number=Func(some, function="cardinality", output_field=IntegerField()),
        oldest=Subquery(oldest),
    ).values_list("pk", "number", "oldest")
    found = [
        {
            "petition": petitions[pk],
            "number": Number(min(n, MAX_HELD), n <= MAX_HELD),
            "oldest": confirmed_at,
            "url": _list_url(petition=petitions[pk].slug, state="held", order=OLDEST),
        }
        for pk, n, confirmed_at in numbers
        if n
    ]
    return sorted(found, key=lambda one: one["oldest"])


_SWITCHED = {
    Switch.PAUSE: "signing is paused",
    Switch.CHALLENGE: "everybody gets the extra check",
    Switch.HOLD: "everything new is held",
}


def switched() -> list[tuple[Petition, list[str]]]:
    """Return each petition with a switch on, and its switches in words, in one query."""
    on = Q(is_paused=True) | Q(is_holding=True) | Q(challenge=Petition.Challenge.ALWAYS)
    return [
        (one, [words for switch, words in _SWITCHED.items() if is_on(one, switch)])
        for one in Petition.objects.titled().filter(on).order_by("-pk")
    ]


def enquiries() -> dict[str, Any]:
    """Return how many enquiries wait and are overdue, and those due first; empty if none waits.

    Two queries, which read only waiting enquiries.
    """
    waiting = Enquiry.objects.waiting()
    is_overdue = Q(due_on__lt=timezone.localdate())
    numbers = waiting.order_by().aggregate(
        number=Count("pk"), overdue=Count("pk", filter=is_overdue)
    )
    first = waiting.only("kind", "state", "received_on", "due_on")[:MAX_ENQUIRIES]
    return {**numbers, "first": list(first)} if numbers["number"] else {}


def news() -> list[News]:
    """Return news that somebody has to approve or resume, the oldest first; three queries at most.

    The numbers of its recipients are not shown: see `News.people`.
    """
    rows = News.objects.standing_still().select_related("actor").prefetch_related("texts")
    found = list(rows[:MAX_JOBS])
    petitions = Petition.objects.titled().in_bulk({one.petition_id for one in found})
    for one in found:
        one.petition = petitions[one.petition_id]
    return found


def mail_trouble() -> str:
    """Return the problem of mail delivery, or ""."""
    state = monitoring.mail_state().state
    return "" if state is monitoring.MailState.WELL else state


def erasures() -> list[dict[str, Any]]:
    """Return scheduled erasures in the order of their days, each with its present stop, if any.

    One query if there are none, else three.
    """
    rows = list(Erasure.objects.filter(petition__closed_at__isnull=False))
    if not rows:
        return []
    petitions = Petition.objects.titled().in_bulk([row.petition_id for row in rows])
    standing = ErasureStop.objects.standing().select_related("stopped_by")
    stops = {stop.petition_id: stop for stop in standing}
    return [
        {
            "row": row,
            "petition": petitions[row.petition_id],
            "day": timezone.localdate(row.erasure_due_at),
            "stop": stops.get(row.petition_id),
        }
        for row in rows
    ]


def drafts() -> list[dict[str, Any]]:
    """Return draft petitions with their checklists, the newest first; a few queries for each.

    On a site without any petition, return the checklist for a first one, with None as petition.
    """
    rows = Petition.objects.titled().filter(state=Petition.State.DRAFT).order_by("-pk")
    found: list[Petition | None] = [*rows[:MAX_DRAFTS]]
    if not found and not Petition.objects.exists():
        found = [None]
    checklists = [(one, readiness.checklist(one)) for one in found]
    return [
        {"petition": one, "items": items, "ready": sum(item.is_ready for item in items)}
        for one, items in checklists
    ]


def unready() -> dict[str, Any]:
    """Return the newest open petition and its checklist if that misses something, or else {}.

    An organiser may open it before everything is ready, and some of that, such as keys that are not
    copied, does harm later. “True today” alone does not count: the answer expires after a week.
    """
    petition = Petition.objects.titled().running(timezone.now()).order_by("-pk").first()
    items = readiness.checklist(petition) if petition else []
    missing = [one for one in items if not one.is_ready and one.tick != readiness.Tick.TRUE_TODAY]
    ready = sum(item.is_ready for item in items)
    found = {"petition": petition, "items": items, "missing": missing, "ready": ready}
    return found if missing else {}


def old_postcodes() -> dict[str, date | None] | None:
    """Return the month of stale postcode data, None in it if there is no data, or else None."""
    edition = warm_cache.postcodes_of()
    is_fresh = edition and timezone.localdate() - edition <= POSTCODES_VALID_FOR
    return None if is_fresh else {"edition": edition}


def alert_url(alert: Alert) -> str:
    """Return the URL of the list of a burst's signatures of its day; "" for other alerts."""
    if not alert.is_burst or alert.petition is None:
        return ""
    name = "domain" if alert.kind == Alert.Kind.DOMAIN else "network"
    index = alert.domain_ix if name == "domain" else alert.network_ix
    return _list_url(petition=alert.petition.slug, **{name: bytes(index or b"").hex()})


def spoken_age(age: timedelta) -> str:
    """Format an age in its largest unit: "20 minutes", "3 hours" or "2 days"."""
    age = max(age, timedelta())
    if age < timedelta(hours=1):
        return minutes(age)
    return hours(age) if age < timedelta(days=2) else days(age.days)


def _list_url(**question: str) -> str:
    return f"{reverse('admin:petitions_signature_changelist')}?{urlencode(question)}"
