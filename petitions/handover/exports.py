"""Streaming CSV exports for organisers, with only the columns that the purpose needs.

Rows are read by keyset pagination, each batch in a transaction of its own: a server-side cursor
would either copy all rows first or hold back VACUUM for as long as a slow client reads.
Order is by random id: neighbours in time may be one family, and a withheld name must not be next
to a name that gives it away.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from petitions.identity import residence
from petitions.models import ABROAD, AuditRecord, Export, Petition, Signature
from petitions.models.signature import spoken
from petitions.signers import sealing
from petitions.staff import audit

# Small enough for a short time to first byte and little memory.
BATCH = 500
BOM = "\ufeff"
KEPT_FOR = timedelta(days=183)
# Prefixes by which a spreadsheet takes a cell for a formula, full-width forms included.
_FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
# Where the list separator is a semicolon (Arabic and German systems), a cell starts after it.
_BEHIND_SEMICOLON = re.compile(r'(;[ "]*)(?=[=+\-@\t\r\n＝＋－＠])')

Progress = Callable[[int], object]


class Row(NamedTuple):
    """One row of an export, before its columns are chosen."""

    id: UUID
    reference: str
    name_use: str
    place_kind: str
    place_name: str
    confirmed_at: datetime
    sealed: memoryview | None


@transaction.atomic
def start(
    *,
    petition: Petition,
    purpose: Export.Purpose,
    why: str,
    actor: User | None = None,
) -> Export:
    """Log the export (who, what, why) before the first byte is sent."""
    export = Export.objects.create(
        petition=petition,
        purpose=purpose,
        why=why,
        actor=actor,
        actor_name=actor.get_username() if actor else "command line",
        delete_by=(timezone.now() + KEPT_FOR).date(),
    )
    audit.record(
        action=AuditRecord.Action.EXPORTED,
        screen="exports",
        actor_id=export.actor_id,
        about=export,
        why=why,
    )
    return export


def stream(export: Export, progress: Progress = lambda _rows: None) -> Iterator[bytes]:
    """Stream the CSV in UTF-8 with a byte order mark, in chunks, in constant memory.

    After the last chunk the record gets its row count, SHA-256 and time; an interrupted export
    stays without them. `progress` gets the number of rows of each chunk.
    """
    digest = hashlib.sha256()
    columns = _COLUMNS[Export.Purpose(export.purpose)]
    rows = 0
    for count, chunk in _chunks(export.petition_id, columns):
        rows += count
        digest.update(chunk)
        progress(count)
        yield chunk
    export.rows, export.sha256, export.finished_at = (
        rows,
        digest.hexdigest(),
        timezone.now(),
    )
    export.save(update_fields=["rows", "sha256", "finished_at"])


def file_name(export: Export) -> str:
    """The file name of an export: petition, purpose and day."""
    return f"{export.petition.slug}-{export.purpose}-{export.started_at:%Y-%m-%d}.csv"


class HandIn:
    """Columns of the hand-in to the Government: no address or postcode, names only by consent."""

    header = ("reference", "name", "constituency or country", "day")

    @staticmethod
    def cells(row: Row) -> tuple[str, ...]:
        person = _person(row)
        name = "" if row.name_use == Signature.NameUse.WITHHELD else person.get("name", "")
        place = row.place_name
        if row.place_kind == ABROAD and "country" in person:
            place = residence.country_name(person["country"], "en")
        return spoken(row.reference), name, place, f"{row.confirmed_at:%Y-%m-%d}"


def _person(row: Row) -> dict[str, str]:
    """The unsealed signer; empty once erased by retention, when the signature still counts."""
    return {} if row.sealed is None else sealing.unseal(row.sealed, row.id)


_COLUMNS = {Export.Purpose.HAND_IN: HandIn}


def _chunks(petition_id: int, columns: type[HandIn]) -> Iterator[tuple[int, bytes]]:
    """Yield pairs of the number of signatures and the CSV chunk; the header first."""
    yield 0, (BOM + _csv([columns.header])).encode()
    for batch in _batches(petition_id):
        lines = _csv(tuple(map(formula_safe, columns.cells(row))) for row in batch)
        yield len(batch), lines.encode()


def _batches(petition_id: int) -> Iterator[list[Row]]:
    """Counted signatures, by keyset pagination over the id.

    Ids are random and immutable. Timestamps are not: retention truncates them during an export,
    and would move rows behind the cursor.
    """
    after = UUID(int=0)
    while batch := _read(petition_id, after, BATCH):
        yield batch
        if len(batch) < BATCH:
            return
        after = batch[-1].id


def _read(petition_id: int, after: UUID, limit: int) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(
            # A subquery reads signers by key: a join would scan all up to the batch, every time.
            """
            SELECT s.id, s.reference, s.name_use, p.kind, p.name,
                   s.confirmed_at AT TIME ZONE 'Europe/London',
                   (SELECT g.sealed FROM petitions_signer g WHERE g.signature_id = s.id)
            FROM petitions_signature s
            JOIN petitions_place p ON p.code = s.place_id
            WHERE s.petition_id = %s AND s.state = %s AND s.id > %s
            ORDER BY s.id LIMIT %s
            """,
            [petition_id, Signature.State.CONFIRMED, after, limit],
        )
        return [Row(*line) for line in cursor.fetchall()]


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def formula_safe(cell: str) -> str:
    """Escape a cell against CSV injection (OWASP), by an apostrophe before a formula."""
    safe = f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
    return _BEHIND_SEMICOLON.sub(r"\1'", safe) if ";" in safe else safe
