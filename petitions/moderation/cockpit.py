"""What the cockpit shows of one petition: bounded reads, and nothing that tells of one address.

Series are read from the rollup (`moderation.activity`). Origins and providers are counted over the
newest `NEWEST` forms of a day, so that an attack makes the page no slower.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, F, IntegerField, Min, OuterRef, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Now
from django.utils import timezone

from petitions.identity import providers
from petitions.mail import monitoring
from petitions.models import ActivityMinute, Mail, Petition, Rule, Signature, as_array
from petitions.moderation.activity import DAY, HOUR, Event, last_full_minute
from petitions.moderation.rules import LEAST_SHOWN
from petitions.moderation.selection import Number, bounded
from petitions.signers import sealing

State = Signature.State
NEWEST = 1_000
# Queues are counted no further.
COUNTED = 10_000
MOST_ORIGINS = 6
# Steps of figures about mail: by one more or less they would tell what an address has done.
STEP = 25
OTHERS = "all others"


class Activity(NamedTuple):
    """The minutes of the last day in which anything happened; `end` is the last that is counted."""

    end: datetime
    minutes: Sequence[tuple[datetime, dict[str, int]]]

    def buckets(self, length: timedelta, number: int) -> list[tuple[datetime, Counter[str]]]:
        """So many periods of one length up to the end, the oldest first: when each began, and how
        often each event occurred.
        """
        start = self.end - length * number
        found = [(start + length * n, Counter[str]()) for n in range(number)]
        for minute, counts in self.minutes:
            if minute >= start:
                found[(minute - start) // length][1].update(counts)
        return found

    def last(self, period: timedelta) -> Counter[str]:
        """How often each event occurred in the last hour, or day."""
        return self.buckets(period, 1)[0][1]


def activity(petition: Petition) -> Activity:
    """The minutes of a petition's last day: one query by index, of at most 1,440 rows."""
    end = last_full_minute()
    rows = ActivityMinute.objects.filter(petition=petition, minute__gte=end - DAY, minute__lt=end)
    return Activity(end, list(rows.values_list("minute", "counts")))


def signed_most() -> Petition | None:
    """The petition with most forms in the last hour; None if there is none."""
    lately = ActivityMinute.objects.filter(minute__gt=Now() - HOUR)
    number = Sum(Cast(KT("counts__signed"), IntegerField()))
    counted = lately.values("petition").annotate(number=number)
    busiest = counted.order_by(F("number").desc(nulls_last=True)).first()
    return Petition.objects.titled().get(pk=busiest["petition"]) if busiest else None


class Form(NamedTuple):
    """One of the newest forms that were taken, as far as it is counted here."""

    pk: UUID
    created_at: datetime
    confirmed_at: datetime | None
    network: bytes | None
    domain: bytes | None
    mailbox: bytes | None
    is_sent: bool
    state: str


def newest(petition: Petition) -> list[Form]:
    """The newest forms of the last day, at most `NEWEST`: two queries.

    The index has the state before the time: the newest of each state hold the newest of all.
    """
    lately = Signature.objects.filter(petition=petition, created_at__gt=Now() - DAY)
    counted = (State.CONFIRMED, State.PENDING, State.HELD, State.REMOVED)
    each = [
        lately.filter(state=state).order_by("-created_at").values_list("pk", "created_at")[:NEWEST]
        for state in counted
    ]
    chosen = each[0].union(*each[1:], all=True).order_by("-created_at")[:NEWEST]
    mails = Mail.objects.filter(
        signature=OuterRef("pk"), kind=Mail.Kind.CONFIRM, state=Mail.State.SENT
    )
    columns = ("network_ix", "domain_ix", "petition_mailbox_ix")
    ids = as_array(pk for pk, _signed_at in chosen)
    rows = Signature.objects.filter(pk__in=ids).values_list(
        "pk",
        "created_at",
        "confirmed_at",
        *(f"signer__{name}" for name in columns),
        Exists(mails),
        "state",
    )
    return [
        Form._make([*row[:3], *(index and bytes(index) for index in row[3:6]), *row[6:]])
        for row in rows.order_by("-created_at")
    ]


class Origin(NamedTuple):
    """A network or domain of many forms: how many, and the newest of them, whose list has all."""

    name: str
    number: int
    example: UUID


def busiest(forms: Iterable[Form]) -> tuple[list[Origin], list[Origin]]:
    """The networks and the domains of most confirmed forms of the last hour that were not removed,
    the busiest first.

    Anybody can send forms with the domain of one person: one fewer than `LEAST_SHOWN` of those that
    wait would tell whether that person has signed.
    Nobody reads which network it is, nor which domain, but for those of large providers. Those of
    fewer than `LEAST_SHOWN` forms are left out.
    """
    hour_ago = timezone.now() - HOUR
    late = [
        form
        for form in forms
        if form.created_at > hour_ago and form.confirmed_at and form.state != State.REMOVED
    ]
    known = _large_domains()
    networks = _busiest([(form.network, form.pk) for form in late], {})
    return networks, _busiest([(form.domain, form.pk) for form in late], known)


