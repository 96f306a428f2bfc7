"""Backfill the constituency of signatures made before their postcodes were imported.

Once set, a constituency stays: a later edition of the postcodes moves no signature.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from petitions.counting import tallies
from petitions.crypto import vault
from petitions.infra.locks import lease
from petitions.models import UNKNOWN, PlaceFile, Postcode, Signature
from petitions.signers import sealing
from petitions.staff.refusal import Refused

BATCH = 500
_FIRST = UUID(int=0)
_EXCLUDED_STATES = (Signature.State.WITHDRAWN, Signature.State.REFUSED)

# A signature's id, and its signer's sealed data.
_Sealed = tuple[UUID, bytes]


@dataclass(slots=True)
class Placed:
    """Counts of a run: signatures given a constituency, and signers that cannot be unsealed."""

    placed: int = 0
    unreadable: int = 0


def waiting() -> QuerySet[Signature]:
    """Return UK signatures without a constituency whose signers are not erased."""
    unknown = Signature.objects.filter(place=UNKNOWN, signer__isnull=False)
    return unknown.exclude(state__in=_EXCLUDED_STATES)


def unused_edition() -> PlaceFile | None:
    """Return the newest postcode edition if signatures still have to be looked up in it, or None.

    New signers are looked up when they sign, so one run for each edition is enough.
    """
    newest = PlaceFile.objects.newest(PlaceFile.Kind.POSTCODES)
    return newest if newest and newest.placed_at is None else None


def place_all(progress: Callable[[int], object] = lambda _rows: None) -> Placed:
    """Look up all signatures without a constituency; `progress` gets the size of each batch.

    Resumable and idempotent, with one transaction for each batch. People sign, confirm and withdraw
    meanwhile. If every signer could be unsealed, the edition is marked as done. Raises `Refused`
    while another process runs this, and where a tally is broken.
    """
    with lease("place signatures") as is_acquired:
        if not is_acquired:
            raise Refused("Signatures are being placed at this moment already.")
        try:
            return _place_all(progress)
        except tallies.TallyBroken:
            raise Refused(
                "A count is lower than its signatures: run check_tallies --repair, then this."
            ) from None


def _place_all(progress: Callable[[int], object]) -> Placed:
    result, after, edition = Placed(), _FIRST, unused_edition()
    while edition and (batch := _batch(after)):
        postcodes = _postcodes(batch)
        result.unreadable += len(batch) - len(postcodes)
        result.placed += _place(batch, _places(postcodes))
        progress(len(batch))
        after = batch[-1][0]
    if edition and not result.unreadable:
        PlaceFile.objects.filter(pk=edition.pk).update(placed_at=timezone.now())
    return result


def _batch(after: UUID) -> list[_Sealed]:
    """Read the next batch without locks: most rows stay as they are, and a lock writes to each."""
    rows = waiting().filter(pk__gt=after).order_by("pk").values_list("pk", "signer__sealed")
    return [(pk, bytes(sealed)) for pk, sealed in rows[:BATCH]]


def _postcodes(batch: Sequence[_Sealed]) -> dict[UUID, str]:
    """Return each signer's postcode, "" for none. Signers that cannot be unsealed are left out."""
    given = {}
    for pk, sealed in batch:
        try:
            given[pk] = sealing.unseal(sealed, pk)["postcode"]
        except vault.CannotOpen:
            continue
    return given


def _places(postcodes: Mapping[UUID, str]) -> dict[UUID, str]:
    rows = Postcode.objects.filter(pk__in=set(postcodes.values()))
    known = dict(rows.values_list("postcode", "place_id"))
    return {pk: known[postcode] for pk, postcode in postcodes.items() if postcode in known}


@transaction.atomic
def _place(batch: Sequence[_Sealed], places: Mapping[UUID, str]) -> int:
    """Move signatures to their places, except those corrected or placed since they were read."""
    # Lock order against deadlocks: signatures by id, as everywhere, and the tallies last.
    locked = waiting().filter(pk__in=places).select_related("signer").order_by("pk")
    read = dict(batch)
    moving = [
        signature
        for signature in locked.select_for_update(of=("self",))
        if bytes(signature.signer.sealed) == read[signature.pk]
    ]
    found = {signature.pk: places[signature.pk] for signature in moving}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE petitions_signature s SET place_id = new.place_id
            FROM unnest(%s::uuid[], %s::text[]) AS new (id, place_id) WHERE s.id = new.id
            """,
            [list(found), list(found.values())],
        )
    _move(moving, found)
    return len(found)


def _move(signatures: Sequence[Signature], found: Mapping[UUID, str]) -> None:
    """Move the tallies of counted signatures from `UNKNOWN` to their constituencies."""
    changes: dict[int, Counter[tallies.Key]] = defaultdict(Counter)
    for signature in signatures:
        if signature.state == Signature.State.CONFIRMED:
            of_petition = changes[signature.petition_id]
            of_petition[tallies.key_of(UNKNOWN, signature.pk)] -= 1
            of_petition[tallies.key_of(found[signature.pk], signature.pk)] += 1
    for petition_id in sorted(changes):
        tallies.move(petition_id, changes[petition_id])
