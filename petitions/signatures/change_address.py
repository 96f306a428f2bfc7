""" "Find my signature": change the e-mail address of a signature, by a code mailed to the new one.

The page behind the mailed link proves the old address, and the code the new one: only who reads
both can move a signature. A code and no link, because a link would have to say what its button
does: a mistyped address is a stranger's, who must not learn that somebody signed, and must be able
to do nothing by a press. The mail names no petition and no person.

Constant work (docs/architecture.md): asking writes one mail, whatever the new address has done;
what stands against the change is told only to who has typed the code. The new address stands sealed
in that mail for an hour (`privacy.retention` anonymises it), and goes at once with a withdrawal.
"""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from petitions.crypto import tokens, vault
from petitions.crypto.tokens import Recipient
from petitions.infra import locks
from petitions.mail import outbox
from petitions.mail.wake_worker import nudge
from petitions.models import Mail, Signature, Signer
from petitions.screening import challenge, rules
from petitions.signatures import confirm as confirming
from petitions.signatures import disown as disowning
from petitions.signatures import withdraw as withdrawing
from petitions.signatures.confirm import Outcome
from petitions.signatures.self_service import (
    CHANGEABLE,
    NoSuchSignature,
    hold_if_suspicious,
    own_signature,
)
from petitions.signers import erasing, sealing
from petitions.signers.sealing import Use

# As long as the link to the page on which it is typed.
CODE_FOR = timedelta(seconds=tokens.FIND_SECONDS)
TRIES = 5


class WrongCode(Exception):
    """The code is wrong, an hour old, or was tried too often. A new one helps."""


