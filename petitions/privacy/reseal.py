"""Key rotation: re-encrypt sealed data under the first sealing key, so that others can be retired.

Rows of signers are read, sealed and written under row locks. Rows that are locked elsewhere are
skipped until the next round (SKIP LOCKED). So a withdrawal or a correction waits for one batch at
most and is never overwritten, and nothing deadlocks.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction

from petitions.counting import figures
from petitions.crypto import vault
from petitions.mail import enquiries
from petitions.models import Enquiry, Figures, Signature, Signer
from petitions.signers import sealing

BATCH = 500
_NOBODY = "00000000-0000-0000-0000-000000000000"


class Resealed(NamedTuple):
    """Counts of rows re-encrypted and rows left. Those cannot be unsealed, or were locked."""

    done: int
    left: int


def under_keys() -> dict[int, int]:
    """Return the number of signers by sealing key id. Scans the whole table."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT get_byte(g.sealed, 1) AS key, count(*)
            FROM petitions_signer g JOIN petitions_signature s ON s.id = g.signature_id
            WHERE s.state <> %s GROUP BY key ORDER BY key
            """,
            [Signature.State.REFUSED],
        )
        return dict(cursor.fetchall())


def waiting() -> int:
    """Return the number of signers that are not sealed under the first key."""
    return sum(n for key, n in under_keys().items() if key != _first_key())


def reseal(progress: Callable[[int], object] = lambda _rows: None) -> Resealed:
    """Re-encrypt all signers under the first key; `progress` gets the rows done in each batch.

    Rounds repeat until one does nothing, because locked rows are left to the next. Idempotent.
    """
    done = before = 0
    cursor = _NOBODY
    while True:
        ids, sealed = _batch(cursor)
        done += sealed
        if ids:
            progress(sealed)
            cursor = ids[-1]
        elif done > before:
            before, cursor = done, _NOBODY
        else:
            return Resealed(done, waiting())


def enquiries_waiting() -> list[Enquiry]:
    """Return enquiries that are not sealed under the first key. Reads all of them: they are few."""
    return [one for one in Enquiry.objects.all() if bytes(one.sealed)[1] != _first_key()]


def reseal_enquiries() -> Resealed:
    """Re-encrypt enquiries under the first key."""
    waiting = enquiries_waiting()
    for enquiry in waiting:
        with suppress(vault.CannotOpen):
            enquiries.reseal(enquiry)
    left = len(enquiries_waiting())
    return Resealed(len(waiting) - left, left)


def figures_waiting() -> list[Figures]:
    """Return figures that are not sealed under the first key. There is one row per petition."""
    sealed = Figures.objects.exclude(sealed=None)
    return [row for row in sealed if row.sealed and bytes(row.sealed)[1] != _first_key()]


def reseal_figures() -> Resealed:
    """Re-encrypt the counts by country and language under the first key."""
    waiting = figures_waiting()
    for row in waiting:
        with suppress(vault.CannotOpen):
            # The filter on `sealed_at` skips a row that the daily count has rewritten meanwhile.
            fresh = figures.seal(row, figures.unseal(row))
            Figures.objects.filter(pk=row.pk, sealed_at=row.sealed_at).update(sealed=fresh)
    left = len(figures_waiting())
    return Resealed(len(waiting) - left, left)


@transaction.atomic
def _batch(after: str) -> tuple[list[str], int]:
    """Re-encrypt the next signers; return the ids read, and how many were re-encrypted."""
    rows = list(
        Signer.objects.raw(
            """
            SELECT g.* FROM petitions_signer g JOIN petitions_signature s ON s.id = g.signature_id
            WHERE g.signature_id > %s AND get_byte(g.sealed, 1) <> %s AND s.state <> %s
            ORDER BY g.signature_id LIMIT %s FOR UPDATE OF g SKIP LOCKED
            """,
            [after, _first_key(), Signature.State.REFUSED, BATCH],
        )
    )
    fresh = {}
    for row in rows:
        with suppress(vault.CannotOpen):
            fresh[row.pk] = sealing.seal(sealing.unsealed(row), row.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE petitions_signer g SET sealed = new.sealed
            FROM unnest(%s::uuid[], %s::bytea[]) AS new (id, sealed)
            WHERE g.signature_id = new.id
            """,
            [list(fresh), list(fresh.values())],
        )
    return [str(row.pk) for row in rows], len(fresh)


def _first_key() -> int:
    return next(iter(settings.SEALING_KEYS))
