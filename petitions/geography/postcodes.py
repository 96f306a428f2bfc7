"""Imports the postcodes: which of them lies in which constituency.

The Office for National Statistics publishes them four times a year, in two tables that name their
columns differently: the Postcode Directory (ONSPD) and the Postcode Lookup (NSPL). Terminated
postcodes are in both, and are imported, for people go on giving them.
"""

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction

from petitions.geography import files
from petitions.geography.files import Table, UnusableFile
from petitions.infra.locks import lease
from petitions.models import Place, PlaceFile

# Columns of the same postcode, spaced differently; the first that is found will do.
_POSTCODE_COLUMNS = ("pcds", "pcd7", "pcd8", "pcd", "pcd2")
_CONSTITUENCY_COLUMN = re.compile(r"pcon(\d\dcd)?")
_TERMINATED_COLUMN = "doterm"
# Wider than what people may type: of NPT and GIR nothing is in use any more.
_POSTCODE = re.compile(r"[A-Z][A-Z0-9]{1,3}[0-9][A-Z]{2}")
# The Channel Islands, the Isle of Man, and where no place on the map is known.
_NO_CONSTITUENCY = re.compile(r"|[A-Z]\d{2}9{6}")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EDITION = re.compile(rf"({'|'.join(_MONTHS)})[a-z]*[ _-]*(20\d\d)", re.IGNORECASE)
_BATCH = 50_000

Progress = Callable[[int, int], object]


@dataclass(slots=True)
class Imported:
    """Counts of an import: what a file held, and what it changed."""

    edition: date
    rows: int = 0
    terminated: int = 0
    nowhere: int = 0
    changed: int = 0
    gone: int = 0
    constituencies: set[str] = field(default_factory=set)


class _Layout(NamedTuple):
    """Indexes of the columns that are read; None: there is no such column."""

    postcode: int
    constituency: int
    terminated: int | None


def import_file(
    path: Path, *, edition: date | None = None, progress: Progress = lambda _read, _size: None
) -> Imported:
    """Make the postcode table equal to a file, in one transaction. Signing goes on meanwhile.

    The file goes into a temporary table first (COPY), and from there only what differs: nobody sees
    half of it, readers wait for nothing, and it is idempotent. `progress` gets how many bytes have
    been read, and of how many. `edition` is any day of the month that the file's name does not say.
    Raises `UnusableFile`, and then nothing has changed.
    """
    with lease("import postcodes") as is_acquired:
        if not is_acquired:
            raise UnusableFile("Postcodes are being imported at this moment already.")
        with files.table(path) as table, transaction.atomic():
            imported = Imported(edition=_edition(edition, table.name, path.name))
            _load(table, imported, progress)
            _merge(imported)
            _record(path, imported)
    return imported


def _edition(given: date | None, *names: str) -> date:
    """The month of the edition, as its first day."""
    if given:
        return given.replace(day=1)
    for name in names:
        if found := _EDITION.search(name):
            return date(int(found[2]), _MONTHS.index(found[1].lower()) + 1, 1)
    raise UnusableFile("The file's name says no month and year: give --edition, such as 2026-08.")


def _layout(table: Table) -> _Layout:
    header = table.header
    postcode = next((name for name in _POSTCODE_COLUMNS if name in header), None)
    constituency = [name for name in header if _CONSTITUENCY_COLUMN.fullmatch(name)]
    if postcode is None or len(constituency) != 1:
        raise UnusableFile(
            f"{table.name} has no columns pcds and pcon (or pcon24cd), as ONSPD and NSPL have. "
            "Code-Point Open has no constituencies."
        )
    terminated = header.index(_TERMINATED_COLUMN) if _TERMINATED_COLUMN in header else None
    return _Layout(header.index(postcode), header.index(constituency[0]), terminated)


