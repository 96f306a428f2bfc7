"""Petitions that closed some time ago, and the seven days before their people are erased."""

from datetime import timedelta

from django.utils import timezone

from petitions.models import Erasure, Petition
from petitions.privacy import retention

DAY = timedelta(days=1)


def close(petition: Petition, *, days_ago: int) -> None:
    """As if the program had seen it close so many days ago."""
    moment = timezone.now() - days_ago * DAY
    Petition.objects.filter(pk=petition.pk).update(
        opens_at=moment - 200 * DAY, closes_at=moment, closed_at=moment
    )


def schedule(petition: Petition) -> Erasure:
    """Its time is over, and a sweep has seen it."""
    close(petition, days_ago=184)
    retention.keep_no_longer()
    return Erasure.objects.get(petition=petition)


def pass_days(days: int = 7) -> None:
    """As if a sweep had run on each of so many days since."""
    for _ in range(days):
        for erasure in Erasure.objects.all():
            erasure.erasure_due_at -= DAY
            erasure.scheduled_at -= DAY
            erasure.seen_on -= DAY
            erasure.save()
        retention.keep_no_longer()
