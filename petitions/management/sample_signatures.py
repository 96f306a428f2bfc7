"""Sample signatures for demos: fictitious people, screened, sealed and counted like real ones.

Their mails are stored as sent, with the reminders of pending ones, so that nothing is ever sent.
"""

import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from petitions.counting import breakdowns, figures, tallies
from petitions.geography import countries
from petitions.identity import email_addresses
from petitions.management import sample_people
from petitions.models import (
    ABROAD,
    UNKNOWN,
    Decision,
    Mail,
    Petition,
    Place,
    Postcode,
    Signature,
    Signer,
    Snapshot,
)
from petitions.moderation import alert_causes, decisions
from petitions.privacy import retention
from petitions.screening.fraud_signals import Facts, Verdict, judge
from petitions.signatures import withdraw
from petitions.signers import consent, sealing
from petitions.signers.sealing import Attempt

SAMPLE_MODERATOR = "sample-moderator"
State = Signature.State
# Percentages by outcome. A sample starts with one of each, so that a small one has them all, too.
_COURSES = {"confirmed": 86, "pending": 8, "suspicious": 2, "removed": 3, "withdrawn": 1}
# Facts about suspicious forms. If `name` is "", the sample person's name is kept.
_SUSPICIOUS = (
    Facts(name="", domain="", pace=180),
    Facts(name="", domain="", honeypot="https://example.org/"),
    Facts(name="Hvnkjdsft", domain="", from_network=130),
    Facts(name="Test Test", domain=""),
    Facts(name="Qwertyuiop", domain=""),
    Facts(name="Aaaaaa Smith", domain="", has_origin=False),
)
_REASONS = (Decision.Reason.AUTOMATED, Decision.Reason.DUPLICATE, Decision.Reason.FALSE_NAME)
_NAME_USES = {"public": 7, "government": 9, "withheld": 4}
_SECOND_OF_MAILBOX_SHARE = 0.04
_WANTS_UPDATES_SHARE = 0.35
_MINUTES_TO_CONFIRM = 30
_HOMES = 2_000
_AT_ONCE = 1_000


class Home(NamedTuple):
    """A residence, and the place of the tally that it belongs to."""

    postcode: str
    country: str
    place: str


class Crowd(NamedTuple):
    """`number` people who sign within `days` at the end of a sample, and raise an alert. Only
    samples of `least` or more have them. Braces in `network` give each a network of their own.
    """

    least: int
    number: int
    days: float
    network: str
    domain: str = ""


# People in one hall, and a script with its own mail domain and very many networks.
_CROWDS = {
    "meeting": Crowd(200, 24, 0.001, "192.0.2.0/24"),
    "script": Crowd(2_000, 80, 0.03, "198.18.{}.0/24", "post.example"),
}
_ABROAD = [Home("", country, ABROAD) for country in sample_people.COUNTRIES]
_UNKNOWN_HOME = Home("", "", UNKNOWN)
# Percentages: in the United Kingdom, abroad, not stated.
_HOME_SHARES = (80, 12, 8)


@transaction.atomic
def seed(
    *,
    petition: Petition,
    total: int,
    days: int = 28,
    progress: Callable[[int], object] = lambda _rows: None,
) -> None:
    """Add `total` sample signatures in every state, signed in the last `days`, in one transaction.

    `progress` gets the size of each batch.
    """
    maker = _Maker(petition, days, Random(1))
    courses = [*_COURSES, *maker.rng.choices(list(_COURSES), list(_COURSES.values()), k=total)]
    last = list[str]()
    for course, crowd in _CROWDS.items():
        last += [course] * (crowd.number if total >= crowd.least else 0)
    courses[total - len(last) :] = last
    ids: defaultdict[str, list[UUID]] = defaultdict(list)
    for start in range(0, total, _AT_ONCE):
        wanted = courses[start:total][:_AT_ONCE]
        signers = [maker.make(start + n, course) for n, course in enumerate(wanted)]
        signatures = Signature.objects.bulk_create([signer.signature for signer in signers])
        Signer.objects.bulk_create(signers)
        Mail.objects.bulk_create(mail for signer in signers for mail in _sent_to(signer))
        for course, signature in zip(wanted, signatures, strict=True):
            ids[course].append(signature.pk)
        progress(len(wanted))
    tallies.rebuild(petition)
    _remove(petition, ids["removed"])
    for signature_id in ids["withdrawn"]:
        withdraw.withdraw(signature_id=signature_id)
    _open_before(petition, timezone.now() - timedelta(days=days))
    _write_snapshots(petition)
    countries.store(figures.store(petition, timezone.now()), timezone.now())
    alert_causes.raise_burst_alerts()


