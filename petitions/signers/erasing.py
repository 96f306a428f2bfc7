"""Erasure of personal data: the only module that deletes the personal data of signatures.

Callers lock the signatures first, in id order. Each table takes one SQL statement, because the
ORM's own cascade reads every row before it deletes.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import BinaryField, Case, DateTimeField, F, Func, QuerySet, Value, When

from petitions.models import Mail, Signature, Signer
from petitions.signers import sealing
from petitions.signers.sealing import Use


def erase_people(signature_ids: Collection[UUID]) -> None:
    """Delete the signers of signatures, and anonymise their mails.

    The signatures stay for the totals. The mails stay for a week: staff see their number, and if it
    fell, it would reveal whose data was erased.
    """
    _anonymise_mails(Mail.objects.filter(signature__in=signature_ids))
    erase_senders(signature_ids)


def erase_finds(address: str) -> None:
    """Anonymise the "find my signature" mails to the mailbox of an address."""
    theirs = [sealing.stored_index(Use.FIND, inbox) for inbox in sealing.inboxes_of(address)]
    _anonymise_mails(Mail.objects.filter(signature=None, global_mailbox_ix__in=theirs))


def erase_senders(signature_ids: Collection[UUID]) -> None:
    """Delete the signers of attempts. Their mails stay and count towards the mailbox's limit."""
    _delete(Signer.objects.filter(signature__in=signature_ids))


def erase_attempts(signature_ids: Collection[UUID]) -> None:
    """Delete attempts that were never confirmed, and anonymise their mails."""
    erase_people(signature_ids)
    _delete(Signature.objects.filter(pk__in=signature_ids))


def erase_mails(mail_ids: Collection[UUID]) -> None:
    """Anonymise mails. The rows stay for the figures."""
    _anonymise_mails(Mail.objects.filter(pk__in=mail_ids))


def _anonymise_mails(mails: QuerySet[Mail]) -> None:
    """Remove signature, address and blind index from mails, but keep their state and the hour.

    Staff see how many mails are queued or failed in an outage, and if the number fell, it would
    reveal who has withdrawn. The worker cancels a mail without an addressee when it is due.
    The exact time would be that of the signature's row, and would lead to it in a stolen copy. Of
    mails that are queued, or may be again, it stays: staff see how long the oldest has waited.
    """
    mails.update(
        signature=None,
        sealed=None,
        global_mailbox_ix=RandomBytes(),
        created_at=_hour_if_settled("created_at"),
        due_at=_hour_if_settled("due_at"),
    )


def _hour_if_settled(column: str) -> Case:
    # Not `TruncHour`, which is a local time without its time zone in an UPDATE.
    output = {"output_field": DateTimeField()}
    hour = Func(Value("hour"), F(column), function="date_trunc", **output)
    waits = When(state__in=(Mail.State.QUEUED, Mail.State.FAILED), then=F(column))
    return Case(waits, default=hour, **output)


class RandomBytes(Func):
    """SQL expression for 16 random bytes, different in each row."""

    template = "uuid_send(gen_random_uuid())"
    arity = 0
    output_field = BinaryField()


def _delete(rows: QuerySet[Any]) -> None:
    rows._raw_delete(rows.db)
