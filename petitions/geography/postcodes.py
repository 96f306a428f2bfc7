"""Import the constituency of each postcode.

The Office for National Statistics publishes postcodes four times a year, in two tables with
different column names: the Postcode Directory (ONSPD) and the Postcode Lookup (NSPL). Both have
terminated postcodes, which are imported because people go on giving them.
"""

import io
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import islice
from pathlib import Path

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from petitions.geography import files
from petitions.geography.constituencies import PSEUDO
from petitions.geography.files import Table
from petitions.infra.locks import lease
from petitions.models import Place, PlaceFile, Postcode
from petitions.staff.refusal import Refused

# Columns with the same postcode, spaced differently. The first one found is used.
_POSTCODE_COLUMNS = ("pcds", "pcd7", "pcd8", "pcd", "pcd2")
_CONSTITUENCY_COLUMN = re.compile(r"pcon(\d\dcd)?")
_TERMINATED_COLUMN = "doterm"
# More than people may type: this includes NPT and GIR, whose postcodes are no longer in use.
_POSTCODE = re.compile(r"[A-Z][A-Z0-9]{1,3}[0-9][A-Z]{2}")
# Postcode areas of the Channel Islands and the Isle of Man, which have no constituency.
_ISLANDS = ("GY", "IM", "JE")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EDITION = re.compile(rf"({'|'.join(_MONTHS)})[a-z]*[ _-]*(20\d\d)", re.IGNORECASE)
_BATCH = 50_000
# An edition may lose or move this share of the postcodes, or this number if that is more.
_SHARE_CHANGED = 0.01
_FEW_CHANGED = 1_000

Progress = Callable[[int, int], object]


class Doubt(StrEnum):
    """A reason to refuse an edition, unless the operator accepts it."""

    OLDER = "older"
    FUTURE = "future"
    LOSS = "loss"
    MOVES = "moves"


@dataclass(slots=True)
class Imported:
    """Counts of an import: rows of the file, and changes in the table."""

    edition: date
    rows: int = 0
    terminated: int = 0
    nowhere: int = 0
    # How many of `nowhere` are in use on the mainland: there should be hardly any.
    astray: int = 0
    changed: int = 0
    gone: int = 0


def import_file(
    path: Path,
    *,
    edition: date | None = None,
    accepted: Collection[Doubt] = (),
    progress: Progress = lambda _read, _size: None,
) -> Imported:
    """Make the postcode table equal to a file, in one transaction. Signing goes on meanwhile.

    The file is copied to a temporary table first (COPY), and then only the differences are written.
    So nobody sees half of an edition, readers never wait, and the import is idempotent. `progress`
    gets the bytes read and the total. `edition` is any day of the edition's month, and needed if no
    file name says it. Raises `Refused`, and then nothing has changed.
    """
    with lease("import postcodes") as is_acquired:
        if not is_acquired:
            raise Refused("Postcodes are already being imported.")
        with files.table(path) as table, transaction.atomic():
            imported = Imported(edition=_edition(edition, table.name, path.name))
            _check_month(imported.edition, accepted)
            _load(table, imported, progress)
            _index()
            _check_complete(table.name, imported, accepted)
            _merge(imported)
            _record(path, imported)
    return imported


def _edition(given: date | None, *names: str) -> date:
    """Return the first day of the edition's month, as given or as in a name. Raises `Refused`."""
    if given:
        return given.replace(day=1)
    for name in names:
        if found := _EDITION.search(name):
            return date(int(found[2]), _MONTHS.index(found[1].lower()) + 1, 1)
    raise Refused("The file's name says no month and year: give --edition, such as 2026-08.")


def _check_month(edition: date, accepted: Collection[Doubt]) -> None:
    """Refuse an edition of a future month, or one older than that in use, unless accepted."""
    if edition > timezone.localdate() and Doubt.FUTURE not in accepted:
        raise Refused(
            f"{edition:%B %Y} has not begun. Is the month right? If it is, add --accept future."
        )
    in_use = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    if in_use and in_use.edition and edition < in_use.edition and Doubt.OLDER not in accepted:
        raise Refused(
            f"The postcodes of {in_use.edition:%B %Y} are in use, which are newer than those of "
            f"{edition:%B %Y}. To go back to the older ones, add --accept older."
        )


def _load(table: Table, imported: Imported, progress: Progress) -> None:
    """COPY the rows into a temporary table."""
    lines = _lines(table, imported)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE new_postcode (postcode varchar(7), place_id varchar(9))"
        )
        while copied := "".join(islice(lines, _BATCH)):
            cursor.copy_expert("COPY new_postcode FROM STDIN", io.StringIO(copied))
            progress(table.position(), table.size)


