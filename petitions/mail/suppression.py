"""The suppression list: mailboxes not to be mailed ("not me", opt-outs), addresses (hard bounce).

An entry stores only a global blind index and the id of its key, so that it outlives erasure and key
rotation: look-ups try every key of the ring. The public never sees the list. Only the outbox reads
it, when it sends.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from petitions.crypto import vault
from petitions.crypto.tokens import Inbox, Mailbox
from petitions.models import Objection, Petition, as_array
from petitions.signers import sealing

Reason = Objection.Reason
Key = TypeVar("Key")
# These entries expire. A broken mailbox may be repaired, and its owner must be able to sign then;
# and "not me" may have been an answer to a form that a stranger sent.
ENDS_AFTER = timedelta(days=30)
ENDING = (Reason.UNDELIVERABLE, Reason.NOT_ME)


class Addressee(NamedTuple):
    """The recipient of a mail, and the petition that it is about, if any.

    `is_any_spelling`: ignore bounces, because they are about one spelling of the mailbox.
    """

    petition_id: int | None
    address: str
    is_any_spelling: bool = False


def suppress_petition(*, mailbox: Mailbox) -> None:
    """Suppress mail about a petition to this mailbox ("not me") for `ENDS_AFTER`. Idempotent."""
    _insert(Inbox(mailbox.key_id, mailbox.ix), Reason.NOT_ME, mailbox.petition_id)


def unsuppress_petition(*, inboxes: Collection[Inbox], petition_id: int) -> None:
    """Undo "not me": the mailbox's owner wants mail about the petition again, and can sign."""
    _entries_of(inboxes, Reason.NOT_ME, petition_id).delete()


def is_petition_suppressed(mailbox: Mailbox) -> bool:
    """Return whether mail about the petition to this mailbox is suppressed ("not me")."""
    inboxes = [Inbox(mailbox.key_id, mailbox.ix)]
    entries = _entries_of(inboxes, Reason.NOT_ME, mailbox.petition_id) & _unexpired()
    return entries.exists()


def suppress_all(*, inbox: Inbox) -> None:
    """Suppress all mail to a mailbox, about anything (opt-out, complaint).

    Idempotent. Source: UK GDPR Article 21.
    """
    _insert(inbox, Reason.NO_MAIL)


def unsuppress_all(*, inboxes: Collection[Inbox]) -> None:
    """Undo an opt-out from all mail. `inboxes` holds the mailbox's index under each key."""
    _entries_of(inboxes, Reason.NO_MAIL).delete()


def is_all_suppressed(inboxes: Collection[Inbox]) -> bool:
    """Return whether this mailbox, by any of its blind indexes, opted out of all mail."""
    return _entries_of(inboxes, Reason.NO_MAIL).exists()


def suppress_bounced(*, address: str) -> None:
    """Suppress an address after a hard bounce, for `ENDS_AFTER` from the latest one.

    Only this spelling is suppressed. It may not exist although the mailbox does: somebody may have
    made up an alias, or used a provider's second domain on which the mailbox has no address.
    """
    _insert(sealing.address_as_inboxes(address)[0], Reason.UNDELIVERABLE)


def suppress_news(*, inbox: Inbox, petition_id: int) -> bool:
    """Suppress news of a petition to a mailbox. Return False if it was, or the petition is gone.

    The entry survives later signatures and imports, until the owner asks for news again.
    """
    if not Petition.objects.filter(pk=petition_id).exists():
        return False
    return _insert(inbox, Reason.NO_NEWS, petition_id)


def unsuppress_news(*, inboxes: Collection[Inbox], petition_id: int) -> None:
    """Undo `suppress_news`, because the mailbox's owner asks for news of the petition again."""
    _entries_of(inboxes, Reason.NO_NEWS, petition_id).delete()


def reasons(mails: Mapping[Key, Addressee], *, are_news: bool = False) -> dict[Key, Reason]:
    """Return the reason for each of these mails that is suppressed, in one query.

    Unsubscribing from news does not stop other mail.
    """
    sought = [
        (mail_id, reason, ix)
        for mail_id, to in mails.items()
        for reason, ix in _entries_about(to, are_news=are_news)
    ]
    # As one parameter: a batch of news or of an export has thousands of values.
    any_of = as_array((rf"\\x{ix.hex()}" for *_mail, ix in sought), "bytea")
    found = _unexpired().filter(ix__in=any_of).values_list("ix", flat=True)
    known = set(map(bytes, found))
    return {mail_id: reason for mail_id, reason, ix in sought if ix in known}


