"""Key rotation: re-encrypt signers under the first key of the ring, to retire an older key.

Rows are read, sealed and written under row locks, and rows that are locked elsewhere are skipped
until the next round (SKIP LOCKED): a withdrawal or a correction waits for one batch at most, is
never overwritten, and nothing deadlocks.
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
    """Counts of rows re-encrypted, and of rows left, which cannot be unsealed or were locked."""

    done: int
    left: int


def under_keys() -> dict[int, int]:
    """Count signers by the id of their sealing key. Scans the whole table."""
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
    """Count signers sealed under another key than the first."""
    return sum(n for key, n in under_keys().items() if key != _first_key())


def reseal(progress: Callable[[int], object] = lambda _rows: None) -> Resealed:
    """Re-encrypt all signers under the first key; `progress` gets the rows done of each batch.

    Rounds repeat until one does nothing: rows skipped as locked are taken in the next. Idempotent.
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
    """Enquiries sealed under another key than the first. Reads them all: there are few."""
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
    """Figures whose countries are sealed under another key than the first: one row a petition."""
    sealed = Figures.objects.exclude(sealed=None)
    return [row for row in sealed if row.sealed and bytes(row.sealed)[1] != _first_key()]


def reseal_figures() -> Resealed:
    """Re-encrypt the counts by country and language under the first key."""
    waiting = figures_waiting()
    for row in waiting:
        with suppress(vault.CannotOpen):
            # Unless the daily count has sealed others meanwhile.
            fresh = figures.seal(row, figures.unseal(row))
            Figures.objects.filter(pk=row.pk, sealed_at=row.sealed_at).update(sealed=fresh)
    left = len(figures_waiting())
    return Resealed(len(waiting) - left, left)


@transaction.atomic
def _batch(after: str) -> tuple[list[str], int]:
    """Re-encrypt the signers after an id; return the ids that were read, and how many were."""
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
            fresh[row.pk] = sealing.seal_again(sealing.unsealed(row), row.pk)
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
