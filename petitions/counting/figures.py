"""Rollups for organisers: exact counts by place, day, text version, name use and state.

An hourly sweep counts them all in one statement, and so as of one moment: every table adds up to
the same total. A page reads one row, however many people have signed.

The public sees none of these figures, and they do not lead to one person:

- They change once an hour, and nobody can choose the moment at which they are counted.
- There are no cross tabulations, such as places by name use.
- Pending signatures are counted by mailbox and in steps of `STEP`: see `_steady`. Withdrawing
  deletes all attempts with that address. If attempts were counted exactly, somebody who had typed a
  person's address ten times would see the number fall by ten when that person withdraws. For the
  same reason those that a moderator removed before they were confirmed are in no figure.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

from petitions.crypto import vault
from petitions.models import Figures, Petition, Signature, Signer
from petitions.models.counts import ANONYMITY_THRESHOLD, round_down

TABLES = ("state", "removed", "place", "day", "version", "name_use")
STEP = ANONYMITY_THRESHOLD
# Associated data of the sealed counts, and their padded size, with room for every country.
_TABLE, _SEALED_BYTES = "figures", 8192
# Once closed for this long, a petition is counted once a day: moderators may still decide.
HOURLY_AFTER_CLOSE = timedelta(days=7)
_A_DAY = timedelta(hours=23)
Counts = dict[str, dict[str, int]]

# One pass over the signatures, with a hash table for each grouping set. Only `state` and `reason`
# also count signatures that are not confirmed: the other columns are null for these.
_COUNT = """
    SELECT
        CASE 0
            WHEN GROUPING(state) THEN 'state' WHEN GROUPING(reason) THEN 'removed'
            WHEN GROUPING(place) THEN 'place' WHEN GROUPING(day) THEN 'day'
            WHEN GROUPING(version) THEN 'version' ELSE 'name_use'
        END,
        coalesce(state, reason, place, day::text, version::text, name_use),
        count(*)
    FROM (
        SELECT
            s.state,
            CASE s.state WHEN 'removed' THEN coalesce(d.reason, 'other') END,
            CASE s.state WHEN 'confirmed' THEN s.place_id END,
            CASE s.state WHEN 'confirmed'
                THEN (s.confirmed_at AT TIME ZONE 'Europe/London')::date END,
            CASE s.state WHEN 'confirmed' THEN s.text_version END,
            CASE s.state WHEN 'confirmed' THEN s.name_use END
        FROM petitions_signature s LEFT JOIN petitions_decision d ON d.id = s.decision_id
        WHERE s.petition_id = %(petition)s AND s.confirmed_at IS NOT NULL
    ) one (state, reason, place, day, version, name_use)
    GROUP BY GROUPING SETS ((state), (reason), (place), (day), (version), (name_use))
    HAVING coalesce(state, reason, place, day::text, version::text, name_use) IS NOT NULL
"""


def count_due(now: datetime | None = None) -> int:
    """Count each petition not yet counted in this hour; return how many were counted.

    Drafts have no figures. Petitions closed for `HOURLY_AFTER_CLOSE` are counted once a day.
    """
    now = now or timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    over = Petition.objects.filter(closes_at__lte=now - HOURLY_AFTER_CLOSE)
    fresh = Q(counted_at__gte=hour) | Q(petition__in=over, counted_at__gt=now - _A_DAY)
    done = Figures.objects.filter(fresh).values("petition")
    due = Petition.objects.published().exclude(pk__in=done).order_by("pk")
    for petition in due:
        store(petition, now)
    return len(due)


def store(petition: Petition, now: datetime) -> Figures:
    """Count one petition's tables and store them as of `now`, with what waits as `_steady`."""
    before = Figures.objects.filter(petition=petition).values_list("counts", flat=True).first()
    counts = count(petition.pk)
    state = counts["state"]
    state[Signature.State.PENDING], since = _steady(
        petition.pk, state[Signature.State.PENDING], before or {}, now
    )
    counts["waiting"] = {"since": since}
    values = {"counted_at": now, "counts": counts}
    return Figures.objects.update_or_create(petition=petition, defaults=values)[0]


def next_count() -> datetime:
    """Return the next full hour, when the sweep counts again."""
    return timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def count(petition_id: int) -> Counts:
    """Return all tables as {table: {key: n}}, with the exact number of mailboxes that wait.

    The time taken grows with the signatures.
    """
    tables: Counts = {table: {} for table in TABLES}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"petition": petition_id})
        for table, key, n in cursor:
            tables[table][key] = n
    tables["state"][Signature.State.PENDING] = _waiting(petition_id)
    return tables


def _waiting(petition_id: int) -> int:
    """Return the number of mailboxes with a pending signature."""
    pending = Signer.objects.filter(
        petition=petition_id,
        signature__petition=petition_id,
        signature__state=Signature.State.PENDING,
    )
    waiting: int = pending.aggregate(n=Count("petition_mailbox_ix", distinct=True))["n"]
    return waiting


def _steady(petition_id: int, waiting: int, before: Counts, now: datetime) -> tuple[int, int]:
    """Return the shown number of waiting mailboxes, in steps of `STEP`, and the hour since which.

    It is the number before, unless `waiting` has left its step by a secret margin. Anybody can send
    forms for 24 made-up addresses and for one person's. When that person confirms another form,
    theirs is deleted, and without the margin the step would be seen to end.
    """
    shown = before.get("state", {}).get(Signature.State.PENDING, 0)
    since = before.get("waiting", {}).get("since", 0)
    margin = _margin(petition_id, since)
    if shown - margin <= waiting < shown + STEP + margin:
        return shown, since
    return round_down(waiting, STEP), int(now.timestamp()) // 3600


def _margin(petition_id: int, since: int) -> int:
    """Return the secret margin, below `STEP`, of the number that has been shown since an hour."""
    index = vault.blind_index("figures-waiting", str(petition_id), str(since))
    return int.from_bytes(index) % STEP


def seal(row: Figures, counts: Counts) -> bytes:
    """Seal the counts by country and language, {table: {key: n}}, padded to `_SEALED_BYTES`."""
    return vault.seal(counts, table=_TABLE, row_id=row.pk, at_least=_SEALED_BYTES)


def unseal(row: Figures) -> dict[str, Any]:
    """Return the counts that `seal` sealed, or {} if there are none. Raises `vault.CannotOpen`."""
    return vault.unseal(row.sealed, table=_TABLE, row_id=row.pk) if row.sealed else {}
