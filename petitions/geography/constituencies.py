"""Imports the constituencies, their names and regions, from published files.

Two formats are read. HexJSON has codes, names and regions, and a map that nothing here draws: how
many signed in a constituency is not for the public. The statisticians' table of names and codes has
the Welsh names besides, and no regions. Columns that a file lacks are left alone.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from petitions.geography import files
from petitions.geography.files import UnusableFile
from petitions.models import Place, PlaceFile, Region

_CODE = re.compile(r"[ENSW][0-9]{8}")
_LONGEST_NAME = 100
# The first letter of a constituency's code, outside England, to its nation.
_NATIONS = {"W": Region.WALES, "S": Region.SCOTLAND, "N": Region.NORTHERN_IRELAND}


@dataclass(frozen=True, slots=True)
class Imported:
    """How many constituencies the file held, and how many of them are new here."""

    rows: int
    new: int


def import_file(path: Path) -> Imported:
    """Upsert the constituencies of a file. None is ever deleted: signatures count in them.

    Raises `UnusableFile`, and then nothing has changed.
    """
    places, columns = _read(path)
    if not places:
        raise UnusableFile(f"{path.name} holds no constituency.")
    with transaction.atomic():
        known = Place.objects.filter(code__in=[place.code for place in places]).count()
        Place.objects.bulk_create(
            places, update_conflicts=True, unique_fields=["code"], update_fields=columns
        )
        PlaceFile.objects.create(
            kind=PlaceFile.Kind.CONSTITUENCIES,
            file_name=path.name,
            sha256=files.digest(path),
            rows=len(places),
        )
    return Imported(len(places), len(places) - known)


def _read(path: Path) -> tuple[list[Place], list[str]]:
    """The constituencies, and the columns to update."""
    if path.suffix.lower() in {".csv", ".zip"}:
        return list(_from_table(path)), ["name", "name_cy"]
    return list(_from_hexjson(path)), ["name", "region"]


def _from_hexjson(path: Path) -> Iterator[Place]:
    """Parse HexJSON, as its publisher, Open Innovations, describes it."""
    try:
        hexes = json.loads(path.read_bytes())["hexes"]
        for code, cell in hexes.items():
            yield _place(code, cell["n"], region=cell["region"])
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UnusableFile(
            f"{path.name} is no HexJSON of constituencies with n and region, and no CSV file."
        ) from None


def _from_table(path: Path) -> Iterator[Place]:
    """Parse the Office for National Statistics' names and codes: PCON24CD, PCON24NM, PCON24NMW."""
    with files.table(path) as table:
        code, name = (_column(table.header, rf"pcon\d\d{end}") for end in ("cd", "nm"))
        welsh = _column(table.header, r"pcon\d\dnmw")
        if code is None or name is None:
            raise UnusableFile(f"{table.name} has no columns such as PCON24CD and PCON24NM.")
        for row in table.rows:
            yield _place(row[code], row[name], name_cy=row[welsh] if welsh is not None else "")


def _column(header: list[str], pattern: str) -> int | None:
    return next((n for n, name in enumerate(header) if re.fullmatch(pattern, name)), None)


def _place(code: str, name: Any, *, region: str = "", name_cy: str = "") -> Place:
    name, name_cy = str(name).strip(), name_cy.strip()
    if not _CODE.fullmatch(code):
        raise UnusableFile(f"{code!r} is not the code of a constituency.")
    if not name or max(len(name), len(name_cy)) > _LONGEST_NAME:
        raise UnusableFile(f"{code} has no name, or one of more than {_LONGEST_NAME} characters.")
    region = region or _NATIONS.get(code[0], "")
    if region and region not in Region.values:
        raise UnusableFile(f"{code} lies in {region!r}, which is no region of the UK.")
    return Place(code=code, name=name, name_cy=name_cy, region=region)
