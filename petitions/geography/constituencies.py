"""Import constituencies from published files newer than `constituencies-2024.csv`.

That file ships with the program, and a migration loads it. Two published formats can be imported.
HexJSON has codes, names and regions, and a map that is not stored. The Office for National
Statistics' table of names and codes also has Welsh names, but no regions. Columns that a file does
not have are left unchanged.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from petitions.geography import files
from petitions.models import Place, PlaceFile, Region
from petitions.staff.refusal import Refused

_CODE = re.compile(r"(?:E14|N0[56]|S14|W07)[0-9]{6}")
# Codes that mean "none", such as E99999999: the Channel Islands, the Isle of Man, unmapped places.
PSEUDO = re.compile(r"[A-Z]\d{2}9{6}")
_LONGEST_NAME = 100
_LARGEST_MAP = 20 << 20
# Nations outside England by the first letter of a constituency's code.
_NATIONS = {"W": Region.WALES, "S": Region.SCOTLAND, "N": Region.NORTHERN_IRELAND}


@dataclass(frozen=True, slots=True)
class Imported:
    """The number of constituencies in the file, and how many of them were not known before."""

    rows: int
    new: int


def import_file(path: Path, *, new_boundaries: bool = False) -> Imported:
    """Upsert the constituencies of a file. None is deleted, because signatures refer to them.

    A file with unknown codes has other boundaries, and is refused without `new_boundaries`. Raises
    `Refused`, and then nothing has changed.
    """
    places, columns = _read(path)
    if not places:
        raise Refused(f"{path.name} holds no constituency.")
    codes = {place.code for place in places}
    with transaction.atomic():
        known = set(Place.objects.constituencies().values_list("code", flat=True))
        new = codes - known
        if new and known and not new_boundaries:
            raise Refused(
                f"{path.name} has {len(new):,} constituencies that are not known here, and "
                f"{len(codes & known):,} of the {len(known):,} that are: it is of other "
                "boundaries, or of several. Former and present ones together would be counted side "
                "by side. If the boundaries did change since, add --new-boundaries."
            )
        Place.objects.bulk_create(
            places, update_conflicts=True, unique_fields=["code"], update_fields=columns
        )
        PlaceFile.objects.create(
            kind=PlaceFile.Kind.CONSTITUENCIES,
            file_name=path.name,
            sha256=files.digest(path),
            rows=len(codes),
        )
    return Imported(len(codes), len(new))


def _read(path: Path) -> tuple[list[Place], list[str]]:
    """Return the constituencies, one for each code, and the columns to update."""
    if path.suffix.lower() in {".hexjson", ".json"}:
        rows, columns = _from_hexjson(path), ["name", "region"]
    else:
        rows, columns = _from_table(path), ["name", "name_cy"]
    return list({place.code: place for place in rows}.values()), columns


def _from_hexjson(path: Path) -> Iterator[Place]:
    """Parse HexJSON, as defined by its publisher, Open Innovations."""
    try:
        hexes = json.loads(files.small(path, _LARGEST_MAP))["hexes"]
        cells = [(code, cell["n"], cell["region"]) for code, cell in hexes.items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Refused(
            f"{path.name} is neither a HexJSON of constituencies with n and region nor a CSV file."
        ) from None
    for code, name, region in cells:
        if not PSEUDO.fullmatch(code):
            yield _place(code, name, region=region)


def _from_table(path: Path) -> Iterator[Place]:
    """Parse the Office for National Statistics' names and codes: PCON24CD, PCON24NM, PCON24NMW."""
    with files.table(path) as table:
        if sum(bool(re.fullmatch(r"pcon\d\dcd", name)) for name in table.header) > 1:
            raise Refused(f"{table.name} has former and present constituencies side by side.")
        code, name = (_column(table.header, rf"pcon\d\d{end}") for end in ("cd", "nm"))
        welsh = _column(table.header, r"pcon\d\dnmw")
        if code is None or name is None:
            raise Refused(f"{table.name} has no columns such as PCON24CD and PCON24NM.")
        for number, row in table.rows:
            if len(row) <= max(code, name, welsh or 0):
                raise files.breaks_off(table.name, number)
            if not PSEUDO.fullmatch(row[code].strip().upper()):
                yield _place(row[code], row[name], name_cy="" if welsh is None else row[welsh])


def _column(header: list[str], pattern: str) -> int | None:
    return next((n for n, name in enumerate(header) if re.fullmatch(pattern, name)), None)


def _place(code: str, name: Any, *, region: Any = "", name_cy: str = "") -> Place:
    written, name, name_cy = code.strip(), str(name).strip(), name_cy.strip()
    if not _CODE.fullmatch(code := written.upper()):
        raise Refused(f"{written!r} is not the code of a constituency.")
    if garbled := next(filter(_is_garbled, (name, name_cy)), ""):
        raise Refused(
            f"{code} is called {garbled!r}: its letters were lost when the file was saved. Open "
            "it in the program that it comes from, and save it as “CSV UTF-8 (comma delimited)”."
        )
    if not name or max(len(name), len(name_cy)) > _LONGEST_NAME:
        raise Refused(f"{code} has no name, or one of more than {_LONGEST_NAME} characters.")
    region = region or _NATIONS.get(code[0], "")
    if region and region not in Region.values:
        raise Refused(f"{code} lies in {region!r}, which is not a region of the UK.")
    return Place(code=code, name=name, name_cy=name_cy, region=region)


def _is_garbled(name: str) -> bool:
    """Return whether a program replaced letters by "?", or decoded UTF-8 as Windows-1252."""
    if "?" in name or "\ufffd" in name:
        return True
    try:
        return name.encode("cp1252").decode() != name
    except UnicodeError:
        return False
