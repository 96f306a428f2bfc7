"""Withdrawal: a signature leaves the count, and its personal data is erased."""

import logging
from uuid import UUID

from django.db import transaction

from petitions.counting import tallies
from petitions.infra import locks
from petitions.infra.locks import StateChanged
from petitions.models import Signature, Signer
from petitions.signatures import lifecycle
from petitions.signers import erasing, sealing

logger = logging.getLogger(__name__)


def withdraw(*, signature_id: UUID) -> bool:
    """Erase the signer of a signature and take it out of the count. Return False if already erased.

    All attempts of the same person with the same address are withdrawn too, so that no other
    mailed link can count them again. But withdrawing a pending attempt leaves confirmed signatures:
    anybody can send a form in anybody's name, and its withdrawal must neither undo nor reveal what
    the owner has confirmed. The row of a counted signature stays, without personal data.
    Source: UK GDPR Articles 7(3) and 17. Earlier exports are out of our reach.
    Raises `StateChanged` only if the signer's indexes are recomputed twice in a row meanwhile.
    """
    try:
        return _withdraw(signature_id)
    except StateChanged:
        return _withdraw(signature_id)


@transaction.atomic
def _withdraw(signature_id: UUID) -> bool:
    me = Signer.objects.filter(pk=signature_id).first()
    if me is None:
        return False
    signatures = lock_attempts_of(me)
    named = next((row for row in signatures if row.pk == signature_id), None)
    if named is None:
        raise StateChanged
    if address := sealing.address_of(me):
        erasing.erase_finds(address)
    erasing.erase_attempts([row.pk for row in signatures if row.confirmed_at is None])
    stood = [row for row in signatures if row.confirmed_at and named.confirmed_at]
    erasing.erase_people([row.pk for row in stood])
    try:
        lifecycle.move(stood, lifecycle.targets(lifecycle.WITHDRAW, stood), **Signature.NO_NEWS)
    except tallies.TallyBroken:
        # A wrong tally must not prevent erasure: the nightly check repairs the count.
        logger.exception("a count is lower than what is withdrawn from it")
    return True


def lock_attempts_of(signer: Signer) -> list[Signature]:
    """Lock a signer's mailbox, and all attempts of the same person and address in id order.

    Other spellings of the mailbox are left out: nobody has proved that they read them. The
    signer's own signature is missing if it was erased, or its indexes recomputed, during the wait.
    """
    known = sealing.known_as(signer)
    locks.lock_mailboxes(sealing.mailboxes(known))
    theirs = Signature.objects.filter(
        signer__petition_id=signer.petition_id,
        signer__petition_mailbox_ix__in=sealing.mailboxes(known),
        signer__person_ix__in=sealing.persons(known),
    )
    locked = list(theirs.select_related("signer").select_for_update(of=("self",)).order_by("id"))
    address = {row.pk: sealing.address_of(row.signer) for row in locked}
    mine = address.get(signer.pk)
    return [row for row in locked if row.pk == signer.pk or (mine and address[row.pk] == mine)]