class NoRoom(Exception):
    """The signature cannot stand with the new address; `outcome` of a confirmation says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def request_code(
    *, recipient: Recipient, reference: str, address: str, language: str, is_silenced: bool = False
) -> None:
    """Queue the mail with the code to the new address. Raises `NoSuchSignature`.

    `is_silenced`, over the rate limit of the mailbox: the same row, and no mail is sent.
    """
    one = own_signature(recipient=recipient, reference=reference)
    if not one.is_changeable:
        raise NoSuchSignature
    mail = Mail(
        kind=Mail.Kind.ADDRESS,
        signature=one.signature,
        global_mailbox_ix=sealing.stored_index(Use.ADDRESS, sealing.inbox_of(address)),
        due_at=Now(),
        created_at=Now(),
    )
    mail.sealed = sealing.seal_addressee(mail.pk, address=address, language=language)
    if is_silenced:
        mail.state, mail.code = Mail.State.WITHHELD, outbox.OVER_LIMIT
    mail.save(force_insert=True)
    nudge()


def new_addresses(signature_ids: Collection[UUID]) -> dict[UUID, tuple[Mail, str]]:
    """By signature, the newest mail with a code that may still be typed, and its address."""
    mails = Mail.objects.filter(
        kind=Mail.Kind.ADDRESS,
        sealed__isnull=False,
        signature__in=signature_ids,
        created_at__gt=Now() - CODE_FOR,
    ).order_by("created_at", "id")
    found = {}
    for mail in mails:
        try:
            addressee = sealing.addressee(mail)
        except vault.CannotOpen:
            continue
        if addressee and mail.signature_id:
            found[mail.signature_id] = mail, addressee["email"]
    return found


def change(*, recipient: Recipient, reference: str, code: str) -> None:
    """Move a signature to the address that the code was mailed to; count and choices stay.

    `code` in ASCII digits. Raises `NoSuchSignature`, `WrongCode`, `NoRoom`.
    """
    signature = own_signature(recipient=recipient, reference=reference).signature
    mail, address = new_addresses([signature.pk]).get(signature.pk, (None, ""))
    # A try is counted, and committed, before it is compared. Where no mail went out no code is
    # right, so that guesses at a mailbox are bounded by the mails that it may get.
    if mail is None or not _count_try(mail) or mail.state != Mail.State.SENT:
        raise WrongCode
    if not tokens.is_code(code, mail.pk, 0):
        raise WrongCode
    try:
        _move(signature, recipient, address)
    except IntegrityError:
        # Unique violation: the place was taken under a lock that was not ours (a reindex).
        raise NoRoom(Outcome.MAILBOX_FULL) from None


def _count_try(mail: Mail) -> bool:
    seconds = 2 * int(CODE_FOR.total_seconds())
    tries = (f"{mail.pk} {n}" for n in range(TRIES))
    return any(challenge.consume_nonce("new-address", one, seconds) for one in tries)


@transaction.atomic
def _move(signature: Signature, recipient: Recipient, address: str) -> None:
    """Write signer and mails anew, under the locks of both mailboxes, taken together in order."""
    signer = Signer.objects.get(pk=signature.pk)
    after = _indexes(signer, address)
    before = sealing.known_as(signer)
    locks.lock_mailboxes([*sealing.mailboxes(before), *sealing.mailboxes(after)])
    attempts = withdrawing.lock_attempts_of(signer)
    locked = next((row for row in attempts if row.pk == signature.pk), None)
    if locked is None or locked.state not in CHANGEABLE:
        raise NoSuchSignature
    signer = Signer.objects.select_for_update().get(pk=signature.pk)
    person = sealing.unsealed(signer)
    if not sealing.is_recipient(recipient, person["email"]):
        raise NoSuchSignature
    signer.slot = _slot(signer, after)
    signer.petition_mailbox_ix, signer.person_ix, signer.home_ix = after[0][:3]
    if signer.domain_ix is not None:
        signer.domain_ix = sealing.domain_index(address, locked.created_at.date())
    signer.sealed = sealing.seal_again({**person, "email": address}, signer.pk)
    signer.save()
    # What waits at the old address would count the same person once more. What a moderator has
    # removed goes by nothing else within hours: by its end they would see that somebody moved.
    disowning.retire([row.pk for row in attempts if row.state == Signature.State.PENDING])
    # Links mailed to the old address end.
    Signature.objects.filter(pk=signer.pk).update(link_epoch=F("link_epoch") + 1)
    mails = Mail.objects.filter(signature=signer.pk)
    mails.exclude(kind=Mail.Kind.NEWS).update(
        global_mailbox_ix=after[0].global_mailbox, sealed=None
    )
    # Nor is the old mailbox kept here: whose news this was. The new one may have got the same news.
    mails.filter(kind=Mail.Kind.NEWS).update(global_mailbox_ix=erasing.RandomBytes())
    caught = rules.in_force().catches(address, signer.network_ix, locked.created_at)
    hold_if_suspicious(locked, {**person, "email": address}, caught)


def _indexes(signer: Signer, address: str) -> list[sealing.Indexes]:
    """The blind indexes of the signer with the new address, under each key, the first one first."""
    person = {**sealing.unsealed(signer), "email": address}
    return [
        sealing.indexes_of(signer.petition_id, person, is_pending=False, key_id=key)
        for key in settings.INDEX_KEYS
    ]


def _slot(signer: Signer, after: list[sealing.Indexes]) -> int:
    """The slot in the new mailbox, by the rules of a confirmation. Raises `NoRoom`."""
    standing = Signer.objects.filter(
        Q(slot__isnull=False) | Q(signature__confirmed_at__isnull=False),
        petition_id=signer.petition_id,
        petition_mailbox_ix__in=sealing.mailboxes(after),
    ).exclude(pk=signer.pk)
    others = list(standing.select_related("signature").order_by("slot"))
    if {bytes(other.person_ix) for other in others} & set(sealing.persons(after)):
        raise NoRoom(Outcome.ALREADY)
    taken = [row for row in others if row.slot or row.signature.state == Signature.State.CONFIRMED]
    verdict = confirming.household_rule(taken, {index.home for index in after})
    if verdict.outcome is not Outcome.CONFIRMED:
        raise NoRoom(verdict.outcome)
    return verdict.slot
