"""One reminder to a signer who has not confirmed a day after the mail went out; never a second.

Pages and mails announce it. A sweep reads the pending signatures of the last hours by keyset
pagination, over the index `signature_list` (petition, state, created_at, id): it reads nothing
older, however many millions are stored. Of each batch one statement queues those that have no
reminder yet.
"""

from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from petitions.infra import locks
from petitions.models import Mail, Petition, Signature

AFTER = timedelta(hours=24)
# Reminders that are more than six hours late (after an outage of the worker) are skipped.
FOR = timedelta(hours=6)
BATCH = 1_000


def queue_reminders() -> int:
    """Queue every reminder that is due; return how many.

    Idempotent, and safe to run concurrently: see `_queue`.
    """
    now = timezone.now()
    return sum(
        _remind_about(petition)
        for petition in Petition.objects.filter(state=Petition.State.OPEN)
        if petition.is_accepting(now)
    )


def _remind_about(petition: Petition) -> int:
    queued = 0
    waiting = Signature.objects.filter(
        petition=petition,
        state=Signature.State.PENDING,
        created_at__gt=Now() - AFTER - FOR,
        created_at__lte=Now() - AFTER,
    ).order_by("created_at", "id")
    batch = list(waiting.values_list("created_at", "id")[:BATCH])
    while batch:
        queued += _queue([pk for _at, pk in batch])
        at, last = batch[-1]
        beyond = Q(created_at__gt=at) | Q(created_at=at, id__gt=last)
        batch = list(waiting.filter(beyond).values_list("created_at", "id")[:BATCH])
    return queued


@transaction.atomic
def _queue(ids: list[UUID]) -> int:
    """Queue reminders for those of these signatures that are to get one; return how many.

    Only after a first mail that was sent; one for a person, however often they signed; none for one
    who has confirmed through another link. The outbox applies rate limits and suppression. Two runs
    could each see that there is none yet, so an advisory lock makes the second wait, and then read
    what the first has committed. Nothing else writes reminders.
    """
    locks.lock_named("queue-reminders")
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_mail (
                id, signature_id, kind, global_mailbox_ix, state, due_at, attempts, code,
                created_at)
            SELECT DISTINCT ON (g.petition_id, g.person_ix)
                gen_random_uuid(), s.id, %(remind)s, m.global_mailbox_ix, %(queued)s, now(), 0, '',
                now()
            FROM petitions_signature s
            JOIN petitions_signer g ON g.signature_id = s.id
            JOIN petitions_mail m ON m.signature_id = s.id AND m.kind = %(confirm)s
                AND m.state = %(sent)s
            WHERE s.id = ANY(%(ids)s) AND s.state = %(pending)s
                AND NOT EXISTS (
                    SELECT FROM petitions_signer o WHERE o.petition_id = g.petition_id
                        AND o.petition_mailbox_ix = g.petition_mailbox_ix
                        AND o.person_ix = g.person_ix
                        AND (o.slot IS NOT NULL OR EXISTS (
                            SELECT FROM petitions_mail r
                            WHERE r.signature_id = o.signature_id AND r.kind = %(remind)s)))
            ORDER BY g.petition_id, g.person_ix, s.created_at DESC, s.id, m.created_at DESC
            """,
            {
                "ids": ids,
                "remind": Mail.Kind.REMIND,
                "confirm": Mail.Kind.CONFIRM,
                "queued": Mail.State.QUEUED,
                "sent": Mail.State.SENT,
                "pending": Signature.State.PENDING,
            },
        )
        return int(cursor.rowcount)
