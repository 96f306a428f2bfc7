"""Disowning: "this was not me" was pressed in the mail about a form.

Programs that check mail press buttons, too, within seconds. So this and confirmation can each undo
the other for a while, and of two presses that contradict each other neither stands: the form waits
as it did, whoever pressed is asked which of the two was meant, and both links of the mail work.
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
# After it a confirmation stands, whoever disowns it: the mail may be read by somebody else.
UNDOES_CONFIRMATION_FOR = timedelta(minutes=1)
# Retention deletes a disowned form after it: until then a press of the other button saves it.
KEPT_FOR = timedelta(hours=1)


class Outcome(Enum):
    """Result of pressing the button."""

    DISOWNED = "disowned"  # whatever was there: see `disown`
    CONTRADICTED = "contradicted"  # a confirmation is undone: which of the two was meant?
    GONE = "gone"  # there is no such petition any more


@transaction.atomic
def disown(*, mailbox: Mailbox) -> Outcome:
    """Disown the form of a mail, if it waits, and suppress mail about its petition to the mailbox.

    Idempotent. The form is deleted after `KEPT_FOR`, unless it is confirmed before. A confirmed
    signature stays, whoever says so; but one of the last `UNDOES_CONFIRMATION_FOR` waits again, and
    nothing else is changed.
    """
    signature = _lock(mailbox)
    if signature and _is_just_confirmed(signature) and _unconfirm(signature):
        return Outcome.CONTRADICTED
    if not Petition.objects.filter(pk=mailbox.petition_id).exists():
        return Outcome.GONE
    if signature and signature.state == State.PENDING:
        rows = Signature.objects.filter(pk=signature.pk, disowned_at=None)
        rows.update(disowned_at=timezone.now())
        _cancel_mail([signature.pk])
    suppression.suppress_petition(mailbox=mailbox)
    return Outcome.DISOWNED


@transaction.atomic
def take_back(*, mailbox: Mailbox) -> None:
    """Undo "not me": mail about the petition is sent again, and the form waits, if it is there."""
    if signature := _lock(mailbox):
        Signature.objects.filter(pk=signature.pk).update(disowned_at=None)
    inbox = Inbox(mailbox.key_id, mailbox.ix)
    suppression.unsuppress_petition(inboxes=[inbox], petition_id=mailbox.petition_id)


def retire(signature_ids: Collection[UUID]) -> None:
    """End forms that wait, which are locked: no link or code of theirs works any more, and nothing
    is mailed about them.

    Retention deletes them with those of "not me". Were it done at once, a moderator who had sent a
    form for somebody's address would see, without any record, when its owner confirmed another. Of
    the time only the hour is stored: by the exact one a copy of the database would join the form to
    the signature that was confirmed at that moment.
    """
    next_hour = timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    rows = Signature.objects.filter(pk__in=signature_ids)
    rows.update(disowned_at=next_hour, link_epoch=F("link_epoch") + 1)
    _cancel_mail(signature_ids)


def _cancel_mail(signature_ids: Collection[UUID]) -> None:
    unsent = Mail.objects.filter(signature__in=signature_ids, state=Mail.State.QUEUED)
    unsent.update(state=Mail.State.CANCELLED)


def contradict(signature: Signature, address: str) -> None:
    """Undo "not me" for a form whose mailbox is locked: its other button was pressed as well."""
    Signature.objects.filter(pk=signature.pk).update(disowned_at=None)
    inboxes = sealing.inboxes_of(address)
    suppression.unsuppress_petition(inboxes=inboxes, petition_id=signature.petition_id)


def _lock(mailbox: Mailbox) -> Signature | None:
    """Lock the mailbox and then the form, as confirming does; None if this mail's form is gone.

    No other form of the mailbox is read, for anybody can send thousands.
    """
    signer = Signer.objects.filter(pk=mailbox.signature_id).first()
    if signer is None:
        return None
    locks.lock_mailboxes(sealing.mailboxes(sealing.known_as(signer)))
    mine = Signature.objects.filter(pk=mailbox.signature_id, link_epoch=mailbox.epoch)
    there = mine.filter(signer__isnull=False).select_related("signer")
    return there.select_for_update(of=("self",)).first()


def _is_just_confirmed(signature: Signature) -> bool:
    """Whether it was confirmed a moment ago, and no moderator has decided about it since."""
    since = timezone.now() - UNDOES_CONFIRMATION_FOR
    return (
        signature.state in lifecycle.UNCONFIRM.sources
        and signature.decision_id is None
        and signature.confirmed_at is not None
        and signature.confirmed_at > since
    )


def _unconfirm(signature: Signature) -> bool:
    """Let it wait again: out of the count and its slot, under the blind indexes of those that wait.
    False if its signer cannot be unsealed.
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
