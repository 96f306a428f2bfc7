"""Erasing people: the only place where what is personal of a signature is deleted.

Whoever erases has locked the signatures before, in id order as everybody does. One statement a
table, for the ORM's own cascade would read every row first.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from petitions.models import Mail, Signature, Signer


def erase_people(signature_ids: Collection[UUID]) -> None:
    """Erase who is behind signatures, with their mails. The signatures stay for the totals."""
    _delete(Mail.objects.filter(signature__in=signature_ids))
    erase_senders(signature_ids)


def erase_senders(signature_ids: Collection[UUID]) -> None:
    """Erase who is behind attempts; their mails stay, and count for the mailbox they went to."""
    _delete(Signer.objects.filter(signature__in=signature_ids))


def erase_attempts(signature_ids: Collection[UUID]) -> None:
    """Erase what was never confirmed, and so is missing in no total, with all that hangs on it."""
    erase_people(signature_ids)
    _delete(Signature.objects.filter(pk__in=signature_ids))


def _delete(rows: QuerySet[Any]) -> None:
    rows._raw_delete(rows.db)
