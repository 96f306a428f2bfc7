"""Disowning: the "this was not me" button of a confirmation mail.

Mail scanners press buttons too, within seconds. So disowning and confirming can each undo the other
for a while. If both are pressed, neither is valid: the form is pending again, the second presser is
asked which was meant, and both links of the mail work.
"""

from collections.abc import Collection
from datetime import timedelta
from enum import Enum
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from petitions.crypto import vault
from petitions.crypto.tokens import Inbox, Mailbox
from petitions.infra import locks
from petitions.mail import suppression
from petitions.models import Mail, Petition, Signature, Signer
from petitions.signatures import lifecycle
from petitions.signers import sealing

State = Signature.State
# Older confirmations cannot be disowned: somebody else may read the mail.
UNDOES_CONFIRMATION_FOR = timedelta(minutes=1)
# Retention deletes a disowned form after this time. Until then confirming saves it.
KEPT_FOR = timedelta(hours=1)


class Outcome(Enum):
    """Outcome of pressing the "this was not me" button."""

    DISOWNED = "disowned"  # also if no form was pending: see `disown`
    CONTRADICTED = "contradicted"  # a confirmation is undone: the owner must choose
    GONE = "gone"  # the petition does not exist any more


@transaction.atomic
def disown(*, mailbox: Mailbox) -> Outcome:
    """Disown a mail's form if it is pending, and suppress mail about its petition to the mailbox.

    Idempotent. The form is deleted after `KEPT_FOR`, unless it is confirmed before. A signature
    confirmed within `UNDOES_CONFIRMATION_FOR` becomes pending again, and nothing else changes.
    Older confirmed signatures stay.
    """
    signature = _lock(mailbox)
    if signature and _is_just_confirmed(signature) and _unconfirm(signature):
        return Outcome.CONTRADICTED
    if not Petition.objects.filter(pk=mailbox.petition_id).exists():
        return Outcome.GONE
    if signature and signature.state == State.PENDING:
        rows = Signature.objects.filter(pk=signature.pk, disowned_at=None)
        rows.update(disowned_at=timezone.now())
    suppression.suppress_petition(mailbox=mailbox)
    return Outcome.DISOWNED


@transaction.atomic
def take_back(*, mailbox: Mailbox) -> None:
    """Undo "not me": allow mail about the petition, and restore the form if it still exists."""
    if signature := _lock(mailbox):
        Signature.objects.filter(pk=signature.pk).update(disowned_at=None)
    inbox = Inbox(mailbox.key_id, mailbox.ix)
    suppression.unsuppress_petition(inboxes=[inbox], petition_id=mailbox.petition_id)


def retire(signature_ids: Collection[UUID]) -> None:
    """Invalidate the links and codes of locked pending forms.

    Retention deletes them later, like disowned forms. If they were deleted at once, a moderator who
    had sent a form for somebody's address would see when the owner confirmed another. Only the hour
    is stored: the exact time would link the form to a signature confirmed at that moment. The
    worker cancels their mails once they are due: if queued ones were cancelled at once, staff would
    see in an outage that fewer wait.
    """
    next_hour = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    rows = Signature.objects.filter(pk__in=signature_ids)
    rows.update(disowned_at=next_hour, link_epoch=F("link_epoch") + 1)


def contradict(signature: Signature, address: str) -> None:
    """Undo "not me" for a form whose confirm button was pressed too. Its mailbox is locked."""
    Signature.objects.filter(pk=signature.pk).update(disowned_at=None)
    inboxes = sealing.inboxes_of(address)
    suppression.unsuppress_petition(inboxes=inboxes, petition_id=signature.petition_id)


def _lock(mailbox: Mailbox) -> Signature | None:
    """Lock the mailbox and then the mail's form. Return the form, or None if it is gone.

    No other form of the mailbox is read, because anybody can send thousands.
    """
    signer = Signer.objects.filter(pk=mailbox.signature_id).first()
    if signer is None:
        return None
    locks.lock_mailboxes(sealing.mailboxes(sealing.known_as(signer)))
    mine = Signature.objects.filter(pk=mailbox.signature_id, link_epoch=mailbox.epoch)
    there = mine.filter(signer__isnull=False).select_related("signer")
    return there.select_for_update(of=("self",)).first()


def _is_just_confirmed(signature: Signature) -> bool:
    """Return whether it was confirmed a moment ago and has no moderator's decision."""
    since = timezone.now() - UNDOES_CONFIRMATION_FOR
    return (
        signature.state in lifecycle.UNCONFIRM.sources
        and signature.decision_id is None
        and signature.confirmed_at is not None
        and signature.confirmed_at > since
    )


def _unconfirm(signature: Signature) -> bool:
    """Make a signature pending again: out of the count and its slot, with pending blind indexes.

    Return False if its signer cannot be unsealed.
    """
    signer = signature.signer
    try:
        person = sealing.unsealed(signer)
    except vault.CannotOpen:
        return False
    before = sealing.indexes_of(signature.petition_id, person, is_pending=True)
    search = sealing.search_indexes(signature.petition_id, signature.pk, person, is_pending=True)
    Signer.objects.filter(pk=signer.pk).update(
        slot=None,
        petition_mailbox_ix=before.petition_mailbox,
        person_ix=before.person,
        home_ix=before.home,
        name_ix=search.name,
        postcode_ix=search.postcode,
    )
    Mail.objects.filter(signature=signature).update(global_mailbox_ix=before.global_mailbox)
    target = lifecycle.targets(lifecycle.UNCONFIRM, [signature])
    lifecycle.move([signature], target, confirmed_at=None)
    return True
