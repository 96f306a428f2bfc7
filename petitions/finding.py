""" "Find my signature": who asks is told nothing; the mailbox gets a link, if there is anything.

Anybody can type anybody's address. So the answer to the form is the same for everybody, and so
is the work behind it: one sealed row is written, and nothing is looked up. The worker looks a
moment later, and queues one mail for the mailbox. It hangs on one of its signatures and goes to
the address of that one: the earliest that was confirmed, for that one was proved to reach its
owner. The address typed is never mailed: were the rules about which addresses are one mailbox
ever wrong, whoever types a stranger's variant must not be sent that stranger's signatures.
"""

import uuid
from typing import NamedTuple

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from petitions import signers, vault
from petitions.mail.nudge import nudge
from petitions.models import FindRequest, Mail, Petition, Signature

TABLE = "find-request"
# Room for the longest address, so that every row is of one length.
SEALED_BYTES = 512
BATCH = 100


class Asked(NamedTuple):
    """What a request holds: an address, and whether its mailbox was asked for too often."""

    address: str
    is_silenced: bool


def ask(*, address: str, is_silenced: bool = False) -> None:
    """Note that somebody wants the signatures of a mailbox found. One statement, always."""
    row_id = uuid.uuid4()
    typed = Asked(address, is_silenced)._asdict()
    sealed = vault.seal(typed, table=TABLE, row_id=row_id, at_least=SEALED_BYTES)
    FindRequest.objects.create(pk=row_id, sealed=sealed)
    nudge()


def settle() -> None:
    """Look for what was asked for, and queue the mails."""
    while _settle() == BATCH:
        pass


@transaction.atomic
def _settle() -> int:
    """Deal with a batch of requests; return how many. Any number may run at once."""
    rows = list(FindRequest.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH])
    for row in rows:
        asked = _open(row)
        if asked and not asked.is_silenced:
            _queue(asked.address)
    FindRequest.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def held_for(address: str) -> QuerySet[Signature]:
    """All signatures whose person reads this mailbox, in every petition, the confirmed first."""
    petitions = list(Petition.objects.values_list("pk", flat=True))
    indexes = [ix for pk in petitions for ix in signers.mailbox_indexes(pk, address)]
    # Both named, so that the index of mailboxes, which begins with petitions, finds them.
    return held().filter(signer__petition__in=petitions, signer__mailbox_ix__in=indexes)


def held() -> QuerySet[Signature]:
    """Signatures behind which there is a person, but for attempts that were corrected since."""
    rows = Signature.objects.uncorrected().select_related("signer", "petition", "place")
    return (
        rows.filter(signer__isnull=False)
        .exclude(state=Signature.State.REFUSED)
        .order_by(F("confirmed_at").asc(nulls_last=True), "created_at", "id")
    )


def _open(row: FindRequest) -> Asked | None:
    try:
        value = vault.unseal(row.sealed, table=TABLE, row_id=row.pk)
    except vault.CannotOpen:
        return None
    return Asked(str(value["address"]), bool(value["is_silenced"]))


def _queue(address: str) -> None:
    """One mail for the mailbox, unless there is nothing to find, or one is on its way."""
    first = held_for(address).first()
    if first is None:
        return
    indexes = list(signers.mail_indexes(address).values())
    waiting = Mail.objects.filter(
        mailbox_ix__in=indexes, kind=Mail.Kind.FIND, state=Mail.State.QUEUED
    )
    if not waiting.exists():
        Mail.objects.create(
            signature=first,
            kind=Mail.Kind.FIND,
            mailbox_ix=indexes[0],
            due_at=Now(),
            created_at=Now(),
        )
