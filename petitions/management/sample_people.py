"""Fictitious people for samples and benchmarks: common names in many scripts, randomly combined.

The given and family names in `sample_names.csv` are among the most common of their languages.
Addresses use the example domains that RFC 2606 reserves, so that no mail reaches anybody.
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
# UK postcode areas for random, well-formed postcodes.
_POSTCODE_AREAS = ("B", "BS", "BT", "CF", "CV", "EH", "G", "L", "LE", "LS", "M", "NE", "NG", "SA")
_INWARD_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
COUNTRIES = ("DE", "TR", "FR", "NL", "SE", "US", "IE", "LB", "JO", "CA", "ES", "IT", "AU", "PL")


@dataclass(frozen=True, slots=True)
class People:
    """Names of one script or spelling, their language, and their weight among all signers."""

    share: int
    language: str
    given: tuple[str, ...]
    family: tuple[str, ...]
    family_first: bool


class Person(NamedTuple):
    """A fictitious person. The local part of their address starts with `handle`."""

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
    """Return `number` random people, by weight."""
    everybody, shares = _everybody()
    return rng.choices(everybody, cum_weights=shares, k=number)


def postcode(rng: Random) -> str:
    """Return a random well-formed postcode without its space. It may exist."""
    inward = f"{rng.randrange(10)}{rng.choice(_INWARD_LETTERS)}{rng.choice(_INWARD_LETTERS)}"
    return f"{rng.choice(_POSTCODE_AREAS)}{rng.randrange(1, 30)}{inward}"


@cache
def _everybody() -> tuple[list[Person], list[float]]:
    """Return all combinations of names, and their cumulative weights for `Random.choices`."""
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
