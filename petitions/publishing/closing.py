"""Recording when petitions close: how long people are kept counts from what the program saw."""

from django.utils import timezone

from petitions.models import Petition


def record_closes() -> None:
    """Write `closed_at` of petitions that have closed since, and empty it of those opened again.

    `Petition.save` does it for what is saved one by one; this also sees what closes by the clock
    and what is updated past the model. A close is recorded as of now, whatever `closes_at` says:
    a date that somebody typed never makes it older. Run it as often as you like.
    """
    now = timezone.now()
    Petition.objects.running(now).filter(closed_at__isnull=False).update(closed_at=None)
    Petition.objects.over(now).filter(closed_at=None).update(closed_at=now)
