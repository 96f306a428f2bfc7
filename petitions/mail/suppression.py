"""The suppression list: mailboxes not to be mailed ("not me", opt-outs), addresses (hard bounce).

Nothing is stored of either but its global blind index, with the id of the key, so that an entry
outlives every erasure and also key rotation: look-ups try every key of the ring. The public never
sees the list: the outbox alone reads it, when it sends.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from petitions.crypto.tokens import Inbox, Mailbox
from petitions.models import Objection, Petition
from petitions.signers import sealing
from petitions.signers.sealing import Use

Reason = Objection.Reason
Key = TypeVar("Key")
# Then mail is sent again. A mailbox may be repaired, and its owner is to be able to sign; and it
# may have been a stranger's form that made them say that it was not them.
ENDS_AFTER = timedelta(days=30)
ENDING = (Reason.UNDELIVERABLE, Reason.NOT_ME)


class Addressee(NamedTuple):
    """The recipient of a mail, and which petition it is about; None: about none of them.

    With `is_any_spelling` it is the mailbox, whichever address of it bounced.
    """

    petition_id: int | None
    address: str
    is_any_spelling: bool = False


def suppress_petition(*, mailbox: Mailbox) -> None:
    """Suppress mail about a petition to this mailbox ("not me") for `ENDS_AFTER`. Idempotent."""
    _insert(Inbox(mailbox.key_id, mailbox.ix), Reason.NOT_ME, mailbox.petition_id)


def unsuppress_petition(*, inboxes: Collection[Inbox], petition_id: int) -> None:
    """Undo "not me": the mailbox's owner wants mail about the petition after all, and can sign."""
    _of_mailbox(inboxes).filter(petition=petition_id, reason=Reason.NOT_ME).delete()


def is_petition_suppressed(mailbox: Mailbox) -> bool:
    """Whether mail about the petition to this mailbox is suppressed ("not me")."""
    entries = _of_mailbox([Inbox(mailbox.key_id, mailbox.ix)]) & _standing()
    return entries.filter(petition=mailbox.petition_id, reason=Reason.NOT_ME).exists()


def suppress_all(*, inbox: Inbox) -> None:
    """Suppress all mail to a mailbox, about anything (opt-out, complaint).

    Idempotent. Source: UK GDPR Article 21.
    """
    _insert(inbox, Reason.NO_MAIL)


def unsuppress_all(*, inboxes: Collection[Inbox]) -> None:
    """Undo an opt-out from all mail; `inboxes` are the mailbox under each index key."""
    _opted_out(inboxes).delete()


def is_all_suppressed(inboxes: Collection[Inbox]) -> bool:
    """Whether this mailbox, by any of its blind indexes, opted out of all mail."""
    return _opted_out(inboxes).exists()


def suppress_bounced(*, address: str) -> None:
    """Suppress an address after a hard bounce, for `ENDS_AFTER` from the latest one.

    The very address alone, which may not exist though its mailbox does under another spelling: an
    alias that somebody makes up, or a domain of a provider at which not everybody has an address.
    """
    _insert(sealing.address_as_inboxes(address)[0], Reason.UNDELIVERABLE)


def suppress_news(*, inbox: Inbox, petition_id: int) -> bool:
    """Suppress news of a petition to a mailbox; False if they were, or the petition is gone.

    It stands whatever is signed or imported later, until its owner asks for news again.
    """
    if not Petition.objects.filter(pk=petition_id).exists():
        return False
    return _insert(inbox, Reason.NO_NEWS, petition_id)


def unsuppress_news(*, inboxes: Collection[Inbox], petition_id: int) -> None:
    _of_mailbox(inboxes).filter(petition=petition_id, reason=Reason.NO_NEWS).delete()


def reasons(mails: Mapping[Key, Addressee], *, are_news: bool = False) -> dict[Key, Reason]:
    """Which of these mails are suppressed, and why. One query for all of them.

    Who unsubscribed from news gets all other mail.
    """
    waiting = [
        (mail_id, to.petition_id, inbox.key_id, _stored(inbox))
        for mail_id, to in mails.items()
        # The last reason is the one that is told: that an address takes no mail.
        for inbox in (
            *sealing.inboxes_of(to.address),
            *(() if to.is_any_spelling else sealing.address_as_inboxes(to.address)),
        )
    ]
    entries = _standing().filter(ix__in=[ix for *_rest, ix in waiting])
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


def is_notice(mail_id: UUID, to: Addressee) -> bool:
    """Whether this mail is the one that tells the owner that their address was entered again since
    they said "not me": the first that asks, however often it is sent.
    """
    entries = _of_mailbox(sealing.inboxes_of(to.address)) & _standing()
    mine = entries.filter(petition=to.petition_id, reason=Reason.NOT_ME)
    mine.filter(notice_id=None).update(notice_id=mail_id)
    return mine.filter(notice_id=mail_id).exists()


def _standing() -> QuerySet[Objection]:
    """Without those that have ended, which retention deletes."""
    return Objection.objects.exclude(reason__in=ENDING, created_at__lt=Now() - ENDS_AFTER)


def _stored(inbox: Inbox) -> bytes:
    return sealing.stored_index(Use.OBJECTION, inbox)


def _insert(inbox: Inbox, reason: Reason, petition_id: int | None = None) -> bool:
    """Add an entry once; those that end are renewed by a repetition. Whether a row was written."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_objection (ix, key_id, petition_id, reason, created_at)
            VALUES (%s, %s, %s, %s, date_trunc('day', now()))
            ON CONFLICT ON CONSTRAINT objection_once DO UPDATE SET created_at = EXCLUDED.created_at
            WHERE petitions_objection.reason = ANY(%s)
            """,
            [_stored(inbox), inbox.key_id, petition_id, reason, list(ENDING)],
        )
        return bool(cursor.rowcount)


def _opted_out(inboxes: Collection[Inbox]) -> QuerySet[Objection]:
    return _of_mailbox(inboxes).filter(petition=None, reason=Reason.NO_MAIL)


def _of_mailbox(inboxes: Collection[Inbox]) -> QuerySet[Objection]:
    either = Q(pk__in=[])
    for inbox in inboxes:
        either |= Q(ix=_stored(inbox), key_id=inbox.key_id)
    return Objection.objects.filter(either)
