"""One reminder to a signer who has not confirmed a day after the mail went out; never a second.

Pages and mails announce it. A sweep reads the pending signatures of the last hours by keyset
pagination, over the index `signature_list` (petition, state, created_at, id): it reads nothing
older, however many millions are stored. Of each batch one statement queues those that have no
reminder yet.
"""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from petitions.infra import locks
from petitions.models import Mail, Petition, Signature, Signer
from petitions.signers import sealing
from petitions.signers.sealing import Indexes

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
        queued += _queue(petition, [pk for _at, pk in batch])
        at, last = batch[-1]
        beyond = Q(created_at__gt=at) | Q(created_at=at, id__gt=last)
        batch = list(waiting.filter(beyond).values_list("created_at", "id")[:BATCH])
    return queued


@transaction.atomic
def _queue(petition: Petition, ids: list[UUID]) -> int:
    """Queue reminders for those of these signatures that are to get one; return how many.

    Two runs could each see that there is none yet, so an advisory lock makes the second wait, and
    then read what the first has committed. Nothing else writes reminders.
    """
    locks.lock_named("queue-reminders")
    chosen = _to_remind(petition, ids)
    Mail.objects.bulk_create(
        Mail(
            kind=Mail.Kind.REMIND,
            signature_id=signer.pk,
            global_mailbox_ix=_mail_index(signer),
            due_at=Now(),
            created_at=Now(),
        )
        for signer in chosen
    )
    return len(chosen)


def _to_remind(petition: Petition, ids: list[UUID]) -> list[Signer]:
    """The newest form of each person, after a first mail that was sent; nobody twice.

    None for one who has confirmed through another link, or was reminded of another form. The same
    person is one with the very same address: another spelling may be somebody else's. The outbox
    applies rate limits and suppression.
    """
    sent = Mail.objects.filter(
        signature=OuterRef("pk"), kind=Mail.Kind.CONFIRM, state=Mail.State.SENT
    )
    rows = Signer.objects.filter(Exists(sent), pk__in=ids, signature__state=Signature.State.PENDING)
    newest_first = rows.order_by("-signature__created_at", "pk")
    known = {signer: sealing.known_as(signer) for signer in newest_first}
    done = _done(petition, [index for indexes in known.values() for index in indexes])
    chosen = []
    for signer, indexes in known.items():
        address = sealing.address_of(signer)
        mine = {(person, address) for person in sealing.persons(indexes)}
        if address and not mine & done:
            chosen.append(signer)
            done |= mine
    return chosen


def _done(petition: Petition, known: list[Indexes]) -> set[tuple[bytes, str | None]]:
    """Who of these people has confirmed or was reminded: blind index and address."""
    reminded = Mail.objects.filter(signature=OuterRef("pk"), kind=Mail.Kind.REMIND)
    rows = Signer.objects.filter(
        Q(slot__isnull=False) | Exists(reminded),
        petition=petition,
        petition_mailbox_ix__in=sealing.mailboxes(known),
        person_ix__in=sealing.persons(known),
    )
    return {(bytes(row.person_ix), sealing.address_of(row)) for row in rows}


def _mail_index(signer: Signer) -> bytes:
    person = sealing.unsealed(signer)
    return sealing.indexes_of(signer.petition_id, person, is_pending=True).global_mailbox