def _entries_about(to: Addressee, *, are_news: bool) -> Iterator[tuple[Reason, bytes]]:
    """Yield reason and blind index of each entry that would suppress a mail. `reasons` returns the
    last one that exists, so a bounced address comes last.
    """
    inboxes = sealing.inboxes_of(to.address)
    for reason, position, keyed in _scopes(to.petition_id, are_news, vault.index_key_ids()):
        yield reason, _digest(keyed, inboxes[position])
    if not to.is_any_spelling:
        for inbox in sealing.address_as_inboxes(to.address):
            yield Reason.UNDELIVERABLE, _entry_index(inbox, Reason.UNDELIVERABLE, None)


@lru_cache(maxsize=256)
def _scopes(
    petition_id: int | None, are_news: bool, key_ids: tuple[int, ...]
) -> list[tuple[Reason, int, blake2b]]:
    """Return the reasons for which a mailbox may be suppressed: each with the position of an
    index key, and the hash by which its entries are indexed under that key.
    """
    of_petition = [*([Reason.NO_NEWS] if are_news else []), Reason.NOT_ME]
    scopes = [(reason, petition_id) for reason in of_petition if petition_id is not None]
    return [
        (reason, position, _keyed(reason, about, key_id))
        for reason, about in [*scopes, (Reason.NO_MAIL, None)]
        for position, key_id in enumerate(key_ids)
    ]


def claim_notice(mail_id: UUID, to: Addressee) -> bool:
    """Reserve the one notice that an address was entered again after its owner said "not me".

    Return whether this mail is it: the first one that asks, also when it is retried.
    """
    inboxes = sealing.inboxes_of(to.address)
    mine = _entries_of(inboxes, Reason.NOT_ME, to.petition_id) & _unexpired()
    mine.filter(notice_id=None).update(notice_id=mail_id)
    return mine.filter(notice_id=mail_id).exists()


def _unexpired() -> QuerySet[Objection]:
    """Return the entries that have not expired. Retention deletes expired ones."""
    return Objection.objects.exclude(reason__in=ENDING, created_at__lt=Now() - ENDS_AFTER)


def _entry_index(inbox: Inbox, reason: Reason, petition_id: int | None) -> bytes:
    """Return the blind index of an entry. It differs by reason and petition: otherwise somebody who
    provokes a "not me" about one petition could find the mailbox's other entries in a stolen copy.
    """
    return _digest(_keyed(reason, petition_id, inbox.key_id), inbox)


def _digest(keyed: blake2b, inbox: Inbox) -> bytes:
    """Return the hash of a mailbox's blind index under the key of a scope."""
    # Keyed BLAKE2: each row of an export needs four, and HMAC takes four times as long.
    mac = keyed.copy()
    mac.update(inbox.ix)
    return mac.digest()


@lru_cache(maxsize=1_024)
def _keyed(reason: Reason, petition_id: int | None, key_id: int) -> blake2b:
    about = "" if petition_id is None else str(petition_id)
    key = vault.blind_index("objection", reason.value, about, key_id=key_id)
    return blake2b(digest_size=vault.INDEX_BYTES, key=key)


def _insert(inbox: Inbox, reason: Reason, petition_id: int | None = None) -> bool:
    """Add an entry, or renew one that expires. Return whether a row was written."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_objection (ix, key_id, petition_id, reason, created_at)
            VALUES (%s, %s, %s, %s, date_trunc('day', now()))
            ON CONFLICT ON CONSTRAINT objection_once DO UPDATE SET created_at = EXCLUDED.created_at
            WHERE petitions_objection.reason = ANY(%s)
            """,
            [
                _entry_index(inbox, reason, petition_id),
                inbox.key_id,
                petition_id,
                reason,
                list(ENDING),
            ],
        )
        return bool(cursor.rowcount)


def _entries_of(
    inboxes: Collection[Inbox], reason: Reason, petition_id: int | None = None
) -> QuerySet[Objection]:
    either = Q(pk__in=[])
    for inbox in inboxes:
        either |= Q(ix=_entry_index(inbox, reason, petition_id), key_id=inbox.key_id)
    return Objection.objects.filter(either, reason=reason, petition=petition_id)
