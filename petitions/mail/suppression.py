"""The suppression list: mailboxes not to be mailed ("not me", opt-out, hard bounce).

Nothing is stored of a mailbox but its global blind index, with the id of the key, so that an entry
outlives every erasure and also key rotation: look-ups try every key of the ring. The public never
sees the list: the outbox alone reads it, when it sends.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import NamedTuple, TypeVar

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from petitions.crypto.tokens import Inbox, Mailbox
from petitions.models import Objection, Signature
from petitions.signers import erasing, sealing

# Then mail is tried again: the mailbox may be repaired, and its owner is to be able to sign.
UNDELIVERABLE_FOR = timedelta(days=30)
Reason = Objection.Reason
Key = TypeVar("Key")


class Addressee(NamedTuple):
    """The recipient of a mail, and which petition it is about; None: about none of them."""

    petition_id: int | None
    address: str


@transaction.atomic
def was_not_me(*, mailbox: Mailbox) -> bool:
    """Suppress mail about a petition to this mailbox ("not me"), and delete its pending attempt.

    Only the attempt of this mail: a confirmed signature stays, whoever says so. Idempotent. Returns
    False if there is no such petition any more.
    """
    _delete_pending(mailbox)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_objection (ix, key_id, petition_id, reason, created_at)
            SELECT %s, %s, id, %s, date_trunc('day', now()) FROM petitions_petition WHERE id = %s
            ON CONFLICT ON CONSTRAINT objection_once DO NOTHING
            """,
            [mailbox.ix, mailbox.key_id, Reason.NOT_ME, mailbox.petition_id],
        )
        return cursor.rowcount == 1 or is_standing(mailbox)


def lift(*, mailbox: Mailbox) -> None:
    """Undo "not me": the mailbox's owner wants mail about the petition after all."""
    _said(mailbox).delete()


def is_standing(mailbox: Mailbox) -> bool:
    """Whether mail about the petition to this mailbox is suppressed ("not me")."""
    return _said(mailbox).exists()


def want_no_mail(*, inbox: Inbox) -> None:
    """Suppress all mail to a mailbox, about anything (opt-out).

    Idempotent. Source: UK GDPR Article 21.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_objection (ix, key_id, petition_id, reason, created_at)
            VALUES (%s, %s, NULL, %s, date_trunc('day', now()))
            ON CONFLICT ON CONSTRAINT objection_once DO NOTHING
            """,
            [inbox.ix, inbox.key_id, Reason.NO_MAIL],
        )


def complained(*, address: str) -> None:
    """Suppress all mail to an address whose owner reported ours as spam (complaint)."""
    want_no_mail(inbox=sealing.inbox_of(address))


def want_mail_again(*, inboxes: Collection[Inbox]) -> None:
    """Undo an opt-out from all mail; `inboxes` are the mailbox under each index key."""
    _no_mail(inboxes).delete()


def wants_no_mail(inboxes: Collection[Inbox]) -> bool:
    """Whether this mailbox, by any of its blind indexes, opted out of all mail."""
    return _no_mail(inboxes).exists()


def note_undeliverable(*, address: str) -> None:
    """Suppress an address after a hard bounce, for `UNDELIVERABLE_FOR` from the latest one."""
    inbox = sealing.inbox_of(address)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_objection (ix, key_id, petition_id, reason, created_at)
            VALUES (%s, %s, NULL, %s, date_trunc('day', now()))
            ON CONFLICT ON CONSTRAINT objection_once DO UPDATE SET created_at = EXCLUDED.created_at
            """,
            [inbox.ix, inbox.key_id, Reason.UNDELIVERABLE],
        )


def against(mails: Mapping[Key, Addressee]) -> dict[Key, Reason]:
    """Which of these mails are suppressed, and why, by any key. One query for all of them."""
    waiting = [
        (mail_id, to.petition_id, key_id, ix)
        for mail_id, to in mails.items()
        for key_id, ix in sealing.mail_indexes(to.address).items()
    ]
    if not (said := _standing([ix for *_rest, ix in waiting])):
        return {}
    found: dict[Key, Reason] = {}
    for mail_id, petition_id, key_id, ix in waiting:
        for about in (petition_id, None):
            if reason := said.get((key_id, ix, about)):
                found[mail_id] = reason
    return found


def _standing(indexes: list[bytes]) -> dict[tuple[int, bytes, int | None], Reason]:
    """The entries of these mailboxes that have not expired, by key, index and petition."""
    of_them = Objection.objects.filter(ix__in=indexes).exclude(
        reason=Reason.UNDELIVERABLE, created_at__lt=Now() - UNDELIVERABLE_FOR
    )
    rows = of_them.values_list("key_id", "ix", "petition_id", "reason")
    return {(key, bytes(ix), petition): Reason(why) for key, ix, petition, why in rows}


def _delete_pending(mailbox: Mailbox) -> None:
    """Delete the pending attempt with its personal data, unless it has been confirmed.

    Its row is locked first, as in confirming: of two at once, the second finds it gone, or counted.
    """
    pending = Signature.objects.filter(
        pk=mailbox.signature_id, link_epoch=mailbox.epoch, state=Signature.State.PENDING
    )
    if pending.select_for_update().first() is not None:
        erasing.erase_attempts([mailbox.signature_id])


def _no_mail(inboxes: Collection[Inbox]) -> QuerySet[Objection]:
    either = Q(pk__in=[])
    for inbox in inboxes:
        either |= Q(ix=inbox.ix, key_id=inbox.key_id)
    return Objection.objects.filter(either, petition=None, reason=Reason.NO_MAIL)


def _said(mailbox: Mailbox) -> QuerySet[Objection]:
    return Objection.objects.filter(
        ix=mailbox.ix,
        key_id=mailbox.key_id,
        petition=mailbox.petition_id,
        reason=Reason.NOT_ME,
    )
