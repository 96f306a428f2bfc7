"""Count signers by country and by language once a day. Both are known only from sealed data.

A batch job unseals every counted signer and seals the two tables. So no page unseals anybody's
data, and a stolen copy of the database tells no country. The counts are not of one moment, because
people confirm and withdraw while the job runs.
"""

from collections import Counter
from datetime import datetime, time
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from petitions.counting import figures
from petitions.crypto import vault
from petitions.models import Figures, Signature
from petitions.signers import sealing

BATCH = 2_000
HOME = "GB"
# The country and language of signers whose data is erased, or whose key is missing.
NOT_KNOWN = ""


def count_due(now: datetime | None = None) -> int:
    """Count each petition not yet counted since midnight in London; return how many were counted.

    Petitions closed for `HOURLY_AFTER_CLOSE` keep their last count: their signers will be erased.
    """
    now = now or timezone.now()
    midnight = timezone.make_aware(datetime.combine(timezone.localdate(now), time.min))
    is_due = Q(sealed_at=None) | Q(sealed_at__lt=midnight)
    followed = Q(petition__closes_at=None) | Q(
        petition__closes_at__gt=now - figures.HOURLY_AFTER_CLOSE
    )
    due = list(Figures.objects.filter(is_due, followed).order_by("pk"))
    for row in due:
        store(row, now)
    return len(due)


def store(row: Figures, now: datetime) -> None:
    """Count the countries and languages of one petition, and store them sealed in its figures."""
    sealed = figures.seal(row, count(row.petition_id))
    Figures.objects.filter(pk=row.pk).update(sealed=sealed, sealed_at=now)


def count(petition_id: int) -> figures.Counts:
    """Unseal and count all confirmed signers in batches by keyset; about 15 us for each signer."""
    countries, languages = Counter[str](), Counter[str]()
    after = UUID(int=0)
    while batch := _read(petition_id, after):
        for signature_id, sealed in batch:
            country, language = _home_and_language(signature_id, sealed)
            countries[country] += 1
            languages[language] += 1
        after = batch[-1][0]
    return {"country": dict(countries), "language": dict(languages)}


def _home_and_language(signature_id: UUID, sealed: memoryview | None) -> tuple[str, str]:
    try:
        person = sealing.unseal(sealed, signature_id) if sealed else None
    except vault.CannotOpen:
        person = None
    return (person["country"] or HOME, person["language"]) if person else (NOT_KNOWN, NOT_KNOWN)


def _read(petition_id: int, after: UUID) -> list[tuple[UUID, memoryview | None]]:
    with connection.cursor() as cursor:
        cursor.execute(
            # The subquery reads signers by key. A join would scan all rows before each batch.
            """
            SELECT s.id, (SELECT g.sealed FROM petitions_signer g WHERE g.signature_id = s.id)
            FROM petitions_signature s WHERE s.petition_id = %s AND s.state = %s AND s.id > %s
            ORDER BY s.id LIMIT %s
            """,
            [petition_id, Signature.State.CONFIRMED, after, BATCH],
        )
        return list(cursor)
