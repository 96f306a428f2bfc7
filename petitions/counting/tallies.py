"""The tally: a sharded counter of signatures, moved with every change of state.

Invariant: the sum of the online tallies of a petition equals the number of its confirmed
signatures, after every commit. Whoever changes a state calls `move` last in the same transaction,
so that the hot rows are locked for the shortest time.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from petitions.models import Petition, Signature, Tally

SHARDS = 16

logger = logging.getLogger(__name__)

# Place code and shard: one row of the count of one petition.
Key = tuple[str, int]

# Upsert into the tally: `{rows}` gives the keys and the number to add to each.
ADD = """
    INSERT INTO petitions_tally (petition_id, place_id, kind, shard, n) {rows}
    ON CONFLICT (petition_id, place_id, kind, shard)
    DO UPDATE SET n = petitions_tally.n + EXCLUDED.n
"""
# The rows of the tally as recounted; the shard is the last byte of the id: see `shard_of`.
_COUNTED = """
    SELECT petition_id, place_id, %(online)s AS kind,
        get_byte(uuid_send(id), 15) %% %(shards)s AS shard, count(*) AS n
    FROM petitions_signature WHERE petition_id = %(petition)s AND state = %(confirmed)s
    GROUP BY 1, 2, 4
"""
_DIFFERENCES = """
    SELECT place_id, shard, coalesce(stored.n, 0), coalesce(counted.n, 0)
    FROM (
        SELECT place_id, shard, n FROM petitions_tally
        WHERE petition_id = %(petition)s AND kind = %(online)s
    ) stored FULL JOIN ({counted}) counted USING (place_id, shard)
    WHERE coalesce(stored.n, 0) <> coalesce(counted.n, 0)
"""
_CHANGES = "unnest(%(places)s::text[], %(shards)s::smallint[], %(numbers)s::int[])"
_ADD_ALL = ADD.format(
    rows=f"""
        SELECT %(petition)s, place, 'online', shard, n FROM {_CHANGES} AS change (place, shard, n)
        ORDER BY place COLLATE "C", shard"""  # noqa: S608
)
_IS_CHANGED = """
    tally.petition_id = %(petition)s AND tally.kind = 'online'
    AND tally.place_id = change.place AND tally.shard = change.shard"""
_LOCK_ALL = f"""
    SELECT FROM petitions_tally tally
    JOIN {_CHANGES} AS change (place, shard, n) ON {_IS_CHANGED}
    ORDER BY tally.place_id COLLATE "C", tally.shard FOR UPDATE OF tally"""
_SUBTRACT_ALL = f"""
    UPDATE petitions_tally tally SET n = tally.n - change.n
    FROM {_CHANGES} AS change (place, shard, n) WHERE {_IS_CHANGED} AND tally.n >= change.n
    """  # noqa: S608


class TallyBroken(Exception):
    """A tally would fall below zero. `manage.py check_tallies --repair` rebuilds it."""


def key_of(place_id: str, signature_id: UUID) -> Key:
    """The tally row of a signature: deterministic, so that it is subtracted where it was added."""
    return place_id, shard_of(signature_id)


def shard_of(signature_id: UUID) -> int:
    """The shard of a signature: the last byte of its id, modulo `SHARDS`."""
    return signature_id.bytes[-1] % SHARDS


def move(petition_id: int, changes: Mapping[Key, int]) -> None:
    """Add by place and shard. Raises `TallyBroken`.

    All rows that exist are locked first, in key order, and new ones added in key order: so no
    two batches deadlock. A statement for all rows, since a batch moves thousands: one for each
    took half of the time of a bulk decision.
    """
    taken = {key: -n for key, n in changes.items() if n < 0}
    added = {key: n for key, n in changes.items() if n > 0}
    with connection.cursor() as cursor:
        if taken:
            cursor.execute(_LOCK_ALL, _values(petition_id, changes))
            cursor.execute(_SUBTRACT_ALL, _values(petition_id, taken))
            if cursor.rowcount != len(taken):
                raise TallyBroken
        if added:
            cursor.execute(_ADD_ALL, _values(petition_id, added))


def _values(petition_id: int, changes: Mapping[Key, int]) -> dict[str, Any]:
    keys = list(changes)
    return {
        "petition": petition_id,
        "places": [place_id for place_id, _shard in keys],
        "shards": [shard for _place_id, shard in keys],
        "numbers": list(changes.values()),
    }


def totals(petition_ids: Iterable[int]) -> Counter[int]:
    """`total` of several petitions, in one query; zero for one without signatures."""
    online = Tally.objects.filter(petition__in=petition_ids, kind=Tally.Kind.ONLINE)
    return Counter(dict(online.values_list("petition_id").annotate(total=Sum("n"))))


def total(petition_id: int) -> int:
    """The number of confirmed signatures: a sum over a few rows per place."""
    online = Tally.objects.filter(petition_id=petition_id, kind=Tally.Kind.ONLINE)
    return online.aggregate(total=Sum("n"))["total"] or 0


def as_column() -> Coalesce:
    """`total` of each petition of a queryset, for its `annotate`."""
    online = Tally.objects.filter(petition=OuterRef("pk"), kind=Tally.Kind.ONLINE)
    return Coalesce(Subquery(online.values("petition").annotate(total=Sum("n")).values("total")), 0)


def differences(petition_id: int) -> dict[Key, tuple[int, int]]:
    """Where the stored tally differs from a recount of the signatures: (stored, counted) by key.

    One statement, and so one snapshot: concurrent confirmations make no difference. It grows with
    the signatures, and so is for checks only.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES.format(counted=_COUNTED), _count_values(petition_id))
        return {(place, shard): (stored, counted) for place, shard, stored, counted in cursor}


def repair_all() -> list[Petition]:
    """Rebuild every tally that differs from its signatures; return whose it was.

    A difference means a bug, so it is logged as an error.
    """
    broken = [petition for petition in Petition.objects.all() if differences(petition.pk)]
    for petition in broken:
        logger.error("the count of %s was wrong; written afresh: %d", petition, rebuild(petition))
    return broken


@transaction.atomic
def rebuild(petition: Petition) -> int:
    """Rebuild the tally from the signatures; return the new total.

    Confirmations wait meanwhile: the table lock lets readers pass, and blocks writers.
    """
    online = Tally.objects.filter(petition=petition, kind=Tally.Kind.ONLINE)
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE petitions_tally IN SHARE ROW EXCLUSIVE MODE")
        online.delete()
        cursor.execute(ADD.format(rows=_COUNTED), _count_values(petition.pk))
    return total(petition.pk)


def _count_values(petition_id: int) -> dict[str, int | str]:
    return {
        "petition": petition_id,
        "online": Tally.Kind.ONLINE,
        "confirmed": Signature.State.CONFIRMED,
        "shards": SHARDS,
    }
