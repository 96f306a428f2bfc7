"""Describe alerts about bursts, and let moderators act on them.

Staff never see which network it is: a rule about a network stores only its blind index. Domains are
shown, because masked addresses show them too. Deciding about all its signatures is a bulk decision.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from petitions.crypto import vault
from petitions.identity import email_addresses, providers
from petitions.models import Alert, AlertMail, AuditRecord, Petition, Rule, Signature, Signer
from petitions.models.counts import ANONYMITY_THRESHOLD
from petitions.moderation import rules, search
from petitions.moderation.selection import Selection
from petitions.screening import fraud_signals
from petitions.signers import sealing
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

State = Signature.State
DECIDABLE = (State.PENDING, State.CONFIRMED, State.HELD)
# How many of the newest signatures are read; fewer names, because each must be decrypted.
MAX_ROWS, MAX_NAMES, SAMPLE_SIZE = 10_000, 200, 10
# Nothing more is expected from an older network, and the day of its blind index is not known.
MAX_AGE_FOR_RULE = timedelta(hours=72)
ORIGIN_UNKNOWN = (
    "The site no longer knows where signatures from more than three days ago came from."
)
HOURS = (1, 6, 24, 72)
# Prefixes of `Likeness.choice`.
SIGNAL, DOMAIN, MAX_DOMAINS_SHOWN = "signal:", "domain:", 10
MIN_TO_NAME_DOMAIN = ANONYMITY_THRESHOLD


class Likeness(NamedTuple):
    """A feature that `number` of the `of` signatures of an alert share.

    `choice` narrows a decision to these signatures. It is a warning sign, or the id of a signature
    with the domain; "" where a decision cannot be narrowed to the feature.
    """

    words: str
    number: int
    of: int
    choice: str = ""

    @property
    def percent(self) -> int:
        return round(100 * self.number / max(self.of, 1))


class Figures(NamedTuple):
    """What the page of alerts shows about their signatures.

    `states` are counts by the label of a state, the largest first. `sample` has each signature with
    its name and warning signs. `domains` has a choice of domain for every signature, because a page
    names a domain by its newest signature, and during an attack a newer one arrives at any moment.
    `decidable` are the states of `DECIDABLE` that occur.
    """

    states: list[tuple[str, int]]
    likenesses: list[Likeness]
    sample: list[tuple[Signature, str, list[str]]]
    domains: frozenset[str]
    decidable: frozenset[str]


def figures(alerts: Sequence[Alert]) -> Figures:
    """Return what the signatures of alerts of one petition are, and what they share.

    States are those of the alerts' own signatures. Likenesses are those of all signatures from
    their networks. Of both, at most the newest `MAX_ROWS` rows are read.
    """
    about = _signatures(alerts).order_by("-created_at").values_list("state", flat=True)
    states = Counter(about[:MAX_ROWS])
    nearby = _signatures(alerts, is_nearby=True).filter(state__in=DECIDABLE)
    rows = nearby.order_by("-created_at")
    columns = ("pk", "created_at", "signer__domain_ix", "state", "signals")
    read = list(rows.values_list(*columns)[:MAX_ROWS])
    people = _people([pk for pk, *_ in read][:MAX_NAMES])
    names = {pk: person["name"] for pk, person in people.items()}
    examples = rows.select_related("place").in_bulk(list(names)[:SAMPLE_SIZE])
    return Figures(
        [(str(State(state).label), n) for state, n in states.most_common()],
        _likenesses(read, list(names.values())),
        [(one, names[pk], fraud_signals.sentences(one.signals)) for pk, one in examples.items()],
        frozenset(f"{DOMAIN}{pk}" for pk, _at, domain, *_ in read if domain is not None),
        frozenset(DECIDABLE) & {*states, *(state for *_, state, _signals in read)},
    )


def record_look(*, alerts: Iterable[Alert], petition: Petition, actor: User, screen: str) -> None:
    """Record that somebody looks at signatures from the networks or domains of alerts.

    Staff could send forms themselves to raise an alert about the domain of one person.
    """
    kinds = {"domain" if one.kind == Alert.Kind.DOMAIN else "network" for one in alerts}
    for kind in sorted(kinds):
        search.record(petition=petition, kind=kind, actor=actor, screen=screen)


def _likenesses(read: Sequence[tuple], names: Sequence[str]) -> list[Likeness]:  # type: ignore[type-arg]
    if not read:
        return []
    minutes = Counter(at.replace(second=0, microsecond=0) for _, at, *_ in read)
    signals = Counter(text.partition(":")[0] for *_, found in read for text in set(found))
    found = _shared_domains(read)
    for minute, number in minutes.most_common(1):
        words = (
            f"one minute, {timezone.localtime(minute):%H:%M} (of {len(minutes)} in which they came)"
        )
        found.append(Likeness(words, number, len(read)))
    for shape, number in Counter(map(_shape, names)).most_common(1):
        words = f"one shape of name, {shape} (A is a capital, a any other letter, 9 a digit)"
        found.append(Likeness(words, number, len(names)))
    for code, number in signals.most_common():
        words = fraud_signals.Signal(code).sentence
        found.append(Likeness(words, number, len(read), f"{SIGNAL}{code}"))
    return found


def _shared_domains(read: Sequence[tuple]) -> list[Likeness]:  # type: ignore[type-arg]
    """Return the most frequent domains.

    Only large providers, and domains with at least `MIN_TO_NAME_DOMAIN` signatures, are named: the
    name of a rare domain reveals whose address signed.
    """
    domains: dict[bytes, list[UUID]] = {}
    for pk, _at, domain, *_ in read:
        if domain is not None:
            domains.setdefault(bytes(domain), []).append(pk)
    most = sorted(domains.values(), key=len, reverse=True)[:MAX_DOMAINS_SHOWN]
    people = _people([ids[0] for ids in most])
    found = []
    for place, ids in enumerate(most, start=1):
        name = email_addresses.domain_of(people.get(ids[0], {}).get("email", ""))
        words = f"email domain {place} of {len(domains)}"
        if name in providers.SHARED:
            words = f"the email domain {name} (a large provider)"
        elif len(ids) >= MIN_TO_NAME_DOMAIN:
            words = f"the email domain {name} (one of {len(domains)} domains)"
        found.append(Likeness(words, len(ids), len(read), f"{DOMAIN}{ids[0]}"))
    return found


def _shape(name: str) -> str:
    """Replace each capital by "A", each other letter by "a", and each digit by "9"."""
    classes = ("A" if char.isupper() else "a" if char.isalpha() else char for char in name)
    return "".join("9" if char.isdigit() else char for char in classes)


def _people(ids: Sequence[UUID]) -> dict[UUID, dict[str, str]]:
    """Return unsealed signers by id, in the order of `ids`; skip those that cannot be unsealed."""
    signers, found = Signer.objects.in_bulk(ids), {}
    for pk in ids:
        with suppress(KeyError, vault.CannotOpen):
            found[pk] = sealing.unsealed(signers[pk])
    return found


def _signatures(alerts: Sequence[Alert], *, is_nearby: bool = False) -> QuerySet[Signature]:
    rows = selection(alerts, is_nearby=is_nearby).queryset()
    return rows.exclude(state__in=[State.REFUSED, State.WITHDRAWN])


def selection(
    alerts: Sequence[Alert], alike: Sequence[str] = (), *, is_nearby: bool = False
) -> Selection:
    """Return the selection of the signatures of alerts of one petition, for a bulk decision.

    `is_nearby` selects all signatures from the networks of the alerts instead. `alike` implies it,
    and narrows it: these are choices of `Likeness`, with at most one warning sign. A signature must
    have the sign and one of the domains. Raises `Refused` unless all are about one petition.
    """
    if len({alert.petition_id for alert in alerts}) != 1 or not alerts[0].petition_id:
        raise Refused("Choose alerts about signatures of one petition.")
    ids = tuple(alert.pk for alert in alerts)
    signs = [one.removeprefix(SIGNAL) for one in alike if one.startswith(SIGNAL)]
    domains = [UUID(one.removeprefix(DOMAIN)) for one in alike if one.startswith(DOMAIN)]
    is_nearby = is_nearby or bool(signs or domains)
    return Selection(
        petition_id=alerts[0].petition_id,
        alerts=() if is_nearby else ids,
        networks_of_alerts=ids if is_nearby else (),
        signal=signs[0] if signs else "",
        same_domain_as=tuple(domains),
    )


@transaction.atomic
def make_rule(*, alert: Alert, action: str, hours: int, actor: User, screen: str) -> Rule:
    """Block or hold new signatures from an alert's network or domain for `hours`.

    Pending signatures from there are held when they are confirmed. The rule stores the network's
    blind index of the day of its newest signature. Raises `Refused` if that is no longer known.
    """
    roles.require(actor, rules.PERMISSION)
    newest = _signatures([alert]).order_by("-created_at").select_related("signer").first()
    if newest is None or newest.created_at < timezone.now() - MAX_AGE_FOR_RULE:
        raise Refused(ORIGIN_UNKNOWN)
    known: dict[str, Any] = {
        "kind": Rule.Kind.ALERT,
        "network_ix": alert.network_ix and bytes(alert.network_ix),
    }
    if alert.kind == Alert.Kind.DOMAIN:
        domain = email_addresses.domain_of(sealing.address_of(newest.signer) or "")
        if not domain:
            raise Refused(ORIGIN_UNKNOWN)
        known = {"kind": Rule.Kind.DOMAIN, "pattern": domain}
    rule = Rule.objects.filter(action=action, **known).first() or Rule(action=action, **known)
    if alert.kind == Alert.Kind.BURST:
        rule.network_day = newest.created_at.astimezone(UTC).date()
    rule.expires_at = timezone.now() + timedelta(hours=hours)
    rule.note = f"From alert {alert.pk}."
    rules.save(rule=rule, actor=actor, screen=screen)
    return rule


@transaction.atomic
def dismiss(*, alert: Alert, actor: User, screen: str) -> None:
    """Mark an alert as seen and record it; the alert leaves the admin's home page."""
    roles.require(actor, roles.MODERATE)
    if Alert.objects.filter(pk=alert.pk, seen_at=None).update(seen_at=Now()):
        audit.record(
            action=AuditRecord.Action.ALERT_DISMISSED, screen=screen, actor=actor, about=alert
        )


@transaction.atomic
def subscribe(*, actor: User, kinds: Iterable[str], screen: str) -> None:
    """Subscribe a moderator to mails about these kinds of alert, and no others."""
    roles.require(actor, roles.MODERATE)
    wanted = set(kinds)
    AlertMail.objects.filter(user=actor).exclude(kind__in=wanted).delete()
    known = AlertMail.objects.filter(user=actor).values_list("kind", flat=True)
    new = wanted.difference(known)
    AlertMail.objects.bulk_create([AlertMail(user=actor, kind=kind) for kind in sorted(new)])
    why = f"alerts by mail: {', '.join(sorted(wanted)) or 'none'}"
    audit.record(
        action=AuditRecord.Action.CHANGED, screen=screen, actor=actor, about=actor, why=why
    )
