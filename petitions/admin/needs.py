"""What needs somebody now: moderators held signatures and alerts, organisers enquiries and
erasures to come.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

from django.db.models import Count, Min, Q
from django.urls import reverse
from django.utils import timezone

from petitions.formatting.languages import days, hours, minutes
from petitions.geography import known
from petitions.models import Alert, Enquiry, Erasure, ErasureStop, Petition, Signature

MOST_ALERTS = 20
# They come out four times a year; of the homes of one year hardly any is missing.
POSTCODES_LAST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Held:
    """The held signatures of one petition."""

    petition: Petition
    number: int
    oldest: datetime

    @property
    def url(self) -> str:
        """The list of them."""
        return _list_url(petition=self.petition.slug, state=Signature.State.HELD)

    @property
    def age(self) -> str:
        """How long the oldest has waited."""
        return spoken_age(timezone.now() - self.oldest)


@dataclass(frozen=True, slots=True)
class Needs:
    """What the admin's home shows a moderator."""

    held: list[Held]
    alerts: list[Alert]

    @property
    def number(self) -> int:
        """How many signatures wait for a decision."""
        return sum(held.number for held in self.held)

    @property
    def age(self) -> str:
        """How long the oldest of all has waited."""
        return self.held[0].age if self.held else ""


def needs() -> Needs:
    """Three queries, which read the held signatures and the unseen alerts alone."""
    # Named, the petitions let one index find the rows: it begins with them.
    petitions = Petition.objects.titled().in_bulk()
    held = (
        Signature.objects.filter(petition__in=petitions, state=Signature.State.HELD)
        .values_list("petition")
        .annotate(number=Count("pk"), oldest=Min("confirmed_at"))
        .order_by("oldest")
    )
    alerts = list(Alert.objects.filter(seen_at=None).order_by("-created_at")[:MOST_ALERTS])
    for alert in alerts:
        alert.petition = petitions[alert.petition_id]
    return Needs([Held(petitions[pk], *row) for pk, *row in held], alerts)


@dataclass(frozen=True, slots=True)
class Enquiries:
    """What the admin's home shows an organiser of enquiries that nobody has acknowledged."""

    number: int
    overdue: int
    due_on: date | None

    @property
    def url(self) -> str:
        """The list of those that are open."""
        return f"{reverse('admin:petitions_enquiry_changelist')}?state__exact=open"


def enquiries() -> Enquiries:
    """One query, over what is not acknowledged yet."""
    is_overdue = Q(due_on__lt=timezone.localdate())
    return Enquiries(
        **Enquiry.objects.waiting()
        .order_by()
        .aggregate(number=Count("pk"), overdue=Count("pk", filter=is_overdue), due_on=Min("due_on"))
    )


@dataclass(frozen=True, slots=True)
class ComingErasure:
    """A petition whose people are about to be erased, or should be: then `stop` says why not."""

    petition: Petition
    row: Erasure
    stop: ErasureStop | None

    @property
    def day(self) -> date:
        """The day on which it is due, in London."""
        return timezone.localdate(self.row.erasure_due_at)

    @property
    def is_mailed(self) -> bool:
        """Whether the organisation was told."""
        return self.row.mailed_at is not None

    @property
    def url(self) -> str:
        """Where it is stopped, or let go on."""
        return reverse("admin:petitions_erasure_change", args=[self.row.pk])


def erasures() -> list[ComingErasure]:
    """The first due first; one query where there are none, else three."""
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
class OldPostcodes:
    """The month of postcodes that are too old; None where there are none at all."""

    edition: date | None


def old_postcodes() -> OldPostcodes | None:
    """What to warn of, from what the process knows by heart; None if all is well."""
    edition = known.postcodes_of()
    is_fresh = edition and timezone.localdate() - edition <= POSTCODES_LAST
    return None if is_fresh else OldPostcodes(edition)


def alert_url(alert: Alert) -> str:
    """The list of the signatures that came from an alert's network on its day."""
    network = bytes(alert.network_ix or b"").hex()
    return _list_url(petition=alert.petition.slug, network=network)


def spoken_age(age: timedelta) -> str:
    """ "20 minutes", "3 hours" or "2 days"."""
    age = max(age, timedelta())
    if age < timedelta(hours=1):
        return minutes(age)
    return hours(age) if age < timedelta(days=2) else days(age.days)


def _list_url(**question: str) -> str:
    return f"{reverse('admin:petitions_signature_changelist')}?{urlencode(question)}"
