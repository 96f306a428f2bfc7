"""The count: moved with every change of state, read cheaply, rebuilt from the signatures.

Invariant: the sum of the online tallies of a petition equals the number of its confirmed
signatures, after every commit. Whoever changes a state calls `move` last in the same
transaction, so that the hot rows are locked for the shortest time.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from petitions.models import Petition, Signature, Tally

SHARDS = 16

logger = logging.getLogger(__name__)

# Place code and shard: one row of the count of one petition.
Key = tuple[str, int]

# Add to rows of the count that may be there or not, whatever number `{rows}` gives for each.
ADD = """
    INSERT INTO petitions_tally (petition_id, place_id, kind, shard, n) {rows}
    ON CONFLICT (petition_id, place_id, kind, shard)
    DO UPDATE SET n = petitions_tally.n + EXCLUDED.n
"""
_ADD_ROW = ADD.format(rows="VALUES (%s, %s, %s, %s, %s)")


class TallyBroken(Exception):
    """A count would fall below what was counted. `manage.py check_tallies --repair` mends it."""


def key_of(place_id: str, signature_id: UUID) -> Key:
    """The row in which a signature counts: always the same, so that it leaves where it came."""
    return place_id, shard_of(signature_id)


def shard_of(signature_id: UUID) -> int:
    """Which of a place's rows counts a signature."""
    return signature_id.bytes[-1] % SHARDS


def move(petition_id: int, changes: Mapping[Key, int]) -> None:
    """Add to the count by place and shard, in key order, so that no two batches deadlock."""
    for (place_id, shard), change in sorted(changes.items()):
        if change > 0:
            _add(petition_id, place_id, shard, change)
        elif change < 0:
            _subtract(petition_id, place_id, shard, -change)


def totals(petition_ids: Iterable[int]) -> Counter[int]:
    """The same of several petitions, in one query; of one without signatures it is zero."""
    online = Tally.objects.filter(petition__in=petition_ids, kind=Tally.Kind.ONLINE)
    return Counter(dict(online.values_list("petition_id").annotate(total=Sum("n"))))


def total(petition_id: int) -> int:
    """The confirmed signatures that stand: a sum over a few rows per place."""
    online = Tally.objects.filter(petition_id=petition_id, kind=Tally.Kind.ONLINE)
    return online.aggregate(total=Sum("n"))["total"] or 0


def as_column() -> Coalesce:
    """The same of each petition of a query set, for its `annotate`."""
    online = Tally.objects.filter(petition=OuterRef("pk"), kind=Tally.Kind.ONLINE)
    return Coalesce(Subquery(online.values("petition").annotate(total=Sum("n")).values("total")), 0)


def count_afresh(petition_id: int) -> Counter[Key]:
    """The count as the signatures themselves give it; grows with them, so for checks only."""
    with connection.cursor() as cursor:
        cursor.execute(
            # The shard is the last byte of the id: see `key_of`.
            """
            SELECT place_id, get_byte(uuid_send(id), 15) %% %s AS shard, count(*)
            FROM petitions_signature
            WHERE petition_id = %s AND state = %s
            GROUP BY place_id, shard
            """,
            [SHARDS, petition_id, Signature.State.CONFIRMED],
        )
        return Counter({(place, shard): n for place, shard, n in cursor.fetchall()})


def differences(petition_id: int) -> dict[Key, tuple[int, int]]:
    """Where the stored count is not what the signatures give: (stored, counted) by key.

    One statement, and so one moment: confirmations that go on meanwhile make no difference.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT place_id, shard, coalesce(stored.n, 0), coalesce(counted.n, 0)
            FROM (
                SELECT place_id, shard, n FROM petitions_tally
                WHERE petition_id = %(petition)s AND kind = %(online)s
            ) stored
            FULL JOIN (
                SELECT place_id, get_byte(uuid_send(id), 15) %% %(shards)s AS shard, count(*) AS n
                FROM petitions_signature
                WHERE petition_id = %(petition)s AND state = %(confirmed)s
                GROUP BY 1, 2
            ) counted USING (place_id, shard)
            WHERE coalesce(stored.n, 0) <> coalesce(counted.n, 0)
            """,
            {
                "petition": petition_id,
                "online": Tally.Kind.ONLINE,
                "confirmed": Signature.State.CONFIRMED,
                "shards": SHARDS,
            },
        )
        return {(place, shard): (stored, counted) for place, shard, stored, counted in cursor}


def repair_all() -> list[Petition]:
    """Write every count afresh that differs from the signatures; return whose it was.

    A difference means a mistake of ours, so it is logged as an error.
    """
    broken = [petition for petition in Petition.objects.all() if differences(petition.pk)]
    for petition in broken:
        logger.error("the count of %s was wrong; written afresh: %d", petition, rebuild(petition))
    return broken


@transaction.atomic
def rebuild(petition: Petition) -> int:
    """Write the count afresh from the signatures, and return the new total.

    Confirmations wait meanwhile: the lock lets readers pass, and holds whoever moves a tally.
    """
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE petitions_tally IN SHARE ROW EXCLUSIVE MODE")
    counts = count_afresh(petition.pk)
    Tally.objects.filter(petition=petition, kind=Tally.Kind.ONLINE).delete()
    Tally.objects.bulk_create(
        Tally(petition=petition, place_id=place_id, shard=shard, n=n)
        for (place_id, shard), n in sorted(counts.items())
    )
    return counts.total()


def _add(petition_id: int, place_id: str, shard: int, n: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ADD_ROW, [petition_id, place_id, Tally.Kind.ONLINE, shard, n])


def _subtract(petition_id: int, place_id: str, shard: int, n: int) -> None:
    row = Tally.objects.filter(
        petition_id=petition_id,
        place_id=place_id,
        kind=Tally.Kind.ONLINE,
        shard=shard,
        n__gte=n,
    )
    if row.update(n=F("n") - n) != 1:
        raise TallyBroken
