"""Backfill of constituencies for signatures from before their postcodes were imported.

A constituency stays: a later edition of the postcodes moves nobody's signature.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from petitions.counting import tallies
from petitions.crypto import vault
from petitions.models import UNKNOWN, Postcode, Signature
from petitions.signers import sealing

BATCH = 500
_FIRST = UUID(int=0)
_GONE = (Signature.State.WITHDRAWN, Signature.State.REFUSED)


@dataclass(slots=True)
class Placed:
    """Counts of a run: signatures that got a constituency, and seals that did not open."""

    placed: int = 0
    unreadable: int = 0


def waiting() -> QuerySet[Signature]:
    """Signatures from the UK without a constituency, whose signers are not erased."""
    unknown = Signature.objects.filter(place=UNKNOWN, signer__isnull=False)
    return unknown.exclude(state__in=_GONE)


def place_all(progress: Callable[[int], object] = lambda _rows: None) -> Placed:
    """Batch job over all signatures without a constituency; `progress` gets each batch's rows.

    Resumable and idempotent: a transaction a batch. People sign, confirm and withdraw meanwhile.
    """
    result, after = Placed(), _FIRST
    while signatures := _place_batch(after, result):
        progress(len(signatures))
        after = signatures[-1].pk
    return result


@transaction.atomic
def _place_batch(after: UUID, result: Placed) -> list[Signature]:
    # Lock order, against deadlocks: signatures by id, as everywhere, and the tallies last.
    batch = waiting().filter(pk__gt=after).select_related("signer").order_by("pk")[:BATCH]
    signatures = list(batch.select_for_update(of=("self",)))
    given = _postcodes(signatures, result)
    known = dict(
        Postcode.objects.filter(pk__in=set(given.values())).values_list("postcode", "place_id")
    )
    found = {pk: known[postcode] for pk, postcode in given.items() if postcode in known}
    _write(found)
    _move(signatures, found)
    result.placed += len(found)
    return signatures


def _postcodes(signatures: Iterable[Signature], result: Placed) -> dict[UUID, str]:
    given = {}
    for signature in signatures:
        try:
            postcode = sealing.unsealed(signature.signer)["postcode"]
        except vault.CannotOpen:
            result.unreadable += 1
            continue
        if postcode:
            given[signature.pk] = postcode
    return given


def _write(found: dict[UUID, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE petitions_signature s SET place_id = new.place_id
            FROM unnest(%s::uuid[], %s::text[]) AS new (id, place_id) WHERE s.id = new.id
            """,
            [list(found), list(found.values())],
        )


def _move(signatures: Iterable[Signature], found: dict[UUID, str]) -> None:
    """Move counted signatures from "UK, not known" to their constituency; no total changes."""
    changes: dict[int, Counter[tallies.Key]] = defaultdict(Counter)
    for signature in signatures:
        if signature.pk in found and signature.state == Signature.State.CONFIRMED:
            of_petition = changes[signature.petition_id]
            of_petition[tallies.key_of(UNKNOWN, signature.pk)] -= 1
            of_petition[tallies.key_of(found[signature.pk], signature.pk)] += 1
    for petition_id in sorted(changes):
        tallies.move(petition_id, changes[petition_id])
