"""Alerts about bursts: what they are about, and what a moderator does about them from their page.

Nobody reads which network it is. A decision about "all of it" is a bulk decision; a rule about what
comes next knows the network by its blind index alone.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from petitions.crypto import vault
from petitions.models import Alert, AlertMail, AuditRecord, Rule, Signature, Signer
from petitions.moderation import rules
from petitions.moderation.selection import MOST_IDS, Selection, Unselectable
from petitions.screening import fraud_signals
from petitions.signers import sealing
from petitions.staff import audit

State = Signature.State
DECIDABLE = (State.PENDING, State.CONFIRMED, State.HELD)
# Numbers are of the newest, at most so many; shapes of names of fewer, for each is decrypted.
MOST_READ, NAMES_READ, SAMPLE = 10_000, 200, 10
# An older network is not to be expected again, and the day of its index is not known any more.
RULE_WITHIN = timedelta(hours=72)
HOURS = (1, 6, 24, 72)
# Choices that narrow a decision to signatures alike: a code, or one that has the domain.
SIGNAL, DOMAIN, DOMAINS_TOLD = "signal:", "domain:", 3


@dataclass(frozen=True, slots=True)
class Likeness:
    """One thing that many of an alert's signatures share: `number` of `of`.

    `choice` narrows a decision to these, "" where that is not possible.
    """

    words: str
    number: int
    of: int
    choice: str = ""

    @property
    def percent(self) -> int:
        """The share in whole per cent."""
        return 100 * self.number // max(self.of, 1)


@dataclass(frozen=True, slots=True)
class Example:
    """One signature of an alert, as its page shows it."""

    signature: Signature
    name: str

    @property
    def signs(self) -> list[str]:
        """Its fraud signals as sentences."""
        return fraud_signals.sentences(self.signature.signals)


@dataclass(frozen=True, slots=True)
class Figures:
    """What alerts are about: counts by state, what their signatures share, and a sample."""

    states: Counter[str]
    likenesses: list[Likeness]
    sample: list[Example]

    @property
    def told_by_state(self) -> list[tuple[str, int]]:
        """The counts with their labels, the largest first."""
        return [(str(State(state).label), n) for state, n in self.states.most_common()]


def figures(alerts: Sequence[Alert]) -> Figures:
    """Look at the signatures of alerts of one petition: two queries, over at most `MOST_READ`."""
    rows = _signatures(alerts).order_by("-created_at")
    columns = rows.values_list("pk", "state", "created_at", "signer__domain_ix", "signals")
    read = list(columns[:MOST_READ])
    names = _names(rows, [pk for pk, *_ in read])
    examples = rows.select_related("place").in_bulk(list(names)[:SAMPLE])
    return Figures(
        Counter(state for _, state, *_ in read),
        _likenesses([row for row in read if row[1] in DECIDABLE], list(names.values())),
        [Example(one, names[pk]) for pk, one in examples.items()],
    )


def _likenesses(read: Sequence[tuple], names: Sequence[str]) -> list[Likeness]:  # type: ignore[type-arg]
    if not read:
        return []
    domains: dict[bytes, list[UUID]] = {}
    for pk, *_, domain, _signals in read:
        if domain is not None:
            domains.setdefault(bytes(domain), []).append(pk)
    minutes = Counter(at.replace(second=0, microsecond=0) for _, _, at, *_ in read)
    signals = Counter(text.partition(":")[0] for *_, found in read for text in set(found))
    shapes = Counter(map(_shape, names))
    found = []
    for ids in sorted(domains.values(), key=len, reverse=True)[:DOMAINS_TOLD]:
        words = f"one email domain (of {len(domains)})"
        found.append(Likeness(words, len(ids), len(read), f"{DOMAIN}{ids[0]}"))
    for minute, number in minutes.most_common(1):
        words = f"one minute, {timezone.localtime(minute):%H:%M} (of {len(minutes)})"
        found.append(Likeness(words, number, len(read)))
    for shape, number in shapes.most_common(1):
        found.append(Likeness(f"one shape of name, such as {shape}", number, len(names)))
    for code, number in signals.most_common():
        words = fraud_signals.Signal(code).sentence
        found.append(Likeness(words, number, len(read), f"{SIGNAL}{code}"))
    return found


def _shape(name: str) -> str:
    """A name with "A" for each capital, "a" for each other letter, and "9" for each digit."""
    classes = ("A" if char.isupper() else "a" if char.isalpha() else char for char in name)
    return "".join("9" if char.isdigit() else char for char in classes)


def _names(rows: QuerySet[Signature], ids: Iterable[UUID]) -> dict[UUID, str]:
    """The names of the first `NAMES_READ` that can be opened."""
    wanted = list(ids)[:NAMES_READ]
    found = {}
    for signer in Signer.objects.filter(pk__in=wanted):
        try:
            found[signer.pk] = sealing.unsealed(signer)["name"]
        except vault.CannotOpen:
            continue
    return found


def _signatures(alerts: Iterable[Alert]) -> QuerySet[Signature]:
    networks = [bytes(alert.network_ix or b"") for alert in alerts]
    petitions = {alert.petition_id for alert in alerts}
    return Signature.objects.filter(
        petition__in=petitions, signer__network_ix__in=networks
    ).exclude(state__in=[State.REFUSED, State.WITHDRAWN])


def selection(alerts: Sequence[Alert], narrow: str = "") -> Selection:
    """The selection of what alerts of one petition are about, for a bulk decision.

    `narrow` is the `choice` of a `Likeness`. Of one alert it is a condition; of several it is the
    ids that there are now. Raises `Unselectable`.
    """
    if len({alert.petition_id for alert in alerts}) != 1 or not alerts[0].petition_id:
        raise Unselectable("Choose alerts about signatures of one petition.")
    rows = _signatures(alerts).filter(state__in=DECIDABLE).order_by()
    code = narrow.removeprefix(SIGNAL) if narrow.startswith(SIGNAL) else ""
    alike = UUID(narrow.removeprefix(DOMAIN)) if narrow.startswith(DOMAIN) else None
    if len(alerts) == 1:
        origin = rows.values_list("pk", flat=True).first()
        if origin is None:
            raise Unselectable("Every signature of this alert is decided already.")
        return Selection(
            petition_id=alerts[0].petition_id,
            same_network_as=origin,
            same_domain_as=alike,
            signal=code,
        )
    if alike:
        of_another = Signer.objects.filter(pk=alike).values("domain_ix")
        rows = rows.filter(signer__domain_ix__in=of_another)
    read = rows.values_list("pk", "signals")[: None if code else MOST_IDS + 1]
    wanted = tuple(pk for pk, signals in read if not code or _has(signals, code))
    if not wanted:
        raise Unselectable("None of these signatures can be decided about any more.")
    return Selection(petition_id=alerts[0].petition_id, ids=wanted)


def _has(signals: Iterable[str], code: str) -> bool:
    return any(text.partition(":")[0] == code for text in signals)


class TooOld(Exception):
    """A rule about the network of an alert that is not known any more."""


@transaction.atomic
def make_rule(*, alert: Alert, action: str, hours: int, actor: User, screen: str) -> Rule:
    """Block or hold what comes next from an alert's network, for some hours. Raises `TooOld`.

    What waits for confirmation from there is held, too. The rule knows the network by the blind
    index of the day on which its newest signature was made.
    """
    newest = _signatures([alert]).order_by("-created_at").values_list("created_at", flat=True)[:1]
    signed = newest.first()
    if signed is None or signed < timezone.now() - RULE_WITHIN:
        raise TooOld
    index = bytes(alert.network_ix or b"")
    rule = Rule.objects.filter(kind=Rule.Kind.ALERT, action=action, network_ix=index).first()
    rule = rule or Rule(kind=Rule.Kind.ALERT, action=action, network_ix=index)
    rule.network_day = signed.astimezone(UTC).date()
    rule.expires_at = timezone.now() + timedelta(hours=hours)
    rule.note = f"From alert {alert.pk}."
    rules.save(rule=rule, actor=actor, screen=screen)
    return rule


@transaction.atomic
def dismiss(*, alert: Alert, actor: User, screen: str) -> None:
    """Mark an alert as seen by a moderator, on the audit record: it leaves the admin's home."""
    if Alert.objects.filter(pk=alert.pk, seen_at=None).update(seen_at=Now()):
        audit.record(
            action=AuditRecord.Action.ALERT_DISMISSED,
            screen=screen,
            actor_id=actor.pk,
            about=alert,
        )


@transaction.atomic
def subscribe(*, user: User, kinds: Iterable[str]) -> None:
    """Mail these kinds of alert to a moderator, and no others."""
    wanted = set(kinds)
    AlertMail.objects.filter(user=user).exclude(kind__in=wanted).delete()
    known = AlertMail.objects.filter(user=user).values_list("kind", flat=True)
    new = wanted.difference(known)
    AlertMail.objects.bulk_create([AlertMail(user=user, kind=kind) for kind in sorted(new)])
