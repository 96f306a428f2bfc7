"""Read what the cockpit shows of a petition: bounded queries that reveal nothing of one address.

Series come from the rollup (`moderation.activity`). Origins and providers are counted over the
newest `MAX_FORMS` forms of a day, so that an attack does not slow the page down.
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

from petitions.crypto import vault
from petitions.identity import email_addresses, providers
from petitions.mail import monitoring
from petitions.models import ActivityMinute, Mail, Petition, Rule, Signature, as_array
from petitions.models.counts import ANONYMITY_THRESHOLD, in_steps, round_down
from petitions.moderation.activity import DAY, HOUR, Event, last_full_minute
from petitions.moderation.rules import LEAST_SHOWN
from petitions.moderation.selection import Number, bounded
from petitions.signers import sealing

State = Signature.State
MAX_FORMS = 1_000
MAX_COUNTED = 10_000
MAX_ORIGINS = 6
# Mails are counted in steps: exact numbers would reveal what an address has done.
STEP = ANONYMITY_THRESHOLD
OTHERS = "all others"


class Activity(NamedTuple):
    """The minutes of the last day with events. `end` is the end of the last counted minute."""

    end: datetime
    minutes: Sequence[tuple[datetime, dict[str, int]]]

    def buckets(self, length: timedelta, number: int) -> list[tuple[datetime, Counter[str]]]:
        """Count events in the last `number` periods of `length`, oldest first.

        Return each period's beginning and its counts by event.
        """
        start = self.end - length * number
        found = [(start + length * n, Counter[str]()) for n in range(number)]
        for minute, counts in self.minutes:
            if minute >= start:
                found[(minute - start) // length][1].update(counts)
        return found

    def last(self, period: timedelta) -> Counter[str]:
        """Return how often each event occurred in the last `period`."""
        return self.buckets(period, 1)[0][1]


def activity(petition: Petition) -> Activity:
    """Return the minutes of a petition's last day: one query by index, at most 1,440 rows."""
    end = last_full_minute()
    rows = ActivityMinute.objects.filter(petition=petition, minute__gte=end - DAY, minute__lt=end)
    return Activity(end, list(rows.values_list("minute", "counts")))


def signed_most() -> Petition | None:
    """Return the petition with the most forms in the last hour, or None."""
    lately = ActivityMinute.objects.filter(minute__gt=Now() - HOUR)
    number = Sum(Cast(KT("counts__signed"), IntegerField()))
    counted = lately.values("petition").annotate(number=number)
    busiest = counted.order_by(F("number").desc(nulls_last=True)).first()
    return Petition.objects.titled().get(pk=busiest["petition"]) if busiest else None


class Form(NamedTuple):
    """The columns of an accepted form that the cockpit counts."""

    pk: UUID
    created_at: datetime
    confirmed_at: datetime | None
    network: bytes | None
    domain: bytes | None
    mailbox: str
    is_sent: bool
    state: str


def newest(petition: Petition) -> list[Form]:
    """Return the newest forms of the last day, at most `MAX_FORMS`, in two queries.

    The index has the state before the time, so the newest rows of each state are merged. Mailboxes
    are unsealed: their blind indexes change at confirmation, and then a mailbox for which staff had
    sent a form would count twice.
    """
    lately = Signature.objects.filter(petition=petition, created_at__gt=Now() - DAY)
    rows = lately.order_by("-created_at").values_list("pk", "created_at")
    counted = (State.CONFIRMED, State.PENDING, State.HELD, State.REMOVED)
    each = [rows.filter(state=state)[:MAX_FORMS] for state in counted]
    chosen = each[0].union(*each[1:], all=True).order_by("-created_at")[:MAX_FORMS]
    mails = Mail.objects.filter(
        signature=OuterRef("pk"), kind=Mail.Kind.CONFIRM, state=Mail.State.SENT
    )
    columns = ("network_ix", "domain_ix", "sealed")
    ids = as_array(pk for pk, _signed_at in chosen)
    found = Signature.objects.filter(pk__in=ids).values_list(
        "pk",
        "created_at",
        "confirmed_at",
        *(f"signer__{name}" for name in columns),
        Exists(mails),
        "state",
    )
    return [
        Form(
            pk,
            created_at,
            confirmed_at,
            network and bytes(network),
            domain and bytes(domain),
            _mailbox(pk, sealed),
            is_sent,
            state,
        )
        for (
            pk, created_at, confirmed_at, network, domain, sealed, is_sent, state,
        ) in found.order_by("-created_at")
    ]  # fmt: skip


def _mailbox(signature_id: UUID, sealed: bytes | None) -> str:
    """Return the canonical address of a signer, or "" if it is erased or cannot be unsealed."""
    try:
        address = sealing.unseal(sealed, signature_id)["email"] if sealed else ""
    except vault.CannotOpen:
        return ""
    return address and email_addresses.canonical(address)


