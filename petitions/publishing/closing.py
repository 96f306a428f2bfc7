"""Records when petitions close: retention periods count from the close that the program saw."""

from django.utils import timezone

from petitions.models import Petition


def record_closes() -> None:
    """Write `closed_at` of petitions that have closed since, and empty it of those opened again.

    Idempotent. `Petition.save` does it for what is saved one by one; this also sees what closes by
    the clock and what is updated past the model. A close is recorded as of now, whatever
    `closes_at` says: a date that somebody typed never makes it older.
    """
    now = timezone.now()
    Petition.objects.running(now).filter(closed_at__isnull=False).update(closed_at=None)
    Petition.objects.over(now).filter(closed_at=None).update(closed_at=now)
