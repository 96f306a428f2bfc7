""" "Find my signature": mail the typed address a magic link to what was signed with it.

Constant work (docs/architecture.md): anybody can type anybody's address, so the request writes
one sealed row, and nothing is looked up. Afterwards the worker mails that address, whether or not
it has signed: neither a mailbox nor the numbers in the outbox tell.

A mailbox may have other spellings (aliases), with a dot or a tag; a wrong or tampered alias rule
must not show anybody a stranger's signatures. So the link is bound to the address that it was
mailed to, folded for case alone. Other spellings that have confirmed a signature get a link of
their own at the same time, at the address as they gave it; those that have not get no mail, for
anybody can make them up. The answer to the form tells none of this. Each kind of mail has a rate
limit per mailbox, over all its spellings, and the mails to other spellings use up nothing of what
may go to those that ask: that would tell.
"""

import uuid
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.mail import outbox
from petitions.mail.wake_worker import nudge
from petitions.models import FindRequest, Mail, Petition, Signature
from petitions.signers import sealing

TABLE = "find-request"
# Room for the longest address, so that every row is of one length.
SEALED_BYTES = 512
BATCH = 100


class Asked(NamedTuple):
    """Payload of a request: an address, the language of the page, and whether the mailbox is over
    its rate limit.
    """

    address: str
    language: str
    is_silenced: bool


def ask(*, address: str, language: str, is_silenced: bool = False) -> None:
    """Record a request for the signatures of an address; always one INSERT (constant work)."""
    row_id = uuid.uuid4()
    typed = Asked(address, language, is_silenced)._asdict()
    sealed = vault.seal(typed, table=TABLE, row_id=row_id, at_least=SEALED_BYTES)
    FindRequest.objects.create(pk=row_id, sealed=sealed)
    nudge()


def settle() -> None:
    """Settle all requests, in the worker: queue their mails in the outbox."""
    while _settle() == BATCH:
        pass


@transaction.atomic
def _settle() -> int:
    """Settle one batch of requests; return its size. May run concurrently (SKIP LOCKED)."""
    rows = list(FindRequest.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH])
    for row in rows:
        asked = _open(row)
        if asked:
            _queue(asked)
    FindRequest.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def held_for(address: str) -> QuerySet[Signature]:
    """All signatures of a mailbox under all its spellings, in every petition, the confirmed first.

    `self_service` decides which of them a link may show.
    """
    petitions = list(Petition.objects.values_list("pk", flat=True))
    indexes = [ix for pk in petitions for ix in sealing.petition_mailbox_indexes(pk, address)]
    # By both columns, so that the index (petition, petition_mailbox_ix) is used.
    return held().filter(signer__petition__in=petitions, signer__petition_mailbox_ix__in=indexes)


def held() -> QuerySet[Signature]:
    """Signatures that have a signer, except refused attempts and those corrected since."""
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
    # The language is absent from rows of an older release.
    language = str(value.get("language", settings.LANGUAGE_CODE))
    return Asked(str(value["address"]), language, bool(value["is_silenced"]))


def _queue(asked: Asked) -> None:
    """Queue a mail to the address that was typed, and to each other spelling that has signed."""
    global_mailbox_ix = sealing.inbox_of(asked.address).ix
    mails = [_mail(Mail.Kind.FIND, asked.address, asked.language, global_mailbox_ix)]
    if asked.is_silenced:
        mails[0].state, mails[0].code = Mail.State.WITHHELD, outbox.OVER_LIMIT
    else:
        mails += [
            _mail(Mail.Kind.FIND_OTHER, address, language, global_mailbox_ix)
            for address, language in _other_spellings(asked.address)
        ]
    Mail.objects.bulk_create(mails)


def _mail(kind: Mail.Kind, address: str, language: str, global_mailbox_ix: bytes) -> Mail:
    mail = Mail(kind=kind, global_mailbox_ix=global_mailbox_ix, due_at=Now(), created_at=Now())
    mail.sealed = sealing.seal_addressee(mail.pk, address=address, language=language)
    return mail


def _other_spellings(typed: str) -> list[tuple[str, str]]:
    """Other addresses of a mailbox that have confirmed, as first given, with their languages."""
    found: dict[str, tuple[str, str]] = {}
    for signature in held_for(typed).filter(confirmed_at__isnull=False):
        try:
            person = sealing.unsealed(signature.signer)
        except vault.CannotOpen:
            continue
        found.setdefault(
            email_addresses.folded(person["email"]), (person["email"], person["language"])
        )
    found.pop(email_addresses.folded(typed), None)
    return list(found.values())
