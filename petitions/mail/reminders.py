"""One reminder to signers who have not confirmed a day after the mail went out; never a second one.

Pages and mails announce it. A sweep reads the pending signatures of the last hours by keyset
pagination, over the index `signature_list` (petition, state, created_at, id). It reads nothing
older, however many millions are stored. One statement per batch queues the reminders that do not
exist yet. The outbox sends those that are not `superfluous`.
"""

import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.functions import Now
from django.utils import timezone

from petitions.infra import locks
from petitions.models import Mail, Petition, Signature, Signer
from petitions.signers import sealing
from petitions.signers.sealing import Indexes

AFTER = timedelta(hours=24)
# Reminders that are more than six hours late, after an outage of the worker, are skipped.
WINDOW = timedelta(hours=6)
BATCH = 1_000
# Reminders are sent at random moments within this time of being queued. A form that has ended has
# none. Sent one after the other, their times would show to somebody who has sent forms for another
# address and for several of their own whether the former have ended (constant work).
SPREAD = timedelta(minutes=10)


def queue_reminders() -> int:
    """Queue every reminder that is due; return how many.

    Idempotent, and safe to run concurrently: see `_queue`.
    """
    now, opened = timezone.now(), Petition.objects.filter(state=Petition.State.OPEN)
    return sum(_remind_about(petition) for petition in opened if petition.is_accepting(now))


def _remind_about(petition: Petition) -> int:
    queued = 0
    waiting = Signature.objects.filter(
        petition=petition,
        state=Signature.State.PENDING,
        created_at__gt=Now() - AFTER - WINDOW,
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
    """Queue a reminder for each of these signatures whose first mail was sent, unless it has one;
    return how many.

    Two runs could both see no reminder, so an advisory lock makes the second wait, and then read
    what the first has committed. Nothing else writes reminders.
    """
    locks.lock_named("queue-reminders")
    mails = Mail.objects.filter(signature=OuterRef("pk"))
    first = mails.filter(kind=Mail.Kind.CONFIRM, state=Mail.State.SENT)
    waiting = Signature.objects.filter(
        ~Exists(mails.filter(kind=Mail.Kind.REMIND)),
        pk__in=ids,
        petition=petition,
        state=Signature.State.PENDING,
        signer__isnull=False,
    ).annotate(mailbox=Subquery(first.values("global_mailbox_ix")[:1]))
    due = waiting.filter(mailbox__isnull=False).values_list("pk", "mailbox")
    queued = Mail.objects.bulk_create(
        Mail(
            kind=Mail.Kind.REMIND,
            signature_id=signature_id,
            global_mailbox_ix=mailbox,
            due_at=Now() + SPREAD * random.random(),
            created_at=Now(),
        )
        for signature_id, mailbox in due
    )
    return len(queued)


def superfluous(mails: Iterable[Mail]) -> set[UUID]:
    """Return the ids of reminders that nobody needs: the signer has confirmed through another link,
    or gets the reminder of another form: the one that is due first, or else the newest form's.

    This is decided when mail is sent, not by leaving out the row. Anybody can send a form in
    somebody's name, and then a missing reminder would show in a copy of the database that they have
    signed. Only the very same address is the same person: another spelling may be somebody else's.
    """
    mine = {mail.signature_id: mail for mail in mails if mail.kind == Mail.Kind.REMIND}
    known = {
        signer: sealing.known_as(signer)
        for signer in Signer.objects.filter(pk__in=mine).select_related("signature")
    }
    others = _standing_or_reminded([index for indexes in known.values() for index in indexes])
    return {
        mine[signer.pk].pk
        for signer, indexes in known.items()
        if any(
            other.pk != signer.pk
            and bytes(other.person_ix) in sealing.persons(indexes)
            and sealing.address_of(other) == sealing.address_of(signer)
            and _comes_before(other, mine[signer.pk], signer)
            for other in others
        )
    }


def _standing_or_reminded(known: list[Indexes]) -> list[Signer]:
    """Return signers under these blind indexes who have confirmed, or have a reminder."""
    reminder = Mail.objects.filter(signature=OuterRef("pk"), kind=Mail.Kind.REMIND)
    rows = Signer.objects.annotate(reminded_at=Subquery(reminder.values("created_at")[:1]))
    return list(
        rows.filter(
            Q(slot__isnull=False) | Q(reminded_at__isnull=False),
            petition_mailbox_ix__in=sealing.mailboxes(known),
            person_ix__in=sealing.persons(known),
        ).select_related("signature")
    )


def _comes_before(other: Any, mail: Mail, signer: Signer) -> bool:
    """Return whether another form of the same person makes this form's reminder superfluous."""
    if other.slot is not None:
        return True
    if other.reminded_at != mail.created_at:
        return bool(other.reminded_at < mail.created_at)
    newer = other.signature.created_at, other.pk
    return bool(newer > (signer.signature.created_at, signer.pk))
