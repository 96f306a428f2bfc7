"""Fictitious people for samples and benchmarks: common names of many scripts, randomly combined.

Given and family names (`sample_names.csv`) are among the most common of their languages, and
addresses are in the example domains reserved by RFC 2606, so no mail reaches anybody.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, product
from pathlib import Path
from random import Random
from typing import NamedTuple

DOMAINS = ("example.org", "example.com", "example.net")
# UK postcode areas, to generate well-formed codes.
_POSTCODE_AREAS = ("B", "BS", "BT", "CF", "CV", "EH", "G", "L", "LE", "LS", "M", "NE", "NG", "SA")
_INWARD_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
COUNTRIES = ("DE", "TR", "FR", "NL", "SE", "US", "IE", "LB", "JO", "CA", "ES", "IT", "AU", "PL")


@dataclass(frozen=True, slots=True)
class People:
    """Names of one script or spelling, their share of signers (a weight), and their language."""

    share: int
    language: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    family_first: bool


class Person(NamedTuple):
    """A fictitious person. `handle` is the start of the local part of their address."""

    name: str
    handle: str
    language: str


def _read() -> Iterator[People]:
    with (Path(__file__).parent / "sample_names.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            given, family = tuple(row["given"].split()), tuple(row["family"].split())
            first = bool(row["family_first"])
            yield People(int(row["share"]), row["language"], given, family, first)


PEOPLES = tuple(_read())


def crowd(rng: Random, number: int) -> list[Person]:
    """`number` random people, by weight."""
    everybody, shares = _everybody()
    return rng.choices(everybody, cum_weights=shares, k=number)


def postcode(rng: Random) -> str:
    """A random well-formed postcode, without its space. Some may exist."""
    inward = f"{rng.randrange(10)}{rng.choice(_INWARD_LETTERS)}{rng.choice(_INWARD_LETTERS)}"
    return f"{rng.choice(_POSTCODE_AREAS)}{rng.randrange(1, 30)}{inward}"


@cache
def _everybody() -> tuple[list[Person], list[float]]:
    """All combinations of names, and their cumulative weights for `Random.choices`."""
    everybody, shares = [], []
    for people in PEOPLES:
        names = list(product(people.given, people.family))
        everybody += [_person(people, given, family) for given, family in names]
        shares += [people.share / len(names)] * len(names)
    return everybody, list(accumulate(shares))


def _person(people: People, given: str, family: str) -> Person:
    name = f"{family}{given}" if people.family_first else f"{given} {family}"
    handle = given.lower() if given.isascii() else "signer"
    return Person(name, handle, people.language)
