""" "Find my signature": change the e-mail address of a signature, by a code mailed to the new one.

The page behind the mailed link proves the old address and the code proves the new one, so only
somebody who reads both can move a signature. It is a code because a link's page would have to
explain its button: a mistyped address belongs to a stranger, who must neither learn that somebody
signed nor be able to act. The mail names no petition and no person.

Constant work (docs/architecture.md): a request writes one mail, whatever the new address has done.
Only the right code reveals why a change is impossible. The new address is sealed in that mail for
an hour (`privacy.retention` anonymises it), and is erased at once by a withdrawal.
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
from petitions.infra.client_network import Sender
from petitions.mail import outbox
from petitions.mail.wake_worker import nudge
from petitions.models import Mail, Signature, Signer
from petitions.screening import challenge, rules
from petitions.screening.rate_limits import Act
from petitions.screening.screen import TooMany, check_limits
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

# As long as the link to the page on which the code is typed.
CODE_FOR = timedelta(seconds=tokens.FIND_SECONDS)
TRIES = 5


class SameAddress(Exception):
    """The new address is the one that the signature has now."""


class WrongCode(Exception):
    """The code is wrong, expired, or was tried too often. Requesting a new one helps."""


class NoRoom(Exception):
    """The new address has no room for the signature. `outcome` says why, as in a confirmation."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def request_code(
    *, recipient: Recipient, reference: str, address: str, language: str, sender: Sender
) -> TooMany | None:
    """Queue the mail with the code to the new address. Return None if it is queued.

    If the mailbox is over its rate limit, the same row is written but not sent. Raises
    `SameAddress`, `NoSuchSignature`.
    """
    if sealing.is_recipient(recipient, address):
        raise SameAddress
    limits = check_limits(Act.ADDRESS, sender=sender, address=address)
    if limits.is_refused:
        return TooMany()
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
    if limits.is_silenced:
        mail.state, mail.code = Mail.State.WITHHELD, outbox.OVER_LIMIT
    mail.save(force_insert=True)
    nudge()
    return None


def new_addresses(signature_ids: Collection[UUID]) -> dict[UUID, tuple[Mail, str]]:
    """Map each signature's id to its newest mail with a valid code, and that mail's address."""
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
    """Move a signature to the address that the code was mailed to.

    `code` in ASCII digits. Raises `NoSuchSignature`, `WrongCode`, `NoRoom`.
    """
    signature = own_signature(recipient=recipient, reference=reference).signature
    mail, address = new_addresses([signature.pk]).get(signature.pk, (None, ""))
    # Each try is counted before the code is compared. No code is valid until its mail was sent,
    # so that a mailbox's mail limit also bounds the guesses.
    if mail is None or not _count_try(mail) or mail.state != Mail.State.SENT:
        raise WrongCode
    if not tokens.is_code(code, mail.pk, 0):
        raise WrongCode
    try:
        _move(signature, recipient, address)
    except IntegrityError:
        # Unique violation: a reindex, which takes another lock, has taken the slot.
        raise NoRoom(Outcome.MAILBOX_FULL) from None


def _count_try(mail: Mail) -> bool:
    seconds = 2 * int(CODE_FOR.total_seconds())
    tries = (f"{mail.pk} {n}" for n in range(TRIES))
    return any(challenge.consume_nonce("new-address", one, seconds) for one in tries)


@transaction.atomic
def _move(signature: Signature, recipient: Recipient, address: str) -> None:
    """Rewrite signer and mails, under the locks of both mailboxes, which are taken in order."""
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
    signer.sealed = sealing.seal({**person, "email": address}, signer.pk)
    signer.save()
    # A pending form of the old address would count the same person again. Removed ones stay,
    # because their disappearance would show a moderator that somebody moved.
    disowning.retire([row.pk for row in attempts if row.state == Signature.State.PENDING])
    # Invalidate the links mailed to the old address.
    Signature.objects.filter(pk=signer.pk).update(link_epoch=F("link_epoch") + 1)
    mails = Mail.objects.filter(signature=signer.pk)
    mails.exclude(kind=Mail.Kind.NEWS).update(
        global_mailbox_ix=after[0].global_mailbox, sealed=None
    )
    # News forgets the old mailbox. It cannot take the new one, which may have had the same news.
    mails.filter(kind=Mail.Kind.NEWS).update(global_mailbox_ix=erasing.RandomBytes())
    caught_by = rules.in_force().catches(address, signer.network_ix, locked.created_at)
    hold_if_suspicious(locked, {**person, "email": address}, caught_by)


def _indexes(signer: Signer, address: str) -> list[sealing.Indexes]:
    """Return the signer's blind indexes with the new address, for each key, current one first."""
    person = {**sealing.unsealed(signer), "email": address}
    return [
        sealing.indexes_of(signer.petition_id, person, is_pending=False, key_id=key)
        for key in settings.INDEX_KEYS
    ]


def _slot(signer: Signer, after: list[sealing.Indexes]) -> int:
    """Return the slot in the new mailbox, by the rules of confirmation. Raises `NoRoom`."""
    standing = Signer.objects.filter(
        Q(slot__isnull=False) | Q(signature__confirmed_at__isnull=False),
        petition_id=signer.petition_id,
        petition_mailbox_ix__in=sealing.mailboxes(after),
    ).exclude(pk=signer.pk)
    others = list(standing.select_related("signature").order_by("slot"))
    if {bytes(other.person_ix) for other in others} & set(sealing.persons(after)):
        raise NoRoom(Outcome.ALREADY)
    taken = [row for row in others if row.slot or row.signature.state == Signature.State.CONFIRMED]
    slot_decision = confirming.household_rule(taken, {index.home for index in after})
    if slot_decision.outcome is not Outcome.CONFIRMED:
        raise NoRoom(slot_decision.outcome)
    return slot_decision.slot