def _busiest(of: Sequence[tuple[bytes | None, UUID]], known: dict[bytes, str]) -> list[Origin]:
    counts = Counter(index for index, _pk in of if index)
    # The newest comes first, and so is the last to be written.
    examples = {index: pk for index, pk in reversed(of) if index}
    return [
        Origin(known.get(index, ""), number, examples[index])
        for index, number in counts.most_common(MOST_ORIGINS)
        if number >= LEAST_SHOWN
    ]


def _large_domains() -> dict[bytes, str]:
    """The domains of large mail providers by their blind indexes of yesterday and today."""
    today = datetime.now(UTC).date()
    return sealing.domains_by_index(providers.LARGE, [today - timedelta(days=1), today])


class Funnel(NamedTuple):
    """Of the newest forms at one provider: mailboxes, those that were mailed, and confirmed."""

    name: str
    submitted: int
    sent: int
    confirmed: int


def by_provider(forms: Iterable[Form]) -> list[Funnel]:
    """Mailboxes by large provider, the largest first, rounded down to `STEP`; all others last.

    Mailboxes, and not forms: a withdrawal takes all forms of a mailbox along. Providers with fewer
    than `STEP` are counted with the others.
    """
    known = _large_domains()
    named = [(known.get(form.domain or b"", OTHERS), form) for form in forms if form.mailbox]
    sizes = Counter(name for name, _mailbox in {(name, form.mailbox) for name, form in named})
    reached: dict[str, list[set[bytes]]] = {}
    for name, form in named:
        shown = name if sizes[name] >= STEP else OTHERS
        submitted, sent, confirmed = reached.setdefault(shown, [set(), set(), set()])
        mailbox = form.mailbox or b""
        submitted.add(mailbox)
        if form.is_sent:
            sent.add(mailbox)
        if form.confirmed_at:
            confirmed.add(mailbox)
    funnels = [
        Funnel(name, *(len(mailboxes) // STEP * STEP for mailboxes in steps))
        for name, steps in reached.items()
    ]
    return sorted(funnels, key=lambda one: (one.name == OTHERS, -one.submitted))


# What waits: how many, counted so far as it is quick, and since when the oldest does.
Queue = tuple[Number, datetime | None]


def held(petition: Petition) -> Queue:
    """The signatures on hold: the oldest is the first signed, as in the list."""
    rows = Signature.objects.filter(petition=petition, state=State.HELD)
    first = rows.order_by("created_at", "id").values_list("confirmed_at", flat=True)[:1]
    return bounded(rows, COUNTED), first.first()


def mails() -> Queue:
    """Queued mails of all petitions, of the kinds that there are whatever an address has done."""
    queued = Mail.objects.filter(state=Mail.State.QUEUED).exclude(kind=Mail.Kind.NEWS)
    rows = queued.filter(kind__in=monitoring.SHOWN)
    oldest = rows.order_by("due_at")[:COUNTED].aggregate(at=Min("created_at"))["at"]
    number = bounded(rows, COUNTED)
    return Number(number.n // STEP * STEP, number.is_exact), oldest


def rules_met(seen: Activity) -> list[dict[str, Any]]:
    """By what rules are about: how many are in force, and how many forms they refused and
    signatures they held, last hour and last day, in words.

    In steps of `LEAST_SHOWN`, and without rules about one address: a rule about a person's own
    domain would tell whether they have signed, as its preview would.
    """
    kinds = Counter(Rule.objects.in_force().order_by().values_list("kind", flat=True))
    networks = kinds[Rule.Kind.NETWORK] + kinds[Rule.Kind.ALERT]
    times = seen.last(HOUR), seen.last(DAY)
    return [
        {
            "about": about,
            "in_force": in_force,
            "refused": [_in_steps(counts[refusing]) for counts in times],
            "held": [_in_steps(counts[holding]) for counts in times],
        }
        for about, in_force, refusing, holding in (
            ("networks", networks, Event.REFUSED_NETWORK, Event.HELD_NETWORK),
            ("domains", kinds[Rule.Kind.DOMAIN], Event.REFUSED_DOMAIN, Event.HELD_DOMAIN),
        )
    ]


def _in_steps(number: int) -> str:
    stepped = number // LEAST_SHOWN * LEAST_SHOWN
    return f"{stepped:,}" if stepped else f"fewer than {LEAST_SHOWN}"
