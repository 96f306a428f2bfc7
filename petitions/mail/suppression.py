"""The suppression list: mailboxes not to be mailed ("not me", opt-outs, hard bounce).

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
from petitions.models import Objection, Petition, Signature
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
def suppress_petition(*, mailbox: Mailbox) -> bool:
    """Suppress mail about a petition to this mailbox ("not me"), and delete its pending attempt.

    Only the attempt of this mail: a confirmed signature stays, whoever says so. Idempotent. Returns
    False if there is no such petition any more. The attempt is locked first, as in confirming: of
    two at once, the second finds it gone, or counted.
    """
    pending = Signature.objects.filter(
        pk=mailbox.signature_id, link_epoch=mailbox.epoch, state=Signature.State.PENDING
    )
    if pending.select_for_update().first() is not None:
        erasing.erase_attempts([mailbox.signature_id])
    if not Petition.objects.filter(pk=mailbox.petition_id).exists():
        return False
    _insert(mailbox.ix, mailbox.key_id, Reason.NOT_ME, mailbox.petition_id)
    return True


def unsuppress_petition(*, mailbox: Mailbox) -> None:
    """Undo "not me": the mailbox's owner wants mail about the petition after all."""
    _not_me(mailbox).delete()


def is_petition_suppressed(mailbox: Mailbox) -> bool:
    """Whether mail about the petition to this mailbox is suppressed ("not me")."""
    return _not_me(mailbox).exists()


def suppress_all(*, inbox: Inbox) -> None:
    """Suppress all mail to a mailbox, about anything (opt-out, complaint).

    Idempotent. Source: UK GDPR Article 21.
    """
    _insert(inbox.ix, inbox.key_id, Reason.NO_MAIL)


def unsuppress_all(*, inboxes: Collection[Inbox]) -> None:
    """Undo an opt-out from all mail; `inboxes` are the mailbox under each index key."""
    _opted_out(inboxes).delete()


def is_all_suppressed(inboxes: Collection[Inbox]) -> bool:
    """Whether this mailbox, by any of its blind indexes, opted out of all mail."""
    return _opted_out(inboxes).exists()


def suppress_bounced(*, address: str) -> None:
    """Suppress an address after a hard bounce, for `UNDELIVERABLE_FOR` from the latest one."""
    inbox = sealing.inbox_of(address)
    _insert(inbox.ix, inbox.key_id, Reason.UNDELIVERABLE)


def suppress_news(*, inbox: Inbox, petition_id: int) -> bool:
    """Suppress news of a petition to a mailbox; False if they were, or the petition is gone.

    It stands whatever is signed or imported later, until its owner asks for news again.
    """
    if not Petition.objects.filter(pk=petition_id).exists():
        return False
    return _insert(inbox.ix, inbox.key_id, Reason.NO_NEWS, petition_id)


def unsuppress_news(*, inboxes: Collection[Inbox], petition_id: int) -> None:
    """Undo it: the owner of the mailbox asks for news of the petition again."""
    _of_mailbox(inboxes).filter(petition=petition_id, reason=Reason.NO_NEWS).delete()


def reasons(mails: Mapping[Key, Addressee], *, are_news: bool = False) -> dict[Key, Reason]:
    """Which of these mails are suppressed, and why. One query for all of them.

    Who unsubscribed from news gets all other mail.
    """
    waiting = [
        (mail_id, to.petition_id, key_id, ix)
        for mail_id, to in mails.items()
        for key_id, ix in sealing.global_mailbox_indexes(to.address).items()
    ]
    entries = Objection.objects.filter(ix__in=[ix for *_rest, ix in waiting]).exclude(
        reason=Reason.UNDELIVERABLE, created_at__lt=Now() - UNDELIVERABLE_FOR
    )
    if not are_news:
        entries = entries.exclude(reason=Reason.NO_NEWS)
    rows = entries.values_list("key_id", "ix", "petition_id", "reason")
    suppressed: dict[tuple[int, bytes, int | None], Reason] = {
        (key, bytes(ix), petition): Reason(why) for key, ix, petition, why in rows
    }
    return {
        mail_id: reason
        for mail_id, petition_id, key_id, ix in waiting
        for about in (petition_id, None)
        if (reason := suppressed.get((key_id, ix, about)))
    }


def _insert(ix: bytes, key_id: int, reason: Reason, petition_id: int | None = None) -> bool:
    """Add an entry once; return whether a row was written.

    A repeated bounce renews its day, and no other entry has a later one.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_objection (ix, key_id, petition_id, reason, created_at)
            VALUES (%s, %s, %s, %s, date_trunc('day', now()))
            ON CONFLICT ON CONSTRAINT objection_once DO UPDATE SET created_at = EXCLUDED.created_at
            WHERE petitions_objection.reason = %s
            """,
            [ix, key_id, petition_id, reason, Reason.UNDELIVERABLE],
        )
        return bool(cursor.rowcount)


def _opted_out(inboxes: Collection[Inbox]) -> QuerySet[Objection]:
    return _of_mailbox(inboxes).filter(petition=None, reason=Reason.NO_MAIL)


def _of_mailbox(inboxes: Collection[Inbox]) -> QuerySet[Objection]:
    either = Q(pk__in=[])
    for inbox in inboxes:
        either |= Q(ix=inbox.ix, key_id=inbox.key_id)
    return Objection.objects.filter(either)


def _not_me(mailbox: Mailbox) -> QuerySet[Objection]:
    return Objection.objects.filter(
        ix=mailbox.ix,
        key_id=mailbox.key_id,
        petition=mailbox.petition_id,
        reason=Reason.NOT_ME,
    )
