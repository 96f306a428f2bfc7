"""Read the counted signatures of an export's selection in keyset batches, and count them.

Each batch is a statement of its own. A server-side cursor would either copy all rows first (WITH
HOLD) or hold back VACUUM while a slow client reads. Rows are in order of their random ids: people
who sign one after the other may be one family, and a withheld name must not be next to a name that
gives it away.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db import connection, connections
from django.db.models import Sum
from django.utils import timezone

from petitions.models import Export, Petition, Place, Signature, Tally

# The first batch is small, for a short time to first byte.
FIRST_BATCH, BATCH = 500, 1_000
# Seconds between two threads' turns, while an export runs and otherwise.
_QUICK_TURN, _USUAL_TURN = 0.000_5, sys.getswitchinterval()
# Above this number `about` returns the planner's estimate: counting would take too long for a page.
COUNTED_EXACTLY = 20_000


# One signature: id (in hexadecimal), petition, reference, name use, place, day, sealed signer. Id
# and day are text, because other types cost 5 us a row. A named tuple would cost 2 us.
Row = tuple[str, int, str, str, str, str, memoryview | None]
Submit = Callable[..., Future[list[Row]]]


class Condition(NamedTuple):
    """A WHERE clause about signatures `s`, composed only of constants of this file and of
    `purposes`, with its parameters.
    """

    sql: str
    params: list[Any]


def batches(export: Export, *, where: str = "TRUE", opened: str = "TRUE") -> Iterator[list[Row]]:
    """Yield the selected signatures by keyset pagination over the id.

    Ids are random and immutable. Timestamps are not: retention truncates them, which could move
    rows behind the cursor during an export. Both conditions are SQL: `where` narrows the selection,
    and `opened` says for which signatures the signer is read.

    A thread reads the next batch while the caller works on this one. It has a connection of its
    own: a psycopg2 connection runs one statement at a time, and with the wait callback of the web
    processes it refuses a second one.
    """
    with ThreadPoolExecutor(1) as thread, _quick_turns():
        # Another connection would not see what a transaction has written.
        run: Submit = _at_once if connection.in_atomic_block else thread.submit
        try:
            for petition_id in petition_ids(export):
                condition = _condition(export, [petition_id], where)
                yield from _of_petition(run, condition, opened)
        finally:
            thread.submit(connections.close_all)


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Let threads hand on the interpreter's lock (GIL) more often, in the whole process.

    The thread that reads needs it for a moment after each batch. At Python's usual interval it
    waits longer than for PostgreSQL, and an export takes a sixth longer.
    """
    sys.setswitchinterval(_QUICK_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(_USUAL_TURN)


def _of_petition(run: Submit, condition: Condition, opened: str) -> Iterator[list[Row]]:
    limit = FIRST_BATCH
    ahead = run(_read, condition, opened, "0" * 32, limit)
    while batch := ahead.result():
        is_last = len(batch) < limit
        if not is_last:
            limit = BATCH
            ahead = run(_read, condition, opened, batch[-1][0], limit)
        yield batch
        if is_last:
            break


def _at_once(function: Callable[..., list[Row]], *args: Any) -> Future[list[Row]]:
    done = Future[list[Row]]()
    done.set_result(function(*args))
    return done


def by_place(export: Export) -> Counter[str]:
    """Count the selection's signatures by place, from the tallies unless days are chosen."""
    if export.first_day or export.last_day:
        return _counted_by_place(export)
    tallies = Tally.objects.filter(petition__in=petition_ids(export), kind=Tally.Kind.ONLINE)
    if export.place_id:
        tallies = tallies.filter(place=export.place_id)
    sums = tallies.values_list("place_id").annotate(total=Sum("n"))
    return Counter({place: n for place, n in sums if n})


def about(export: Export, where: str = "TRUE") -> int:
    """Return the number of rows, as estimated by the planner if over `COUNTED_EXACTLY`."""
    sql, params = _condition(export, petition_ids(export), where)
    rows = f"SELECT 1 FROM petitions_signature s WHERE {sql}"  # noqa: S608
    with connection.cursor() as cursor:
        few = f"SELECT count(*) FROM ({rows} LIMIT %s) few"  # noqa: S608
        cursor.execute(few, [*params, COUNTED_EXACTLY + 1])
        if (counted := int(cursor.fetchone()[0])) <= COUNTED_EXACTLY:
            return counted
        cursor.execute(f"EXPLAIN (FORMAT JSON) {rows}", params)
        plan = cursor.fetchone()[0]
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return max(counted, int(plan[0]["Plan"]["Plan Rows"]))


def petition_ids(export: Export) -> list[int]:
    """Return the export's petition, or all petitions, or those in the chosen state."""
    petitions = Petition.objects.order_by("id")
    if export.petition_id:
        petitions = petitions.filter(pk=export.petition_id)
    if export.petition_state:
        petitions = petitions.filter(state=export.petition_state)
    return list(petitions.values_list("pk", flat=True))


def places() -> dict[str, Place]:
    """Return the places (under 700) by code. A join would send the name again with each row."""
    return Place.objects.in_bulk()


def _read(condition: Condition, opened: str, after: str, limit: int) -> list[Row]:
    # A subquery reads signers by key. For each batch a join would scan all signers before it.
    signer = "(SELECT g.sealed FROM petitions_signer g WHERE g.signature_id = s.id)"
    columns = (
        "encode(uuid_send(s.id), 'hex'), s.petition_id, s.reference, s.name_use, s.place_id, "
        "(s.confirmed_at AT TIME ZONE 'Europe/London')::date::text, "
        f"CASE WHEN {opened} THEN {signer} END"
    )
    rows = f"SELECT {columns} FROM petitions_signature s WHERE {condition.sql}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(
            f"{rows} AND s.id > %s::uuid ORDER BY s.id LIMIT %s", [*condition.params, after, limit]
        )
        found: list[Row] = cursor.fetchall()
        return found


def _counted_by_place(export: Export) -> Counter[str]:
    sql, params = _condition(export, petition_ids(export), "TRUE")
    counts = "SELECT s.place_id, count(*) FROM petitions_signature s"
    with connection.cursor() as cursor:
        cursor.execute(f"{counts} WHERE {sql} GROUP BY 1", params)
        return Counter(dict(cursor.fetchall()))


def _condition(export: Export, petitions: list[int], where: str) -> Condition:
    parts = [f"s.petition_id = ANY(%s) AND s.state = %s AND {where}"]
    params: list[Any] = [petitions, Signature.State.CONFIRMED]
    if export.place_id:
        parts.append("s.place_id = %s")
        params.append(export.place_id)
    if export.first_day:
        parts.append("s.confirmed_at >= %s")
        params.append(_midnight(export.first_day))
    if export.last_day and export.last_day < date.max:
        parts.append("s.confirmed_at < %s")
        params.append(_midnight(export.last_day + timedelta(days=1)))
    return Condition(" AND ".join(parts), params)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