class Origin(NamedTuple):
    """A network or domain with many forms. `example` is the newest: a list of its kind has all."""

    name: str
    number: int
    example: UUID


def busiest(forms: Iterable[Form]) -> tuple[list[Origin], list[Origin]]:
    """Return the networks and the domains with most forms of the last hour, the busiest first.

    Only confirmed forms that were not removed count. If pending forms counted, anybody could send
    `LEAST_SHOWN` - 1 forms with one person's domain and see whether that person has signed.
    Networks are never named, and of domains only those of large providers. Networks and domains
    with fewer than `LEAST_SHOWN` forms are left out.
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
    # Forms are sorted newest first; reversed, the newest overwrites the others.
    examples = {index: pk for index, pk in reversed(of) if index}
    return [
        Origin(known.get(index, ""), number, examples[index])
        for index, number in counts.most_common(MAX_ORIGINS)
        if number >= LEAST_SHOWN
    ]


def _large_domains() -> dict[bytes, str]:
    """Return large providers' domains by their blind indexes of yesterday and today."""
    today = datetime.now(UTC).date()
    return sealing.domains_by_index(providers.LARGE, [today - timedelta(days=1), today])


class Funnel(NamedTuple):
    """How many mailboxes at one provider submitted a form, were sent a mail, and confirmed."""

    name: str
    submitted: int
    sent: int
    confirmed: int


def by_provider(forms: Iterable[Form]) -> list[Funnel]:
    """Count mailboxes by large provider, rounded down to `STEP`: the largest first, others last.

    Mailboxes are counted instead of forms, because a withdrawal deletes all forms of a mailbox.
    Providers with fewer than `STEP` mailboxes are counted with the others, who are listed even if
    there are none. Equal numbers are in the order of the names. Otherwise staff could see when a
    single form is deleted.
    """
    known = _large_domains()
    named = [(known.get(form.domain or b"", OTHERS), form) for form in forms if form.mailbox]
    sizes = Counter(name for name, _mailbox in {(name, form.mailbox) for name, form in named})
    reached: dict[str, list[set[str]]] = {OTHERS: [set(), set(), set()]}
    for name, form in named:
        shown = name if sizes[name] >= STEP else OTHERS
        submitted, sent, confirmed = reached.setdefault(shown, [set(), set(), set()])
        submitted.add(form.mailbox)
        if form.is_sent:
            sent.add(form.mailbox)
        if form.confirmed_at:
            confirmed.add(form.mailbox)
    funnels = [
        Funnel(name, *(round_down(len(mailboxes), STEP) for mailboxes in steps))
        for name, steps in reached.items()
    ]
    return sorted(funnels, key=lambda one: (one.name == OTHERS, -one.submitted, one.name))


# A bounded number of waiting rows, and the time since which the oldest waits.
Queue = tuple[Number, datetime | None]


def held(petition: Petition) -> Queue:
    """Count the signatures on hold. The oldest is the one signed first, as in the list."""
    rows = Signature.objects.filter(petition=petition, state=State.HELD)
    first = rows.order_by("created_at", "id").values_list("confirmed_at", flat=True)[:1]
    return bounded(rows, MAX_COUNTED), first.first()


def mails() -> Queue:
    """Count queued mails of all petitions, only of kinds sent whatever an address has done."""
    queued = Mail.objects.filter(monitoring.WAITS).exclude(kind=Mail.Kind.NEWS)
    rows = queued.filter(kind__in=monitoring.SHOWN)
    oldest = rows.order_by("due_at")[:MAX_COUNTED].aggregate(at=Min("created_at"))["at"]
    number = bounded(rows, MAX_COUNTED)
    return Number(round_down(number.n, STEP), number.is_exact), oldest


def rules_met(seen: Activity) -> list[dict[str, Any]]:
    """Count the rules about networks and domains in force, and what they refused and held.

    Numbers are of the last hour and the last day, in words and in steps of `LEAST_SHOWN`: exact
    numbers of a rule about a person's own domain would reveal whether they have signed, as its
    preview would. Rules about one address are left out.
    """
    kinds = Counter(Rule.objects.in_force().order_by().values_list("kind", flat=True))
    networks = kinds[Rule.Kind.NETWORK] + kinds[Rule.Kind.ALERT]
    times = seen.last(HOUR), seen.last(DAY)
    return [
        {
            "about": about,
            "in_force": in_force,
            "refused": [in_steps(counts[refusing], LEAST_SHOWN) for counts in times],
            "held": [in_steps(counts[holding], LEAST_SHOWN) for counts in times],
        }
        for about, in_force, refusing, holding in (
            ("networks", networks, Event.REFUSED_NETWORK, Event.HELD_NETWORK),
            ("domains", kinds[Rule.Kind.DOMAIN], Event.REFUSED_DOMAIN, Event.HELD_DOMAIN),
        )
    ]
