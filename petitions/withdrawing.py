"""Taking a signature back: it leaves the count, and nothing personal stays."""

import logging
from collections import Counter
from uuid import UUID

from django.db import transaction

from petitions import erasing, locks, signers, tallies
from petitions.locks import StateChanged
from petitions.models import Signature, Signer

logger = logging.getLogger(__name__)


def withdraw(*, signature_id: UUID) -> bool:
    """Erase the person behind a signature and take it out of the count; False if nobody is left.

    Every attempt of the same person goes with it, so that no other mailed link can count them
    again. What stays of a counted signature is never personal. Source: UK GDPR Articles 7(3)
    and 17. Copies that were exported before are out of our reach.
    Raises `StateChanged` only if the person's indexes are made anew twice running meanwhile.
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
    known = signers.known_as(me)
    locks.mailboxes(signers.mailboxes(known))
    if not Signer.objects.filter(pk=signature_id, mailbox_ix=me.mailbox_ix).exists():
        raise StateChanged
    theirs = Signature.objects.filter(
        signer__petition_id=me.petition_id,
        signer__mailbox_ix__in=signers.mailboxes(known),
        signer__person_ix__in=signers.persons(known),
    )
    signatures = list(theirs.select_for_update(of=("self",)).order_by("id"))
    erasing.erase_attempts([row.pk for row in signatures if row.confirmed_at is None])
    stood = [row.pk for row in signatures if row.confirmed_at is not None]
    erasing.erase_people(stood)
    Signature.objects.filter(pk__in=stood).update(
        state=Signature.State.WITHDRAWN, wants_updates=False
    )
    _uncount(me.petition_id, signatures)
    return True


def _uncount(petition_id: int, signatures: list[Signature]) -> None:
    changes = Counter(
        tallies.key_of(signature.place_id, signature.pk)
        for signature in signatures
        if signature.state == Signature.State.CONFIRMED
    )
    try:
        tallies.move(petition_id, {key: -n for key, n in changes.items()})
    except tallies.TallyBroken:
        # Nobody's right to be erased hangs on a number: the nightly check mends the count.
        logger.exception("a count is lower than what is withdrawn from it")
