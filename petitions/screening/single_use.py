"""Single-use nonces: solved challenges, served waits, places in a queue, corrections.

The first to consume one gets it, across all processes. They are in PostgreSQL, because a
replay must not pass while Redis is away, and because a nonce that is consumed in the transaction
that stores an attempt is free again by itself if that is rolled back. Keys are keyed hashes.
"""

from django.db import connection
from django.utils import timezone

from petitions.crypto import vault
from petitions.models import UsedNonce


def consume(kind: str, nonce: str, seconds: int) -> bool:
    """Consume a nonce, atomically; False if it was consumed in the last `seconds` (a replay)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_usednonce AS known (key, expires_at)
            VALUES (%s, now() + make_interval(secs => %s))
            ON CONFLICT (key) DO UPDATE SET expires_at = EXCLUDED.expires_at
            WHERE known.expires_at <= now()
            """,
            [vault.blind_index("once", kind, nonce), seconds],
        )
        return bool(cursor.rowcount)


def delete_expired() -> int:
    """Delete expired nonces, which may be used again; return how many."""
    return UsedNonce.objects.filter(expires_at__lte=timezone.now()).delete()[0]
