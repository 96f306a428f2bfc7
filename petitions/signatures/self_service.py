"""Self-service behind a mailed link: view, change, download and withdraw one's signatures.

The link proves that its holder reads that address, and nothing else: so everything here covers
all that was signed with it, over all petitions and for as long as it is stored, whether or not a
petition still takes signatures. A shared address shows each person. Other spellings of the
mailbox may be other people's, for all that is proved, and have their own links: see `find`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from petitions.crypto import vault
from petitions.crypto.tokens import Recipient
from petitions.identity import names
from petitions.infra import advisory_locks
from petitions.mail import suppression
from petitions.models import Export, Mail, Signature, Signer
from petitions.signatures import find
from petitions.signatures import withdraw as withdrawing
from petitions.signers import erasing, sealing
from petitions.signers.sealing import Indexes

State, NameUse = Signature.State, Signature.NameUse
# States that allow a change; a pending one has its own link, a removed one is only withdrawn.
CHANGEABLE = (State.CONFIRMED, State.HELD)


class NotHeld(Exception):
    """The address has no such signature any more, or its state does not allow the change."""


class NotASpelling(Exception):
    """The new name is no spelling of the old one. Trying again with the right one helps."""


class NameTaken(Exception):
    """Somebody of that name has signed the same petition with this mailbox."""


@dataclass(frozen=True, slots=True)
class Held:
    """One signature and its unsealed signer."""

    signature: Signature
    person: dict[str, str]

    @property
    def is_changeable(self) -> bool:
        """Whether name, use of the name and news can be changed."""
        return self.signature.state in CHANGEABLE


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Result of a withdrawal: whether it stood until then, and the days of earlier exports."""

    stood: bool
    copied_on: list[date]


def held_by(*, recipient: Recipient) -> list[Held]:
    """All signatures made with the address that was mailed, with their signers; confirmed first.

    The mailbox is found by the blind index of its mails. Signatures under another key, or from
    before the provider's alias rules changed, are found through the sealed address, and that
    address decides.
    """
    known = find.held().filter(
        pk__in=Mail.objects.filter(
            mailbox_ix__in=[inbox.ix for inbox in recipient.inboxes], signature__isnull=False
        ).values("signature_id")
    )
    mine = _signed_with(recipient, known)
    if not mine:
        return []
    # The same address under other indexes; the query sorts them as they are shown.
    others = find.held_for(mine[0].person["email"])
    found = {one.signature.pk: one for one in [*_signed_with(recipient, others), *mine]}
    return list(found.values())


def _signed_with(recipient: Recipient, rows: Iterable[Signature]) -> list[Held]:
    return [one for one in _opened(rows) if sealing.is_recipient(recipient, one.person["email"])]


def choose_name_use(*, recipient: Recipient, reference: str, name_use: str) -> None:
    """Change how the name may be used, narrower or wider. Raises `NotHeld`."""
    _update(recipient, reference, name_use=NameUse(name_use))


def choose_updates(*, recipient: Recipient, reference: str, wants_updates: bool) -> None:
    """Subscribe to news of the petition, or unsubscribe. Raises `NotHeld`."""
    _update(recipient, reference, wants_updates=wants_updates)


def choose_updates_once_confirmed(
    *, signature_id: UUID, epoch: int, wants_updates: bool, since: datetime
) -> None:
    """Subscribe or unsubscribe on the thank-you page, by its link alone. Raises `NotHeld`.

    Only if confirmed at or after `since`: a used link that is found later must change nothing.
    """
    signatures = Signature.objects.filter(
        pk=signature_id, link_epoch=epoch, state__in=CHANGEABLE, confirmed_at__gte=since
    )
    if not signatures.update(wants_updates=wants_updates):
        raise NotHeld


def correct_name(*, recipient: Recipient, reference: str, name: str) -> None:
    """Correct the spelling of the name. Raises `NotHeld`, `NotASpelling`, `NameTaken`.

    A signature cannot be transferred to somebody else: only its spelling changes. Where that
    changes the blind index of the person, nobody else of the mailbox may have the new one; and
    pending attempts of the old spelling are deleted, or one of them could be confirmed and
    count the same person twice.
    """
    one = _one(recipient, reference)
    if not one.is_changeable:
        raise NotHeld
    if not names.is_spelling_of(one.person["name"], name):
        raise NotASpelling
    try:
        _rename(one, name)
    except IntegrityError:
        # A unique constraint refuses: an index was recomputed meanwhile.
        raise NameTaken from None


def withdraw(*, recipient: Recipient, reference: str) -> Withdrawn:
    """Withdraw: erase the signer and take the signature out of the count. Raises `NotHeld`.

    Exports for the hand-in that were made while it counted are out of our reach; their days are
    returned, so that the signer is told.
    """
    signature = _one(recipient, reference).signature
    copied_on = _copied_on(signature)
    if not withdrawing.withdraw(signature_id=signature.pk):
        raise NotHeld
    return Withdrawn(signature.state in CHANGEABLE, copied_on)


@transaction.atomic
def want_no_mail(*, recipient: Recipient) -> None:
    """Opt out of all mail: suppress the mailbox, and unsubscribe from all news."""
    ids = [one.signature.pk for one in held_by(recipient=recipient)]
    # Locked in id order, as everywhere, against deadlocks.
    rows = Signature.objects.filter(pk__in=ids).select_for_update().order_by("id")
    wanting = [row.pk for row in rows if row.wants_updates]
    Signature.objects.filter(pk__in=wanting).update(wants_updates=False)
    suppression.want_no_mail(inbox=recipient.inboxes[0])