class _Maker:
    """A generator of signers. It remembers the last mailbox, which one more signer may share."""

    def __init__(self, petition: Petition, days: int, rng: Random) -> None:
        self.petition, self.days, self.rng = petition, days, rng
        newest = petition.texts.order_by("-version").first()
        self.text_version = newest.version if newest else 1
        # Part of every address, so that a second sample has other mailboxes.
        self.run = secrets.token_hex(3)
        self.now = timezone.localtime()
        self.homes = _homes(rng)
        self.shared: tuple[str, Home, str] | None = None
        self.in_crowd = Counter[str]()
        self.name_uses = dict(_NAME_USES)
        if not petition.publishes_names:
            del self.name_uses["public"]

    def make(self, number: int, course: str) -> Signer:
        """Return an unsaved signer with its signature, screened by the facts about its form."""
        is_confirmed = course != "pending"
        facts = self.rng.choice(_SUSPICIOUS) if course == "suspicious" else Facts("", "")
        crowd = _CROWDS.get(course)
        self.in_crowd[course] += 1
        if course == "meeting":
            facts = Facts("", "", from_network=self.in_crowd[course])
        (person,) = sample_people.crowd(self.rng, 1)
        name = facts.name or person.name
        handle = f"{person.handle}.{self.run}.{number}"
        email, home, slot = self._mailbox(handle, name, crowd.domain if crowd else "")
        judged = judge(facts._replace(name=name, domain=email_addresses.domain_of(email)))
        is_held = judged.verdict is Verdict.HOLD
        counts = State.HELD if is_held else State.CONFIRMED
        days = crowd.days if crowd else self.days
        created_at, confirmed_at = self._times(days, is_confirmed=is_confirmed)
        attempt = self._attempt(name, email, home, person.language)
        signature = Signature(
            petition=self.petition,
            place_id=home.place,
            state=counts if is_confirmed else State.PENDING,
            verdict=Signature.Verdict.HOLD if is_held else Signature.Verdict.PASS,
            signals=[str(signal) for signal in judged.signals],
            name_use=attempt.name_use,
            wants_updates=attempt.wants_updates,
            news_may_name=attempt.news_may_name,
            text_version=attempt.text_version,
            consent_version=attempt.consent_version,
            created_at=created_at,
            confirmed_at=confirmed_at,
        )
        signer = _signer(signature, attempt, slot if is_confirmed else None)
        if self.now - created_at < retention.KEPT_OF_ORIGIN:
            day = created_at.astimezone(UTC).date()
            signer.domain_ix = sealing.domain_index(email, day)
            network = crowd.network.format(self.in_crowd[course]) if crowd else ""
            signer.network_ix = sealing.network_index(network, day)
        return signer

    def _attempt(self, name: str, email: str, home: Home, language: str) -> Attempt:
        return Attempt(
            name=name,
            email=email,
            postcode=home.postcode,
            country=home.country,
            language=language,
            name_use=self.rng.choices(list(self.name_uses), list(self.name_uses.values()))[0],
            wants_updates=self.rng.random() < _WANTS_UPDATES_SHARE,
            text_version=self.text_version,
            consent_version=consent.version_of(publishes_names=self.petition.publishes_names),
        )

    def _mailbox(self, handle: str, name: str, domain: str) -> tuple[str, Home, int]:
        """Return address, home and slot: a new mailbox, or sometimes slot 2 of the last one."""
        shared, self.shared = self.shared, None
        joins = not domain and self.rng.random() < _SECOND_OF_MAILBOX_SHARE
        if shared and joins and shared[2] != name:
            return shared[0], shared[1], 2
        homes = self.rng.choices((self.homes, _ABROAD, [_UNKNOWN_HOME]), _HOME_SHARES)[0]
        domain = domain or self.rng.choice(sample_people.DOMAINS)
        email, home = f"{handle}@{domain}", self.rng.choice(homes)
        self.shared = email, home, name
        return email, home, 1

    def _times(self, days: float, *, is_confirmed: bool) -> tuple[datetime, datetime | None]:
        """Return times of signing and confirming. More people sign in a campaign's first days."""
        days = days if is_confirmed else min(days, settings.PENDING_DAYS - 1)
        signed = self.now - timedelta(days=days) * self.rng.random() ** 0.6
        waited = timedelta(minutes=self.rng.expovariate(1 / _MINUTES_TO_CONFIRM))
        confirmed = self._kept(min(signed + waited, self.now)) if is_confirmed else None
        return self._kept(signed), confirmed

    def _kept(self, moment: datetime) -> datetime:
        """Truncate an old timestamp to the day, as retention does."""
        if self.now - moment <= retention.EXACT_FOR:
            return moment
        return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _signer(signature: Signature, attempt: Attempt, slot: int | None) -> Signer:
    is_pending, person = signature.confirmed_at is None, sealing.person_of(attempt)
    scope = signature.petition_id
    index = sealing.indexes_of(scope, person, is_pending=is_pending)
    search = sealing.search_indexes(scope, signature.pk, person, is_pending=is_pending)
    return Signer(
        signature=signature,
        petition_id=scope,
        sealed=sealing.seal(person, signature.pk),
        petition_mailbox_ix=index.petition_mailbox,
        person_ix=index.person,
        home_ix=index.home,
        name_ix=search.name,
        postcode_ix=search.postcode,
        slot=slot,
    )


