"""Burst detection: alerts for moderators about networks from which many sign at once.

An alert is raised within half a minute of its cause, kept for as long as the blind index of its
network, and reopened if its number has doubled since somebody saw it.
"""

from datetime import timedelta

from django.db import connection

from petitions.models import Alert, Petition, Signature

# Carriers and events put many behind one IP address: 300 an hour, which must pass, are ten here.
BURST = 20
WITHIN = timedelta(minutes=2)
_COUNTED = [Signature.State.PENDING, Signature.State.CONFIRMED, Signature.State.HELD]


def look() -> int:
    """Raise an alert for each network with a burst of signings of one petition within `WITHIN`.

    Returns how many are raised or grew. Idempotent: a network has one alert per petition and
    day. It reads the rows of the last minutes alone, by the index of the list.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_alert (petition_id, kind, network_ix, number, created_at)
            SELECT recent.petition_id, %(kind)s, recent.network_ix, count(*), now()
            FROM (
                SELECT s.petition_id, g.network_ix
                FROM petitions_signature s JOIN petitions_signer g ON g.signature_id = s.id
                WHERE s.petition_id = ANY(ARRAY(
                          SELECT id FROM petitions_petition WHERE state = %(open)s))
                      AND s.state = ANY(%(states)s)
                      AND s.created_at > now() - make_interval(secs => %(seconds)s)
                      AND g.network_ix IS NOT NULL
            ) recent
            GROUP BY recent.petition_id, recent.network_ix
            HAVING count(*) >= %(burst)s
            ORDER BY recent.petition_id, recent.network_ix
            ON CONFLICT (petition_id, kind, network_ix) DO UPDATE SET
                number = EXCLUDED.number, seen_at = NULL
            WHERE EXCLUDED.number > petitions_alert.number * (
                CASE WHEN petitions_alert.seen_at IS NULL THEN 1 ELSE 2 END)
            """,
            {
                "kind": Alert.Kind.BURST,
                "open": Petition.State.OPEN,
                "states": _COUNTED,
                "seconds": WITHIN.total_seconds(),
                "burst": BURST,
            },
        )
        return int(cursor.rowcount)