def want_mail_again(*, recipient: Recipient) -> None:
    """Take the opt-out off the suppression list."""
    suppression.want_mail_again(inboxes=recipient.inboxes)


def everything(*, recipient: Recipient) -> dict[str, Any]:
    """Subject access: all data stored for an address. Source: UK GDPR Articles 15 and 20.

    Blind indexes and the sealed blob are left out: they say nothing without the keys, and with
    them no more than stands here. So are fraud signals, and that a signature is held for
    moderation: bots can download, too, and a moderator tells anybody who asks.
    """
    held = held_by(recipient=recipient)
    objects = suppression.wants_no_mail(recipient.inboxes)
    return {"signatures": [_as_data(one) for one in held], "no_mail": objects}


def _one(recipient: Recipient, reference: str) -> Held:
    for one in held_by(recipient=recipient):
        if one.signature.reference == reference:
            return one
    raise NotHeld


def _opened(rows: Iterable[Signature]) -> list[Held]:
    """Unseal each signer, leaving out those whose key is gone."""
    found = []
    for row in rows:
        try:
            found.append(Held(row, sealing.unsealed(row.signer)))
        except vault.CannotOpen:
            continue
    return found


def _update(recipient: Recipient, reference: str, **changes: Any) -> None:
    one = _one(recipient, reference)
    changeable = Signature.objects.filter(pk=one.signature.pk, state__in=CHANGEABLE)
    if not changeable.update(**changes):
        raise NotHeld


@transaction.atomic
def _rename(one: Held, name: str) -> None:
    """Store the new name, under the locks that confirming and withdrawing take, in their order."""
    known = sealing.known_as(one.signature.signer)
    advisory_locks.mailboxes(index.mailbox for index in known)
    signature, waiting = _lock_attempts(one.signature, known)
    signer = Signer.objects.select_for_update().get(pk=signature.pk)
    person = {**sealing.unsealed(signer), "name": name}
    if names.folded(name) != names.folded(one.person["name"]):
        after = _known_by(signature.petition_id, person)
        _need_free(signer, known, after)
        erasing.erase_attempts([row.pk for row in waiting])
        signer.person_ix = after[0].person
    signer.sealed = sealing.seal_again(person, signature.pk)
    signer.save(update_fields=["sealed", "person_ix"])


def _lock_attempts(signature: Signature, known: list[Indexes]) -> tuple[Signature, list[Signature]]:
    """SELECT FOR UPDATE the signature, and the same person's pending attempts with the very same
    address. Raises `NotHeld`.
    """
    theirs = Signature.objects.filter(
        signer__petition_id=signature.petition_id,
        signer__mailbox_ix__in=[index.mailbox for index in known],
        signer__person_ix__in=[index.person for index in known],
    )
    locked = theirs.select_related("signer").select_for_update(of=("self",)).order_by("id")
    rows = {row.pk: row for row in withdrawing.at_the_address_of(signature.pk, list(locked))}
    mine = rows.get(signature.pk)
    if mine is None or mine.state not in CHANGEABLE:
        raise NotHeld
    return mine, [row for row in rows.values() if row.state == State.PENDING]


def _known_by(petition_id: int, person: dict[str, str]) -> list[Indexes]:
    """The blind indexes of a person not stored yet, under each key, the current one first."""
    return [
        sealing.indexes_of(petition_id, person, key_id=key_id) for key_id in settings.INDEX_KEYS
    ]


def _need_free(signer: Signer, before: list[Indexes], after: list[Indexes]) -> None:
    """Raise `NameTaken` if somebody else of the mailbox has the person index of the new name."""
    others = Signer.objects.filter(
        Q(slot__isnull=False) | Q(signature__confirmed_at__isnull=False),
        petition_id=signer.petition_id,
        mailbox_ix__in=[index.mailbox for index in before],
        person_ix__in=[index.person for index in after],
    )
    if others.exclude(pk=signer.pk).exists():
        raise NameTaken


def _copied_on(signature: Signature) -> list[date]:
    """The days of the exports that may contain the signature."""
    if signature.confirmed_at is None:
        return []
    made = Export.objects.with_signatures_of(signature.petition_id, since=signature.confirmed_at)
    moments = made.values_list("started_at", flat=True)
    return sorted({timezone.localdate(moment) for moment in moments})


def _as_data(one: Held) -> dict[str, Any]:
    signature, person = one.signature, one.person
    place = signature.place
    confirmed = signature.confirmed_at
    return {
        "petition": signature.petition.slug,
        "reference": signature.spoken_reference,
        "state": State.CONFIRMED if signature.state == State.HELD else signature.state,
        "name": person["name"],
        "email": person["email"],
        "postcode": person["postcode"],
        "country": person["country"],
        "language": person["language"],
        "counts_for": place.name if place.kind == place.Kind.CONSTITUENCY else place.kind,
        "name_use": signature.name_use,
        "wants_updates": signature.wants_updates,
        "text_version": signature.text_version,
        "consent_version": signature.consent_version,
        "source": signature.source.code if signature.source else None,
        "signed": signature.created_at.isoformat(),
        "confirmed": confirmed.isoformat() if confirmed else None,
        "mails": [
            {"kind": mail.kind, "state": mail.state, "asked_for": mail.created_at.isoformat()}
            for mail in signature.mails.order_by("created_at", "id")
        ],
    }
