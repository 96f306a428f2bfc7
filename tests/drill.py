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

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from random import Random
from typing import NamedTuple
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
# Forms that are answered at once.
AT_ONCE = 8
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


class Signing(NamedTuple):
    """One form that is sent, of whom, and whether its mail will be confirmed."""

    attempt: Attempt
    sender: Sender
    pace: int
    is_confirmed: bool
    of: tuple[set[UUID], ...]


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
        sent = [
            _script(truth, random, number, networks, domains)
            if order[number]
            else _person(truth, random, number, networks, part)
            for number in range(part, len(order), SLICES)
        ]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(partial(_sign_all, petition), [sent[n::AT_ONCE] for n in range(AT_ONCE)]))
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


def _script(truth: Truth, random: Random, number: int, networks: int, domains: int) -> Signing:
    kind, noise = random.random(), "".join(random.choices("bcdfghjklmnpqrstvxz", k=10))
    name, domain = _name(random), f"mail-{random.randrange(domains)}.example"
    if kind >= 0.9:
        domain = random.choice(LARGE)
    if 0.9 <= kind < 0.98:
        name = noise.capitalize() if kind < 0.945 else f"{name} {number + 1000}"
    network = _of_script(random.randrange(networks))
    of = (truth.scripted, truth.believable) if kind >= 0.98 else (truth.scripted,)
    return _signing(random, name, f"{noise}{number}@{domain}", network, 0.8, of)


def _person(truth: Truth, random: Random, number: int, networks: int, part: int) -> Signing:
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
    return _signing(random, name, f"person{number}@{domain}", network, 0.9, (truth.genuine,))


def _of_script(number: int) -> str:
    return f"203.{number // 250}.{number % 250}"


def _name(random: Random) -> str:
    people = random.choice(PEOPLES)
    return f"{random.choice(people.given)} {random.choice(people.family)}"


def _signing(
    random: Random,
    name: str,
    email: str,
    network: str,
    confirming: float,
    of: tuple[set[UUID], ...],
) -> Signing:
    return Signing(
        Attempt(name=name, email=email, postcode="M145RX", name_use="withheld"),
        Sender.at(ip_address(f"{network}.{random.randrange(1, 255)}")),
        random.randrange(4_000, 40_000),
        random.random() < confirming,
        of,
    )


def _sign_all(petition: Petition, sent: list[Signing]) -> None:
    try:
        for one in sent:
            signature_id = _sign(petition, one)
            for ids in one.of:
                ids.add(signature_id)
    finally:
        connection.close()


def _sign(petition: Petition, one: Signing) -> UUID:
    evidence = Evidence(sender=one.sender, pace=one.pace)
    with screen(petition=petition, attempt=one.attempt, evidence=evidence) as (screening, kept):
        kept.is_kept = True
        stored = submit.store(petition=petition, attempt=one.attempt, screening=screening)
    if one.is_confirmed:
        confirm.confirm(signature_id=stored, epoch=0)
    return stored
