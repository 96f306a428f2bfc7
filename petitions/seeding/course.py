"""What daily snapshots of a sample would have held, had its days been lived."""

from collections import Counter, defaultdict
from datetime import date, timedelta

from django.db import connection, transaction
from django.utils import timezone

from petitions.counting import breakdowns
from petitions.models import Petition, Signature, Snapshot

_BY_DAY = """
    SELECT (confirmed_at AT TIME ZONE %s)::date AS day, place.kind, place.region, count(*)
    FROM petitions_signature JOIN petitions_place place ON place.code = place_id
    WHERE petition_id = %s AND state = %s
    GROUP BY 1, 2, 3
"""


@transaction.atomic
def write(petition: Petition) -> None:
    """Write a petition's snapshots afresh from its signatures. It reads them all: for samples."""
    Snapshot.objects.filter(petition=petition).delete()
    with connection.cursor() as cursor:
        zone = timezone.get_current_timezone_name()
        cursor.execute(_BY_DAY, [zone, petition.pk, Signature.State.CONFIRMED])
        rows = cursor.fetchall()
    by_day: defaultdict[date, Counter[str]] = defaultdict(Counter)
    for day, kind, region, n in rows:
        by_day[day][breakdowns.group_of(kind, region)] += n
    counts, day = breakdowns.no_shares(), min(by_day, default=timezone.localdate())
    while day < timezone.localdate():
        counts.update(by_day[day])
        breakdowns.write(petition.pk, day, counts)
        day += timedelta(days=1)
