"""Helpers for retention: petitions closed long ago, and the seven days' notice of erasure."""

from datetime import timedelta

from django.utils import timezone

from petitions.models import Erasure, Petition
from petitions.privacy import retention

DAY = timedelta(days=1)


def close(petition: Petition, *, days_ago: int) -> None:
    """Backdate its close, and the record of it, by so many days."""
    moment = timezone.now() - days_ago * DAY
    Petition.objects.filter(pk=petition.pk).update(
        opens_at=moment - 200 * DAY, closes_at=moment, closed_at=moment
    )


def schedule(petition: Petition) -> Erasure:
    """Close it longer ago than retention allows, run the sweep, and return its `Erasure`."""
    close(petition, days_ago=184)
    retention.apply()
    return Erasure.objects.get(petition=petition)


def pass_days(days: int = 7) -> None:
    """Run the sweep of retention on each of so many simulated days."""
    for _ in range(days):
        for erasure in Erasure.objects.all():
            erasure.erasure_due_at -= DAY
            erasure.scheduled_at -= DAY
            erasure.seen_on -= DAY
            erasure.save()
        retention.apply()
