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
    """Erase the signer of a signature and take it out of the count; False if erased already.

    Every attempt of the same person with the same address goes with it, so that no other link
    mailed there can count them again. But a form that waits takes no confirmed signature along:
    anybody can send one in anybody's name, and its end must neither take back nor tell what its
    owner has confirmed. What stays of a counted signature is never personal.
    Source: UK GDPR Articles 7(3) and 17. Copies that were exported before are out of our reach.
    Raises `StateChanged` only if the signer's indexes are recomputed twice running meanwhile.
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
        # Erasure must not fail on a wrong tally: the nightly check repairs the count.
        logger.exception("a count is lower than what is withdrawn from it")
    return True


def lock_attempts_of(signer: Signer) -> list[Signature]:
    """Lock, until commit, a signer's mailbox and every attempt of the same person with the very
    same address: SELECT FOR UPDATE, in id order.

    Other spellings of the mailbox are left out: nobody has proved to read them. So is the signer's
    own signature where it was erased, or its indexes recomputed, during the wait.
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