def _lines(table: Table, imported: Imported) -> Iterator[str]:
    """Yield lines for COPY: well-formed postcodes with a known constituency. Raises `Refused`."""
    known = frozenset(Place.objects.constituencies().values_list("code", flat=True))
    if not known:
        raise Refused("There are no constituencies yet: run import_constituencies first.")
    of_postcode, of_constituency, of_end = _columns(table)
    for number, row in table.rows:
        try:
            postcode = "".join(row[of_postcode].split()).upper()
            constituency = row[of_constituency].strip().upper()
            is_terminated = of_end is not None and row[of_end].strip() != ""
        except IndexError:
            raise files.breaks_off(table.name, number) from None
        if not constituency or PSEUDO.fullmatch(constituency):
            imported.nowhere += 1
            imported.astray += not is_terminated and not postcode.startswith(_ISLANDS)
            continue
        if constituency not in known:
            raise Refused(
                f"Line {number:,}: constituency {constituency!r} is not known here. Is the "
                "file from before a change of boundaries?"
            )
        if not _POSTCODE.fullmatch(postcode):
            raise Refused(f"Line {number:,}: {postcode!r} is not a postcode.")
        imported.rows += 1
        imported.terminated += is_terminated
        yield f"{postcode}\t{constituency}\n"


def _columns(table: Table) -> tuple[int, int, int | None]:
    """Return the columns of postcode, constituency and end of use. The last may be missing."""
    header = table.header
    postcode = next((name for name in _POSTCODE_COLUMNS if name in header), None)
    constituency = [name for name in header if _CONSTITUENCY_COLUMN.fullmatch(name)]
    if len(constituency) > 1:
        raise Refused(
            f"{table.name} has the constituencies of several years: {', '.join(constituency)}. "
            "Delete the columns of those that are no longer in force."
        )
    if postcode is None or not constituency:
        raise Refused(
            f"{table.name} has no columns pcds and pcon (or pcon24cd), as ONSPD and NSPL have. "
            "Code-Point Open has no constituencies."
        )
    end = header.index(_TERMINATED_COLUMN) if _TERMINATED_COLUMN in header else None
    return header.index(postcode), header.index(constituency[0]), end


def _index() -> None:
    with connection.cursor() as cursor:
        try:
            cursor.execute("ALTER TABLE new_postcode ADD PRIMARY KEY (postcode)")
        except IntegrityError:
            raise Refused("A postcode stands in the file twice.") from None
        cursor.execute("ANALYZE new_postcode")


def _check_complete(name: str, imported: Imported, accepted: Collection[Doubt]) -> None:
    """Refuse a file that would move many postcodes, or that lacks many, unless accepted.

    It may be only a part of the table, cut off between two lines, or sorted by one column alone.
    """
    placed, moved = Postcode.objects.count(), _count(_MOVED)
    if moved > max(_FEW_CHANGED, placed * _SHARE_CHANGED) and Doubt.MOVES not in accepted:
        raise Refused(
            f"{moved:,} of the {placed:,} postcodes in use would move to another constituency. "
            "Were the columns sorted one without the other? If the boundaries changed, add "
            "--accept moves."
        )
    if Doubt.LOSS in accepted:
        return
    force = "If that is right, add --accept loss."
    in_use = _count(_USED_CONSTITUENCIES) or Place.objects.constituencies().count()
    held = _count("SELECT count(DISTINCT place_id) FROM new_postcode")
    if held < in_use:
        raise Refused(
            f"{name} has postcodes in {held} of {in_use} constituencies: it is only a part. {force}"
        )
    lost = _count(_LOST)
    if lost > max(_FEW_CHANGED, placed * _SHARE_CHANGED):
        raise Refused(
            f"{lost:,} of the {placed:,} postcodes in use would lose their constituency: "
            f"{name} has none for them. {force}"
        )
    if not placed and imported.astray > max(_FEW_CHANGED, imported.rows * _SHARE_CHANGED):
        raise Refused(
            f"{imported.astray:,} postcodes that are in use have no constituency in {name}, beside "
            f"{imported.rows:,} that have one. {force}"
        )


def _count(query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])


def _merge(imported: Imported) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_DELETE_GONE)
        imported.gone = cursor.rowcount
        cursor.execute(_UPDATE_MOVED)
        imported.changed = cursor.rowcount
        cursor.execute(_INSERT_NEW)
        imported.changed += cursor.rowcount
        cursor.execute("DROP TABLE new_postcode")
        cursor.execute("ANALYZE petitions_postcode")


_USED_CONSTITUENCIES = "SELECT count(DISTINCT place_id) FROM petitions_postcode"
_LOST = """
    SELECT count(*) FROM petitions_postcode old
    WHERE NOT EXISTS (SELECT FROM new_postcode new WHERE new.postcode = old.postcode)
"""
_MOVED = """
    SELECT count(*) FROM petitions_postcode old JOIN new_postcode new USING (postcode)
    WHERE new.place_id <> old.place_id
"""
# Three statements are safe, because the lease keeps other writers out. An upsert is slower.
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
    ORDER BY postcode  -- fills the index in its order
"""


def _record(path: Path, imported: Imported) -> None:
    PlaceFile.objects.create(
        kind=PlaceFile.Kind.POSTCODES,
        edition=imported.edition,
        file_name=path.name,
        sha256=files.digest(path),
        rows=imported.rows,
    )