def _sent_to(signer: Signer) -> Iterator[Mail]:
    """Yield the mails to a signer: the confirmation, and the reminder if still pending."""
    signature = signer.signature
    is_pending = signature.confirmed_at is None
    person = sealing.unsealed(signer)
    index = sealing.indexes_of(signer.petition_id, person, is_pending=is_pending)
    for kind in (Mail.Kind.CONFIRM, Mail.Kind.REMIND) if is_pending else (Mail.Kind.CONFIRM,):
        yield Mail(
            signature=signature,
            kind=kind,
            global_mailbox_ix=index.global_mailbox,
            state=Mail.State.SENT,
            attempts=1,
            due_at=signature.created_at,
            created_at=signature.created_at,
        )


def _homes(rng: Random) -> list[Home]:
    """Return UK homes at imported postcodes, or else at random ones in any constituencies."""
    loaded = Postcode.objects.values_list("postcode", "place_id")[:_HOMES]
    if loaded:
        return [Home(postcode, "", place) for postcode, place in loaded]
    constituencies = Place.objects.filter(kind=Place.Kind.CONSTITUENCY)
    places = list(constituencies.values_list("code", flat=True)) or [UNKNOWN]
    return [Home(sample_people.postcode(rng), "", rng.choice(places)) for _ in range(_HOMES)]


def _remove(petition: Petition, ids: list[UUID]) -> None:
    """Remove signatures by decisions, which can be undone, of a moderator who cannot log in."""
    actor, _new = User.objects.get_or_create(
        username=SAMPLE_MODERATOR, defaults={"is_active": False, "password": make_password(None)}
    )
    decisions.share_lock()
    for n, reason in enumerate(_REASONS):
        decision = Decision(
            petition=petition,
            kind=Decision.Kind.REMOVE,
            reason=reason,
            note="sample data",
            actor=actor,
        )
        # Not by `decide`, because this actor has no permission.
        decisions.decide_more(decision, ids[n :: len(_REASONS)])


def _open_before(petition: Petition, first: datetime) -> None:
    """Move an open petition's opening to before its first sample signature."""
    midnight = timezone.localtime(first).replace(hour=0, minute=0, second=0, microsecond=0)
    too_late = Petition.objects.filter(opens_at__gt=midnight, opens_at__lte=timezone.now())
    too_late.filter(pk=petition.pk).update(opens_at=midnight)


def _write_snapshots(petition: Petition) -> None:
    Snapshot.objects.filter(petition=petition).delete()
    by_day: defaultdict[date, Counter[str]] = defaultdict(Counter)
    counted = Signature.objects.counted().filter(petition=petition)
    days = counted.values_list("confirmed_at__date", "place__kind", "place__region")
    for day, kind, region, n in days.annotate(n=Count("pk")):
        by_day[day][breakdowns.group_of(kind, region)] += n
    counts, day = breakdowns.zero_by_group(), min(by_day, default=timezone.localdate())
    while day < timezone.localdate():
        counts.update(by_day[day])
        breakdowns.write(petition.pk, day, counts)
        day += timedelta(days=1)
