"""Erasing people: the only place where what is personal of a signature is deleted.

Whoever erases has locked the signatures before, in id order as everybody does. One statement a
table, for the ORM's own cascade would read every row first.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import BinaryField, Case, F, Func, QuerySet, Value, When

from petitions.models import Mail, Signature, Signer


def erase_people(signature_ids: Collection[UUID]) -> None:
    """Erase who is behind signatures, and whom their mails were for. The signatures stay for the
    totals, and the mails for a week for the numbers that staff see: one that vanished would tell.
    """
    _disown(Mail.objects.filter(signature__in=signature_ids))
    erase_senders(signature_ids)


def erase_finds(signature_ids: Collection[UUID]) -> None:
    """Erase whom the mails of "find my signature" to these people's mailboxes were for."""
    theirs = Mail.objects.filter(signature__in=signature_ids).values("mailbox_ix")
    _disown(Mail.objects.filter(signature=None, mailbox_ix__in=theirs))


def erase_senders(signature_ids: Collection[UUID]) -> None:
    """Erase who is behind attempts; their mails stay, and count for the mailbox they went to."""
    _delete(Signer.objects.filter(signature__in=signature_ids))


def erase_attempts(signature_ids: Collection[UUID]) -> None:
    """Erase what was never confirmed, and so is missing in no total, with all that hangs on it."""
    erase_people(signature_ids)
    _delete(Signature.objects.filter(pk__in=signature_ids))


def _disown(mails: QuerySet[Mail]) -> None:
    waiting = [Mail.State.QUEUED, Mail.State.FAILED]
    mails.update(
        signature=None,
        sealed=None,
        mailbox_ix=_Noise(),
        state=Case(When(state__in=waiting, then=Value(Mail.State.CANCELLED)), default=F("state")),
    )


class _Noise(Func):
    """Sixteen random bytes, others for each row."""

    template = "uuid_send(gen_random_uuid())"
    arity = 0
    output_field = BinaryField()


def _delete(rows: QuerySet[Any]) -> None:
    rows._raw_delete(rows.db)
