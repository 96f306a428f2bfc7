"""An attack drill: scripted signings among genuine ones, and the truth about which is which.

A script of middling skill: it has some dozens of networks, two domains of its own that confirm
most of its signings, and accounts at large providers whose made-up names give it away. Genuine
people sign at the same time, some of them from networks that the script uses, too. Every signing
goes through screening, storing and confirming as the site's own do; the challenge and visible
limits, which a script solves or waits for, are passed over.

A script with believable names at large providers, in networks that it shares with genuine people,
is not to be told apart by these means, and no part of this drill.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address
from random import Random
from uuid import UUID

from petitions.infra.client_network import Sender
from petitions.models import Petition
from petitions.screening.screen import Evidence, screen
from petitions.signatures import confirm, submit
from petitions.signers.sealing import Attempt

FIRST = ("Amal", "Bethan", "Carl", "Dina", "Ewan", "Farah", "Gwen", "Huda", "Ivor", "Jenna")
LAST = ("Ahmad", "Brown", "Carter", "Davies", "Evans", "Fahmi", "Green", "Hughes", "Issa", "Jones")
LARGE = ("gmail.com", "outlook.com", "yahoo.co.uk")
OWN = ("mail-alpha.example", "mail-beta.example")


@dataclass(slots=True)
class Truth:
    """The ids of what was signed by a script, and of what was signed by people."""

    scripted: set[UUID] = field(default_factory=set)
    genuine: set[UUID] = field(default_factory=set)


def attack(petition: Petition, *, scripted: int, genuine: int, networks: int = 44) -> Truth:
    """Let scripts and people sign, in a random but repeatable order; most confirm at once.

    People come from all of `networks` and from others; scripts from nine in ten of them.
    """
    random, truth = Random(44), Truth()
    order = [True] * scripted + [False] * genuine
    random.shuffle(order)
    for number, is_scripted in enumerate(order):
        home = number % (networks * 9 // 10) if is_scripted else random.randrange(3 * networks)
        attempt = _scripted(number, random) if is_scripted else _person(number, random)
        signature_id = _sign(petition, attempt, home, random)
        (truth.scripted if is_scripted else truth.genuine).add(signature_id)
        if random.random() < (0.8 if is_scripted else 0.9):
            confirm.confirm(signature_id=signature_id, epoch=0)
    return truth


def _sign(petition: Petition, attempt: Attempt, home: int, random: Random) -> UUID:
    address = ip_address(f"203.{home // 250}.{home % 250}.{random.randrange(1, 255)}")
    evidence = Evidence(sender=Sender.at(address), pace=random.randrange(4_000, 40_000))
    screened = screen(petition=petition, attempt=attempt, evidence=evidence)
    with screened as (screening, reservation):
        reservation.keep()
        return submit.store(petition=petition, attempt=attempt, screening=screening)


def _person(number: int, random: Random) -> Attempt:
    name = f"{random.choice(FIRST)} {random.choice(LAST)}"
    return _attempt(name, f"person{number}@{random.choice(LARGE)}")


def _scripted(number: int, random: Random) -> Attempt:
    kind = random.random()
    if kind < 0.85:
        name = f"{random.choice(FIRST)} {random.choice(LAST)}"
        return _attempt(name, f"user{number}@{OWN[kind > 0.55]}")
    noise = "".join(random.choices("bcdfghjklmnpqrstvxz", k=10)).capitalize()
    name = noise if kind < 0.93 else f"{random.choice(FIRST)} {number + 1000}"
    return _attempt(name, f"{noise.lower()}{number}@{random.choice(LARGE)}")


def _attempt(name: str, email: str) -> Attempt:
    return Attempt(name=name, email=email, postcode="M145RX", name_use="withheld")
