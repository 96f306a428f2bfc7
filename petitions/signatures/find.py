""" "Find my signature": mail a magic link to the typed address.

Constant work (docs/architecture.md): anybody can type anybody's address, so the request writes
one sealed row and looks nothing up. The worker then mails that address whether or not it has
signed, so that neither the mailbox nor the outbox's figures reveal it.

A mailbox may have other spellings (aliases), with a dot or a tag. A wrong or tampered alias rule
must not show a stranger's signatures, so the link is bound to the address it was mailed to,
ignoring only case. Another spelling that has confirmed a signature gets its own link at the same
time; if there are several, they take turns. Spellings that have not signed get no mail, because
anybody can make them up. If no other spelling has signed, the outbox gets a decoy row, which is
settled as if it were sent. Each kind of mail has its own rate limit per mailbox, over all
spellings: mails to other spellings must not use up the requester's quota, which would reveal them.
"""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.mail import outbox
from petitions.mail.wake_worker import nudge
from petitions.models import FindRequest, Mail, Petition, Signature
from petitions.screening import challenge
from petitions.screening.rate_limits import Act
from petitions.screening.screen import ChallengeRequired, Evidence, TooMany, check_limits
from petitions.signers import sealing
from petitions.signers.sealing import Use

TABLE = "find-request"
# Room for the longest address, so that all rows have the same length.
SEALED_BYTES = 512
BATCH = 100


def request_links(
    *, address: str, language: str, evidence: Evidence
) -> TooMany | ChallengeRequired | None:
    """Record a request for the signatures of an address, by one INSERT (constant work).

    Return None if it is recorded.
    """
    sender = evidence.sender
    limits = check_limits(Act.FIND, sender=sender, address=address)
    if limits.is_refused:
        return TooMany()
    if limits.needs_challenge and (
        offer := challenge.demand(evidence.challenge, challenge.FIND, sender.network)
    ):
        return ChallengeRequired(offer)
    row_id = uuid.uuid4()
    typed = {"address": address, "language": language, "is_silenced": limits.is_silenced}
    sealed = vault.seal(typed, table=TABLE, row_id=row_id, at_least=SEALED_BYTES)
    FindRequest.objects.create(pk=row_id, sealed=sealed)
    nudge()
    return None


def settle() -> None:
    """Process all requests, in the worker: queue their mails in the outbox."""
    while _settle() == BATCH:
        pass


@transaction.atomic
def _settle() -> int:
    """Process a batch of requests. Return its size. May run concurrently (SKIP LOCKED)."""
    rows = list(FindRequest.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH])
    for row in rows:
        with suppress(vault.CannotOpen):
            _queue(vault.unseal(row.sealed, table=TABLE, row_id=row.pk))
    FindRequest.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def of_mailbox(address: str) -> QuerySet[Signature]:
    """Return all signatures of a mailbox, under all spellings and petitions, confirmed ones first.

    `self_service` decides which of them a link may show.
    """
    petitions = list(Petition.objects.values_list("pk", flat=True))
    indexes = [ix for pk in petitions for ix in sealing.petition_mailbox_indexes(pk, address)]
    # Filter on both columns, so that the index (petition, petition_mailbox_ix) is used.
    return with_signer().filter(
        signer__petition__in=petitions, signer__petition_mailbox_ix__in=indexes
    )


def with_signer() -> QuerySet[Signature]:
    """Return the signatures that have a signer, except refused and corrected attempts."""
    rows = Signature.objects.uncorrected().select_related("signer", "petition", "place")
    return (
        rows.filter(signer__isnull=False)
        .exclude(state=Signature.State.REFUSED)
        .order_by(F("confirmed_at").asc(nulls_last=True), "created_at", "id")
    )


def _queue(request: Mapping[str, Any]) -> None:
    """Queue a mail to the typed address, and one to another spelling that has signed, or a decoy.

    A single row would show in a copy of the database that there is no other (constant work).
    """
    address, language = request["address"], request["language"]
    mailbox = sealing.stored_index(Use.FIND, sealing.inbox_of(address))
    to = [(Mail.Kind.FIND, {"address": address, "language": language})]
    if not request["is_silenced"]:
        other = _other_spelling(address, mailbox)
        decoy = {"address": address, "language": language, sealing.DECOY: "yes"}
        to.append((Mail.Kind.FIND_OTHER, other or decoy))
    mails = []
    for kind, addressee in to:
        mail = Mail(kind=kind, global_mailbox_ix=mailbox, due_at=Now(), created_at=Now())
        mail.sealed = sealing.seal_addressee(mail.pk, **addressee)
        if request["is_silenced"]:
            mail.state, mail.code = Mail.State.WITHHELD, outbox.OVER_LIMIT
        mails.append(mail)
    Mail.objects.bulk_create(mails)


def _other_spelling(typed: str, mailbox: bytes) -> dict[str, str] | None:
    """Return another address of the mailbox that has confirmed, with its language, or None.

    If there are several, the number of such mails so far selects the next.
    """
    others = _other_spellings(typed)
    if not others:
        return None
    earlier = Mail.objects.filter(kind=Mail.Kind.FIND_OTHER, global_mailbox_ix=mailbox).count()
    address, language = others[earlier % len(others)]
    return {"address": address, "language": language}


def _other_spellings(typed: str) -> list[tuple[str, str]]:
    """Return the other addresses of a mailbox that have confirmed, with their languages."""
    found: dict[str, tuple[str, str]] = {}
    for signature in of_mailbox(typed).filter(confirmed_at__isnull=False):
        try:
            person = sealing.unsealed(signature.signer)
        except vault.CannotOpen:
            continue
        found.setdefault(
            email_addresses.folded(person["email"]), (person["email"], person["language"])
        )
    found.pop(email_addresses.folded(typed), None)
    return list(found.values())
