""" "Find my signature": whoever is mailed a link sees what was signed with that very address.

Anybody can type anybody's address. So the answer to the form is the same for everybody, and so
is the work behind it: one sealed row is written, and nothing is looked up. The worker mails the
address that was typed, a moment later and whether or not it has signed: neither a mailbox nor
the numbers in the outbox tell.

A mailbox may have other spellings, with a dot or a tag, and rules say which; whoever got such a
rule wrong, or bent it, must not be shown a stranger's signatures. So the link is bound to the
address that it was mailed to, folded for case alone. Other spellings that have confirmed a
signature get a link of their own at the same moment, at the address as they gave it; those that
have not are left in peace, for anybody can make them up. Whoever asks learns of none of this.
Each kind of mail is limited for the mailbox, over all its spellings, and the mails to other
spellings use up nothing of what may go to those that ask: that would tell.
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
    """What a request holds: an address, the language of the page, and whether the mailbox was
    asked for too often.
    """

    address: str
    language: str
    is_silenced: bool


def ask(*, address: str, language: str, is_silenced: bool = False) -> None:
    """Note that somebody wants the signatures of an address found. One statement, always."""
    row_id = uuid.uuid4()
    typed = Asked(address, language, is_silenced)._asdict()
    sealed = vault.seal(typed, table=TABLE, row_id=row_id, at_least=SEALED_BYTES)
    FindRequest.objects.create(pk=row_id, sealed=sealed)
    nudge()


def settle() -> None:
    """Queue the mails that were asked for."""
    while _settle() == BATCH:
        pass


@transaction.atomic
def _settle() -> int:
    """Deal with a batch of requests; return how many. Any number may run at once."""
    rows = list(FindRequest.objects.select_for_update(skip_locked=True).order_by("id")[:BATCH])
    for row in rows:
        asked = _open(row)
        if asked:
            _queue(asked)
    FindRequest.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def held_for(address: str) -> QuerySet[Signature]:
    """All signatures of a mailbox under all its spellings, in every petition, the confirmed first.

    What of them somebody may see is for `managing` to say.
    """
    petitions = list(Petition.objects.values_list("pk", flat=True))
    indexes = [ix for pk in petitions for ix in sealing.mailbox_indexes(pk, address)]
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
    # The language is absent from what was sealed before an update of the site.
    language = str(value.get("language", settings.LANGUAGE_CODE))
    return Asked(str(value["address"]), language, bool(value["is_silenced"]))


def _queue(asked: Asked) -> None:
    """One mail to the address that was typed; one to each other spelling that has signed."""
    mailbox_ix = sealing.inbox_of(asked.address).ix
    mails = [_mail(Mail.Kind.FIND, asked.address, asked.language, mailbox_ix)]
    if asked.is_silenced:
        mails[0].state, mails[0].code = Mail.State.WITHHELD, outbox.OVER_LIMIT
    else:
        mails += [
            _mail(Mail.Kind.FIND_OTHER, address, language, mailbox_ix)
            for address, language in _other_spellings(asked.address)
        ]
    Mail.objects.bulk_create(mails)


def _mail(kind: Mail.Kind, address: str, language: str, mailbox_ix: bytes) -> Mail:
    mail = Mail(kind=kind, mailbox_ix=mailbox_ix, due_at=Now(), created_at=Now())
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
