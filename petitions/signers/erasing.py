"""Erasure of personal data: the only module that deletes that of a signature.

Callers lock the signatures first, in id order. Each table takes one SQL statement: the ORM's own
cascade would read every row before it deletes.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import BinaryField, Func, QuerySet

from petitions.models import Mail, Signature, Signer
from petitions.signers import sealing
from petitions.signers.sealing import Use


def erase_people(signature_ids: Collection[UUID]) -> None:
    """Delete the signers of signatures, and anonymise their mails.

    The signatures stay for the totals. The mails stay for a week: staff see how many there are,
    and a number that fell would tell them whose data was erased.
    """
    _anonymise_mails(Mail.objects.filter(signature__in=signature_ids))
    erase_senders(signature_ids)


def erase_finds(address: str) -> None:
    """Anonymise the mails of "find my signature" to the mailbox of an address."""
    theirs = [sealing.stored_index(Use.FIND, inbox) for inbox in sealing.inboxes_of(address)]
    _anonymise_mails(Mail.objects.filter(signature=None, global_mailbox_ix__in=theirs))


def erase_senders(signature_ids: Collection[UUID]) -> None:
    """Delete the signers of attempts; their mails stay, and count for the mailbox's limit."""
    _delete(Signer.objects.filter(signature__in=signature_ids))


def erase_attempts(signature_ids: Collection[UUID]) -> None:
    """Delete attempts that were never confirmed, and so stand in no total, with their mails."""
    erase_people(signature_ids)
    _delete(Signature.objects.filter(pk__in=signature_ids))


def erase_mails(mail_ids: Collection[UUID]) -> None:
    """Anonymise mails: nobody's, for as long as figures count them."""
    _anonymise_mails(Mail.objects.filter(pk__in=mail_ids))


def _anonymise_mails(mails: QuerySet[Mail]) -> None:
    """Remove signature, address and index from mails.

    Those that wait or failed stay so, of nobody: the figures of an outage that staff see would tell
    by one less who has withdrawn. The worker cancels what has no addressee once it is due.
    """
    mails.update(signature=None, sealed=None, global_mailbox_ix=RandomBytes())


class RandomBytes(Func):
    """SQL expression for sixteen random bytes, different in each row."""

    template = "uuid_send(gen_random_uuid())"
    arity = 0
    output_field = BinaryField()


def _delete(rows: QuerySet[Any]) -> None:
    rows._raw_delete(rows.db)
