"""The tally: a sharded counter of signatures, updated with every change of state.

Invariant: after every commit, the sum of a petition's online tallies equals the number of its
confirmed signatures. Code that changes a state calls `move` last in the same transaction, so that
the contended rows are locked for the shortest time.
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

# Place code and shard: the key of a tally row within one petition.
Key = tuple[str, int]

# Upsert into the tally. `{rows}` selects the keys, and the number to add to each.
ADD = """
    INSERT INTO petitions_tally (petition_id, place_id, kind, shard, n) {rows}
    ON CONFLICT (petition_id, place_id, kind, shard)
    DO UPDATE SET n = petitions_tally.n + EXCLUDED.n
"""
# The tally rows, recounted from the signatures. The shard is computed as in `shard_of`.
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
    """Raised if a tally would fall below zero. `manage.py check_tallies --repair` rebuilds it."""


def key_of(place_id: str, signature_id: UUID) -> Key:
    """Return the key of a signature's tally row: deterministic, so that it is subtracted there."""
    return place_id, shard_of(signature_id)


def shard_of(signature_id: UUID) -> int:
    """Return a signature's shard: the last byte of its id, modulo `SHARDS`."""
    return signature_id.bytes[-1] % SHARDS


def move(petition_id: int, changes: Mapping[Key, int]) -> None:
    """Add `changes` to the tally rows of a petition. Raises `TallyBroken`.

    Rows are locked or upserted in key order, so that two batches never deadlock. Each statement is
    about all rows, because a batch changes thousands: one statement for each row took half of the
    time of a bulk decision.
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
    """Return `total` for several petitions in one query. A missing key counts as zero."""
    online = Tally.objects.filter(petition__in=petition_ids, kind=Tally.Kind.ONLINE)
    return Counter(dict(online.values_list("petition_id").annotate(total=Sum("n"))))


def total(petition_id: int) -> int:
    """Return the number of confirmed signatures: a sum over at most `SHARDS` rows for a place."""
    online = Tally.objects.filter(petition_id=petition_id, kind=Tally.Kind.ONLINE)
    return online.aggregate(total=Sum("n"))["total"] or 0


def as_column() -> Coalesce:
    """Return `total` as an expression for `annotate` on a queryset of petitions."""
    online = Tally.objects.filter(petition=OuterRef("pk"), kind=Tally.Kind.ONLINE)
    return Coalesce(Subquery(online.values("petition").annotate(total=Sum("n")).values("total")), 0)


def differences(petition_id: int) -> dict[Key, tuple[int, int]]:
    """Return (stored, counted) by key where the tally differs from a recount of the signatures.

    It is one statement with one snapshot, so concurrent confirmations make no difference. It is
    for checks only, because its time grows with the signatures.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES.format(counted=_COUNTED), _count_values(petition_id))
        return {(place, shard): (stored, counted) for place, shard, stored, counted in cursor}


def repair_all() -> list[Petition]:
    """Rebuild every tally that differs from its signatures; return the petitions concerned.

    A difference means a bug, so it is logged as an error.
    """
    broken = [petition for petition in Petition.objects.all() if differences(petition.pk)]
    for petition in broken:
        logger.error("the count of %s was wrong; written afresh: %d", petition, rebuild(petition))
    return broken


@transaction.atomic
def rebuild(petition: Petition) -> int:
    """Rebuild a petition's tally from its signatures; return the new total.

    Confirmations wait meanwhile: the table lock blocks writers, but not readers.
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
