"""Withdrawal: a signature leaves the count, and its personal data is erased."""

import logging
from uuid import UUID

from django.db import transaction

from petitions.counting import tallies
from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.infra import locks
from petitions.infra.locks import StateChanged
from petitions.models import Signature, Signer
from petitions.signatures import lifecycle
from petitions.signers import erasing, sealing

logger = logging.getLogger(__name__)


def withdraw(*, signature_id: UUID) -> bool:
    """Erase the signer of a signature and take it out of the count; False if erased already.

    Every attempt of the same person with the same address goes with it, so that no other link
    mailed there can count them again. Other spellings of the mailbox stay: nobody has proved to
    read them. What stays of a counted signature is never personal. Source: UK GDPR Articles 7(3)
    and 17. Copies that were exported before are out of our reach.
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
    known = sealing.known_as(me)
    locks.lock_mailboxes(sealing.mailboxes(known))
    if not Signer.objects.filter(
        pk=signature_id, petition_mailbox_ix=me.petition_mailbox_ix
    ).exists():
        raise StateChanged
    theirs = Signature.objects.filter(
        signer__petition_id=me.petition_id,
        signer__petition_mailbox_ix__in=sealing.mailboxes(known),
        signer__person_ix__in=sealing.persons(known),
    )
    locked = theirs.select_related("signer").select_for_update(of=("self",)).order_by("id")
    signatures = at_the_address_of(signature_id, list(locked))
    erasing.erase_finds([row.pk for row in signatures])
    erasing.erase_attempts([row.pk for row in signatures if row.confirmed_at is None])
    stood = [row for row in signatures if row.confirmed_at is not None]
    erasing.erase_people([row.pk for row in stood])
    try:
        lifecycle.move(stood, lifecycle.targets(lifecycle.WITHDRAW, stood), wants_updates=False)
    except tallies.TallyBroken:
        # Erasure must not fail on a wrong tally: the nightly check repairs the count.
        logger.exception("a count is lower than what is withdrawn from it")
    return True


def at_the_address_of(signature_id: UUID, signatures: list[Signature]) -> list[Signature]:
    """That signature, and those of the others that have the very same address."""
    address = {row.pk: _address(row.signer) for row in signatures}
    mine = address.get(signature_id)
    return [
        row
        for row in signatures
        if row.pk == signature_id or (mine is not None and address[row.pk] == mine)
    ]


def _address(signer: Signer) -> str | None:
    """The signer's address, case-folded; None if it cannot be unsealed."""
    try:
        return email_addresses.folded(sealing.unsealed(signer)["email"])
    except vault.CannotOpen:
        return None
