"""An attack drill: scripted signings among genuine ones, and the truth about which is which.

The script spreads over many networks and an hour. It has believable names of many languages, some
domains of its own that confirm most of its signings, and some accounts at large providers, for
which it makes up names that nobody has, but for one in five. People sign meanwhile: from their
homes, from a hall where everybody signs at once, through a mobile carrier, with addresses of one
university, and one in twenty from a network that the script uses, too. Some have names that
software often takes for wrong, and a few have names that our rules take for made up.

Every signing goes through screening, storing and confirming as the site's own do; the challenge
and visible limits, which a script solves or waits for, are passed over. The hour passes in slices,
each of which is looked at for alerts before it is moved to its place in time.

Not to be told apart by these means: the script's believable names at large providers; and a person
whose name looks made up, in a network that the script uses, of whom there is none here.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from random import Random
from uuid import UUID

import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from petitions.infra.client_network import Sender
from petitions.management.sample_people import PEOPLES
from petitions.models import Petition
from petitions.moderation import alert_causes
from petitions.screening.screen import Evidence, screen
from petitions.signatures import confirm, submit
from petitions.signers.sealing import Attempt

LARGE = ("gmail.com", "outlook.com", "yahoo.co.uk", "icloud.com", "btinternet.com")
ODD = (
    "Ng Wei",
    "Strč Prst",
    "李",
    "X. Æ. O’Malley",
    "Jean-Luc d’Arc",
    "Wmffre Ynys",
    "Björk",
    "محمد",
)
# The rules take these for made up.
ODDEST = ("Muhammad 786 Khan 12", "Hhhhans Lee", "Rhydychfgtbs Jones")
SLICE = timedelta(minutes=2)
SLICES = 30
_HALL, _CARRIER = "198.51.100", "192.0.2"
# The slices in which people sign in the hall.
_HALL_MEETS = range(10, 14)


@dataclass(slots=True)
class Truth:
    """The ids of what was signed by a script, and of what was signed by people."""

    scripted: set[UUID] = field(default_factory=set)
    genuine: set[UUID] = field(default_factory=set)
    # Of the scripted: believable names at large providers.
    believable: set[UUID] = field(default_factory=set)


def attack(petition: Petition, *, scripted: int, genuine: int, networks: int = 44) -> Truth:
    """Let scripts and people sign within an hour, in a random but repeatable order; most confirm.

    The script has a domain of its own for every 250 of its signings, at most eight.
    """
    random, truth = Random(44), Truth()
    order = [True] * scripted + [False] * genuine
    random.shuffle(order)
    domains = min(8, max(2, scripted // 250))
    for part in range(SLICES):
        began = timezone.now()
        for number in range(part, len(order), SLICES):
            if order[number]:
                _script(petition, truth, random, number, networks, domains)
            else:
                _person(petition, truth, random, number, networks, part)
        alert_causes.raise_and_close()
        _pass(began, SLICE * (SLICES - part))
    return truth


def _pass(began: datetime, ago: timedelta) -> None:
    """Move what was signed since `began` into its slice of the hour; let rate limits forget it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE petitions_signature SET created_at = created_at - moved.shift,
                confirmed_at = confirmed_at - moved.shift
            FROM (
                SELECT id, make_interval(secs => %s - random() * %s) AS shift
                FROM petitions_signature WHERE created_at >= %s
            ) moved
            WHERE petitions_signature.id = moved.id
            """,
            [ago.total_seconds(), SLICE.total_seconds(), began],
        )
    with redis.Redis.from_url(settings.REDIS_URL) as counters:
        counters.flushdb()


def _script(
    petition: Petition, truth: Truth, random: Random, number: int, networks: int, domains: int
) -> None:
    kind, noise = random.random(), "".join(random.choices("bcdfghjklmnpqrstvxz", k=10))
    name, domain = _name(random), f"mail-{random.randrange(domains)}.example"
    if kind >= 0.9:
        domain = random.choice(LARGE)
    if 0.9 <= kind < 0.98:
        name = noise.capitalize() if kind < 0.945 else f"{name} {number + 1000}"
    attempt = _attempt(name, f"{noise}{number}@{domain}")
    signed = _sign(petition, attempt, _of_script(random.randrange(networks)), random, 0.8)
    truth.scripted.add(signed)
    if kind >= 0.98:
        truth.believable.add(signed)


def _person(
    petition: Petition, truth: Truth, random: Random, number: int, networks: int, part: int
) -> None:
    kind, name = random.random(), _name(random)
    network = f"81.{random.randrange(256)}.{random.randrange(256)}"
    domain = "leeds-uni.example" if random.random() < 0.02 else random.choice(LARGE)
    if random.random() < 0.03:
        name = random.choice(ODD)
    if kind < 0.05:
        network = _of_script(random.randrange(networks))
    elif kind < 0.15:
        network = _CARRIER
    elif kind < 0.4 and part in _HALL_MEETS:
        network = _HALL
    elif number % 100 == 0:
        name = random.choice(ODDEST)
    attempt = _attempt(name, f"person{number}@{domain}")
    truth.genuine.add(_sign(petition, attempt, network, random, 0.9))


def _of_script(number: int) -> str:
    return f"203.{number // 250}.{number % 250}"


def _name(random: Random) -> str:
    people = random.choice(PEOPLES)
    return f"{random.choice(people.given)} {random.choice(people.family)}"


def _sign(
    petition: Petition, attempt: Attempt, network: str, random: Random, confirming: float
) -> UUID:
    address = ip_address(f"{network}.{random.randrange(1, 255)}")
    evidence = Evidence(sender=Sender.at(address), pace=random.randrange(4_000, 40_000))
    screened = screen(petition=petition, attempt=attempt, evidence=evidence)
    with screened as (screening, reservation):
        reservation.keep()
        signature_id = submit.store(petition=petition, attempt=attempt, screening=screening)
    if random.random() < confirming:
        confirm.confirm(signature_id=signature_id, epoch=0)
    return signature_id


def _attempt(name: str, email: str) -> Attempt:
    return Attempt(name=name, email=email, postcode="M145RX", name_use="withheld")