def _load(table: Table, imported: Imported, progress: Progress) -> None:
    """COPY the rows into a temporary table."""
    lines = _lines(table, _constituencies(), imported)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE new_postcode (postcode varchar(7), place_id varchar(9))"
        )
        while copied := "".join(islice(lines, _BATCH)):
            cursor.copy_expert("COPY new_postcode FROM STDIN", io.StringIO(copied))
            progress(table.position(), table.size)
    _need_all(table, imported)


def _constituencies() -> frozenset[str]:
    known = Place.objects.filter(kind=Place.Kind.CONSTITUENCY).values_list("code", flat=True)
    if not known:
        raise UnusableFile("There are no constituencies yet: run import_constituencies first.")
    return frozenset(known)


def _lines(table: Table, constituencies: frozenset[str], imported: Imported) -> Iterator[str]:
    """Lines for COPY: only well-formed postcodes with a known code. Raises `UnusableFile`."""
    layout = _layout(table)
    for number, row in enumerate(table.rows, 2):
        try:
            postcode = row[layout.postcode].replace(" ", "")
            constituency = row[layout.constituency]
            is_terminated = layout.terminated is not None and row[layout.terminated] != ""
        except IndexError:
            raise UnusableFile(f"{table.name} breaks off in line {number:,}.") from None
        if constituency not in constituencies:
            if not _NO_CONSTITUENCY.fullmatch(constituency):
                raise UnusableFile(
                    f"Line {number:,}: constituency {constituency!r} is not known here. Is the "
                    "file from before a change of boundaries?"
                )
            imported.nowhere += 1
            continue
        if not _POSTCODE.fullmatch(postcode):
            raise UnusableFile(f"Line {number:,}: {postcode!r} is not a postcode.")
        imported.rows += 1
        imported.terminated += is_terminated
        imported.constituencies.add(constituency)
        yield f"{postcode}\t{constituency}\n"


def _need_all(table: Table, imported: Imported) -> None:
    """Reject a file of a part of the country, or a download cut off between two lines."""
    newest = PlaceFile.objects.newest(PlaceFile.Kind.CONSTITUENCIES)
    expected = newest.rows if newest else 0
    if len(imported.constituencies) < expected:
        raise UnusableFile(
            f"{table.name} has postcodes in {len(imported.constituencies)} of {expected} "
            "constituencies: it is only a part."
        )


def _merge(imported: Imported) -> None:
    with connection.cursor() as cursor:
        try:
            cursor.execute("ALTER TABLE new_postcode ADD PRIMARY KEY (postcode)")
        except IntegrityError:
            raise UnusableFile("A postcode stands in the file twice.") from None
        cursor.execute("ANALYZE new_postcode")
        cursor.execute(_DELETE_GONE)
        imported.gone = cursor.rowcount
        cursor.execute(_UPDATE_MOVED)
        imported.changed = cursor.rowcount
        cursor.execute(_INSERT_NEW)
        imported.changed += cursor.rowcount
        cursor.execute("DROP TABLE new_postcode")
        cursor.execute("ANALYZE petitions_postcode")


# Three statements, for nobody else writes meanwhile; an upsert is slower.
_DELETE_GONE = """
    DELETE FROM petitions_postcode old
    WHERE NOT EXISTS (SELECT FROM new_postcode new WHERE new.postcode = old.postcode)
"""
_UPDATE_MOVED = """
    UPDATE petitions_postcode old SET place_id = new.place_id
    FROM new_postcode new WHERE new.postcode = old.postcode AND new.place_id <> old.place_id
"""
_INSERT_NEW = """
    INSERT INTO petitions_postcode (postcode, place_id)
    SELECT postcode, place_id FROM new_postcode new
    WHERE NOT EXISTS (SELECT FROM petitions_postcode old WHERE old.postcode = new.postcode)
    ORDER BY postcode  -- which fills the index from one side
"""


def _record(path: Path, imported: Imported) -> None:
    PlaceFile.objects.create(
        kind=PlaceFile.Kind.POSTCODES,
        edition=imported.edition,
        file_name=path.name,
        sha256=files.digest(path),
        rows=imported.rows,
    )
