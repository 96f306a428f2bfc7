"""To-do lists for the admin's home, over all petitions: held signatures, alerts and bulk decisions
that wait for moderators; enquiries, scheduled erasures and drafts for organisers.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, Func, IntegerField, OuterRef, Q, Subquery
from django.urls import reverse
from django.utils import timezone

from petitions.admin.signatures.filters import OLDEST
from petitions.formatting.languages import days, hours, minutes
from petitions.geography import known
from petitions.models import Alert, BulkDecision, Enquiry, Erasure, ErasureStop, Petition, Signature
from petitions.moderation.selection import Number
from petitions.moderation.switches import Switch, is_on
from petitions.publishing import readiness
from petitions.publishing.readiness import POSTCODES_LAST

# How far held signatures are counted.
MOST_HELD = 10_000
MOST_ALERTS = 20
MOST_JOBS = 5
MOST_DRAFTS = 5
MOST_ENQUIRIES = 5


@dataclass(frozen=True, slots=True)
class Held:
    """A to-do item: the held signatures of one petition."""

    petition: Petition
    number: Number
    oldest: datetime

    @property
    def url(self) -> str:
        """The URL of the list of them, the oldest first."""
        held = Signature.State.HELD
        return _list_url(petition=self.petition.slug, state=held, order=OLDEST)

    @property
    def age(self) -> str:
        """How long the oldest has waited."""
        return spoken_age(timezone.now() - self.oldest)


@dataclass(frozen=True, slots=True)
class Together:
    """A to-do item: several alerts about one petition, which may be one attack."""

    petition: Petition
    number: int

    @property
    def url(self) -> str:
        """The URL of the page about all of them."""
        page = reverse("admin:petitions_alert_together")
        return f"{page}?{urlencode({'petition': self.petition.pk})}"


@dataclass(frozen=True, slots=True)
class Needs:
    """The moderator's to-do list on the admin's home."""

    held: list[Held]
    alerts: list[Alert]
    # Those that wait for approval, each with its petition by title.
    jobs: list[BulkDecision]
    together: list[Together]

    @property
    def number(self) -> Number:
        """How many signatures wait for a decision."""
        numbers = [held.number for held in self.held]
        return Number(sum(one.n for one in numbers), all(one.is_exact for one in numbers))

    @property
    def age(self) -> str:
        """How long the oldest of all has waited."""
        return self.held[0].age if self.held else ""


def needs() -> Needs:
    """The moderator's to-do list: five queries, over what is held, open or waits only."""
    petitions = Petition.objects.titled().in_bulk()
    # What the other kinds tell, the home tells by itself.
    bursts = Alert.objects.open_bursts()
    numbers = bursts.values_list("petition").annotate(number=Count("pk")).order_by("-number")
    together = [Together(petitions[pk or 0], number) for pk, number in numbers if number > 1]
    alerts = list(bursts.order_by("-created_at")[:MOST_ALERTS])
    jobs = list(
        BulkDecision.objects.waiting().select_related("actor", "undoes__undoes")[:MOST_JOBS]
    )
    for alert in alerts:
        alert.petition = petitions[alert.petition_id or 0]
    for job in jobs:
        job.petition = petitions[job.petition_id]
    return Needs(_held(petitions), alerts, jobs, together)


def _held(petitions: dict[int, Petition]) -> list[Held]:
    """The held signatures of each of the petitions that has any, those that wait longest first."""
    held = Signature.objects.filter(petition=OuterRef("pk"), state=Signature.State.HELD)
    some = ArraySubquery(held.order_by().values("pk")[: MOST_HELD + 1])
    oldest = held.order_by("created_at", "id").values("confirmed_at")[:1]
    numbers = Petition.objects.annotate(
        number=Func(some, function="cardinality", output_field=IntegerField()),
        oldest=Subquery(oldest),
    ).values_list("pk", "number", "oldest")
    found = [
        Held(petitions[pk], Number(min(n, MOST_HELD), n <= MOST_HELD), confirmed_at)
        for pk, n, confirmed_at in numbers
        if n
    ]
    return sorted(found, key=lambda one: one.oldest)


@dataclass(frozen=True, slots=True)
class Switched:
    """A petition whose switches are not as usual, and each that is on in words."""

    petition: Petition
    words: list[str]


def switched() -> list[Switched]:
    """The petitions with a switch that is on: one query."""
    on = Q(is_paused=True) | Q(is_holding=True) | Q(challenge=Petition.Challenge.ALWAYS)
    return [
        Switched(one, [words for switch, words in _SWITCHED.items() if is_on(one, switch)])
        for one in Petition.objects.titled().filter(on).order_by("-pk")
    ]


_SWITCHED = {
    Switch.PAUSE: "signing is paused",
    Switch.CHALLENGE: "everybody gets the extra check",
    Switch.HOLD: "everything new is held",
}


@dataclass(frozen=True, slots=True)
class Enquiries:
    """The organiser's to-do item on the admin's home: enquiries that wait, the first due named."""

    number: int
    overdue: int
    first: list[Enquiry]

    @property
    def url(self) -> str:
        """The URL of the list of those that wait."""
        return f"{reverse('admin:petitions_enquiry_changelist')}?to_do=waiting"


def enquiries() -> Enquiries:
    """The organiser's to-do item: two queries, over enquiries that wait."""
    waiting = Enquiry.objects.waiting()
    is_overdue = Q(due_on__lt=timezone.localdate())
    numbers = waiting.order_by().aggregate(
        number=Count("pk"), overdue=Count("pk", filter=is_overdue)
    )
    first = waiting.only("kind", "state", "received_on", "due_on")[:MOST_ENQUIRIES]
    return Enquiries(**numbers, first=list(first))


@dataclass(frozen=True, slots=True)
class ComingErasure:
    """A scheduled erasure of a petition's signers; `stop` is its standing stop, if any."""

    petition: Petition
    row: Erasure
    stop: ErasureStop | None

    @property
    def day(self) -> date:
        """The day on which it is due, in London."""
        return timezone.localdate(self.row.erasure_due_at)

    @property
    def is_mailed(self) -> bool:
        """Whether the organisation was mailed."""
        return self.row.mailed_at is not None

    @property
    def url(self) -> str:
        """The URL of the page that stops or releases it."""
        return reverse("admin:petitions_erasure_change", args=[self.row.pk])


def erasures() -> list[ComingErasure]:
    """Scheduled erasures, the first due first: one query if there are none, else three."""
    rows = list(Erasure.objects.filter(petition__closed_at__isnull=False))
    if not rows:
        return []
    petitions = Petition.objects.titled().in_bulk([row.petition_id for row in rows])
    standing = ErasureStop.objects.standing().select_related("stopped_by")
    stops = {stop.petition_id: stop for stop in standing}
    return [
        ComingErasure(petitions[row.petition_id], row, stops.get(row.petition_id)) for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Draft:
    """A petition that is not public yet, with its checklist; None: the first, not yet added."""

    petition: Petition | None
    items: list[readiness.Item]

    @property
    def ready(self) -> int:
        """How many items are ready."""
        return sum(item.is_ready for item in self.items)

    @property
    def is_ready(self) -> bool:
        return self.ready == len(self.items)

    @property
    def url(self) -> str:
        """The URL of its form."""
        if self.petition is None:
            return reverse("admin:petitions_petition_add")
        return reverse("admin:petitions_petition_change", args=[self.petition.pk])

    @property
    def checklist_url(self) -> str:
        """The URL of its checklist; empty without a petition."""
        if self.petition is None:
            return ""
        return reverse("admin:petitions_petition_checklist", args=[self.petition.pk])


def drafts() -> list[Draft]:
    """Draft petitions, the newest first; a few queries for each: there are few. On a site without
    any petition, the checklist of the first.
    """
    rows = Petition.objects.titled().filter(state=Petition.State.DRAFT).order_by("-pk")
    found: list[Petition | None] = [*rows[:MOST_DRAFTS]]
    if not found and not Petition.objects.exists():
        found = [None]
    return [Draft(one, readiness.checklist(one)) for one in found]


@dataclass(frozen=True, slots=True)
class OldPostcodes:
    """A warning about stale postcode data: the month of the edition, None if there is no data."""

    edition: date | None


def old_postcodes() -> OldPostcodes | None:
    """The warning about postcode data, from the in-process cache; None if it is fresh."""
    edition = known.postcodes_of()
    is_fresh = edition and timezone.localdate() - edition <= POSTCODES_LAST
    return None if is_fresh else OldPostcodes(edition)


def alert_url(alert: Alert) -> str:
    """The URL of the list of the signatures of an alert's network or domain on its day."""
    assert alert.petition is not None, "only bursts have signatures"
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
