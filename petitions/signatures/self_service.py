"""Self-service behind a mailed link: view, change, download and withdraw one's signatures.

The link proves that its holder reads that address, and nothing else: so everything here covers
all that was signed with it, over all petitions and for as long as it is stored, whether or not a
petition still takes signatures. A shared address shows each person. Other spellings of the
mailbox may be other people's, for all that is proved, and have their own links: see `find`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from petitions.crypto import vault
from petitions.crypto.tokens import Recipient
from petitions.identity import email_addresses, names
from petitions.mail import suppression
from petitions.models import Export, Mail, Petition, Signature, Signer
from petitions.screening import fraud_signals
from petitions.signatures import disown as disowning
from petitions.signatures import find, lifecycle
from petitions.signatures import withdraw as withdrawing
from petitions.signers import consent, sealing
from petitions.signers.sealing import Indexes, Use

State, NameUse = Signature.State, Signature.NameUse
# States that allow a change; a pending one has its own link, a removed one is only withdrawn.
CHANGEABLE = (State.CONFIRMED, State.HELD)
# Forms that wait, of one mailbox, that are shown: anybody can send them, hundreds in a day, and its
# owner must be able to see and withdraw what stands at all times.
MOST_WAITING = 20


class NoSuchSignature(Exception):
    """The address has no such signature any more, or its state does not allow the change."""


class NotASpelling(Exception):
    """The new name is no spelling of the old one. Trying again with the right one helps."""


class NameTaken(Exception):
    """Somebody of that name has signed the same petition with this mailbox."""


@dataclass(frozen=True, slots=True)
class OwnSignature:
    """One signature and its unsealed signer."""

    signature: Signature
    person: dict[str, str]

    @property
    def is_changeable(self) -> bool:
        """Whether name, use of the name and news can be changed."""
        return self.signature.state in CHANGEABLE


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Result of a withdrawal: whether it stood until then, the days of earlier exports, and of a
    form that waited, whether the same person's confirmed signature is still there.
    """

    stood: bool
    copied_on: list[date]
    is_confirmed_elsewhere: bool


def own_signatures(*, recipient: Recipient) -> list[OwnSignature]:
    """All signatures made with the address that was mailed, with their signers; confirmed first.
    Of forms of its mailbox that wait, only the newest `MOST_WAITING`.

    The mailbox is found by the blind index of its mails. Signatures under another key, or from
    before the provider's alias rules changed, are found through the sealed address, and that
    address decides.
    """
    petitions = list(Petition.objects.values_list("pk", flat=True))
    indexes = [
        sealing.stored_index(use, inbox, of=petition)
        for inbox in recipient.inboxes
        for use, petition in [(Use.MAIL, None), *((Use.SIGNED, pk) for pk in petitions)]
    ]
    mails = Mail.objects.filter(global_mailbox_ix__in=indexes, signature__isnull=False)
    known = find.with_signer().filter(pk__in=mails.values("signature_id"))
    mine = _signed_with(recipient, known)
    if not mine:
        return []
    # The same address under other indexes; the query sorts them as they are shown.
    others = find.of_mailbox(mine[0].person["email"])
    found = {one.signature.pk: one for one in [*_signed_with(recipient, others), *mine]}
    return list(found.values())


def _signed_with(recipient: Recipient, rows: QuerySet[Signature]) -> list[OwnSignature]:
    """Those of the rows that were signed with that very address, unsealed."""
    found = []
    waiting = rows.filter(confirmed_at=None).order_by("-created_at", "id")[:MOST_WAITING]
    for row in [*rows.filter(confirmed_at__isnull=False), *waiting]:
        try:
            person = sealing.unsealed(row.signer)
        except vault.CannotOpen:
            # Its key is gone.
            continue
        if sealing.is_recipient(recipient, person["email"]):
            found.append(OwnSignature(row, person))
    return found


def choose_name_use(
    *, recipient: Recipient, reference: str, name_use: str, news_may_name: bool = False
) -> None:
    """Change how the name may be used, narrower or wider. Raises `NoSuchSignature`.

    Whoever lets it be shown publicly has seen here what that means, whatever their form said.
    `news_may_name` is kept of those who withhold it and want news.
    """
    is_asked = news_may_name and name_use == NameUse.WITHHELD
    changes: dict[str, Any] = {
        "name_use": NameUse(name_use),
        "news_may_name": F("wants_updates") if is_asked else False,
    }
    if name_use == NameUse.PUBLIC:
        changes["consent_version"] = consent.PUBLISHING
    _update(recipient, reference, **changes)


def choose_updates(
    *, recipient: Recipient, reference: str, wants_updates: bool, news_may_name: bool = False
) -> None:
    """Subscribe to news of the petition, or unsubscribe. Raises `NoSuchSignature`.

    Who subscribes here takes back that they have unsubscribed by the link of a news.
    `news_may_name` is kept of those who withhold their name.
    """
    changes = _choice_of_news(wants_updates, news_may_name)
    petition_id = _update(recipient, reference, **changes)
    if wants_updates:
        suppression.unsuppress_news(inboxes=recipient.inboxes, petition_id=petition_id)


def choose_updates_once_confirmed(
    *,
    signature_id: UUID,
    epoch: int,
    wants_updates: bool,
    since: datetime,
    news_may_name: bool = False,
) -> None:
    """Subscribe or unsubscribe on the thank-you page, by its link alone. Raises `NoSuchSignature`.

    Only if confirmed at or after `since`: a used link that is found later must change nothing.
    Who subscribes here, too, takes back that they have unsubscribed.
    """
    signatures = Signature.objects.filter(
        pk=signature_id, link_epoch=epoch, state__in=CHANGEABLE, confirmed_at__gte=since
    )
    if not signatures.update(**_choice_of_news(wants_updates, news_may_name)):
        raise NoSuchSignature
    if wants_updates:
        with suppress(vault.CannotOpen, Signer.DoesNotExist):
            signer = Signer.objects.get(pk=signature_id)
            recipient = sealing.recipient_of(sealing.unsealed(signer)["email"])
            suppression.unsuppress_news(inboxes=recipient.inboxes, petition_id=signer.petition_id)


def _choice_of_news(wants_updates: bool, news_may_name: bool) -> dict[str, Any]:
    if not wants_updates:
        return Signature.NO_NEWS
    return {
        "wants_updates": True,
        "news_may_name": Q(name_use=NameUse.WITHHELD) if news_may_name else False,
    }


def take_back(*, signature_id: UUID, epoch: int, since: datetime) -> None:
    """Withdraw from the thank-you page, by its link alone. Raises `NoSuchSignature`.

    Only if confirmed at or after `since`: a used link that is found later must change nothing.
    """
    signatures = Signature.objects.filter(
        pk=signature_id, link_epoch=epoch, state__in=CHANGEABLE, confirmed_at__gte=since
    )
    if not signatures.exists() or not withdrawing.withdraw(signature_id=signature_id):
        raise NoSuchSignature


def correct_name(*, recipient: Recipient, reference: str, name: str) -> None:
    """Correct the spelling of the name. Raises `NoSuchSignature`, `NotASpelling`, `NameTaken`.

    A signature cannot be transferred to somebody else: only its spelling changes. Where that
    changes the blind index of the person, nobody else of the mailbox may have the new one; and
    pending attempts of the old spelling are retired, or one of them could be confirmed and
    count the same person twice.
    """
    one = own_signature(recipient=recipient, reference=reference)
    if not one.is_changeable:
        raise NoSuchSignature
    if not names.is_spelling_of(one.person["name"], name):
        raise NotASpelling
    try:
        _rename(one, name)
    except IntegrityError:
        # A unique constraint refuses: an index was recomputed meanwhile.
        raise NameTaken from None


def hold_if_suspicious(signature: Signature, person: Mapping[str, str], caught: str = "") -> None:
    """Judge what name and domain show after a change, and hold a counted signature as it would have
    been held at signing: else who has confirmed anything could change it to what the signals catch.

    `signature` is locked, `caught` the code of a moderator's rule, "" if none catches it. What was
    noticed before is not held again: a moderator may have approved it.
    """
    domain = email_addresses.domain_of(person["email"])
    seen = {str(signal) for signal in fraud_signals.of_person(person["name"], domain)}
    if not caught and seen <= set(signature.signals):
        return
    signals = sorted({*signature.signals, *seen, *filter(None, [caught])})
    judged = fraud_signals.weigh(map(fraud_signals.Signal.read, signals))
    is_held = bool(caught) or judged.verdict is not fraud_signals.Verdict.PASS
    if is_held and signature.state in lifecycle.CATCH.sources:
        held = lifecycle.targets(lifecycle.CATCH, [signature])
        lifecycle.move([signature], held, verdict=Signature.Verdict.HOLD, signals=signals)
    else:
        Signature.objects.filter(pk=signature.pk).update(signals=signals)


def withdraw(*, recipient: Recipient, reference: str) -> Withdrawn:
    """Withdraw: erase the signer and take the signature out of the count. Raises `NoSuchSignature`.

    A form that waits, which may be a stranger's in the same name, takes nothing confirmed along.

    Exports for the hand-in that were made while it counted are out of our reach; their days are
    returned, so that the signer is told.
    """
    one = own_signature(recipient=recipient, reference=reference)
    signature, copied_on = one.signature, _copied_on(one.signature)
    if not withdrawing.withdraw(signature_id=signature.pk):
        raise NoSuchSignature
    is_left = signature.confirmed_at is None and _has_confirmed(recipient, one)
    return Withdrawn(signature.state in CHANGEABLE, copied_on, is_left)


@transaction.atomic
def want_no_mail(*, recipient: Recipient) -> None:
    """Opt out of all mail: suppress the mailbox, and unsubscribe from all news."""
    ids = [one.signature.pk for one in own_signatures(recipient=recipient)]
    # Locked in id order, as everywhere, against deadlocks.
    rows = Signature.objects.filter(pk__in=ids).select_for_update().order_by("id")
    wanting = [row.pk for row in rows if row.wants_updates]
    Signature.objects.filter(pk__in=wanting).update(**Signature.NO_NEWS)
    suppression.suppress_all(inbox=recipient.inboxes[0])


def want_mail_again(*, recipient: Recipient) -> None:
    """Take the opt-out off the suppression list."""
    suppression.unsuppress_all(inboxes=recipient.inboxes)


def subject_access(*, recipient: Recipient) -> dict[str, Any]:
    """Subject access: all data stored for an address. Source: UK GDPR Articles 15 and 20.

    Blind indexes and the sealed blob are left out: they say nothing without the keys, and with
    them no more than stands here. So are fraud signals, and that a signature is held for
    moderation: bots can download, too, and a moderator tells anybody who asks.
    """
    held = own_signatures(recipient=recipient)
    objects = suppression.is_all_suppressed(recipient.inboxes)
    return {
        "signatures": [_as_data(one) for one in held],
        "only_newest_waiting": has_more_waiting(held),
        "no_mail": objects,
    }


def has_more_waiting(shown: list[OwnSignature]) -> bool:
    """Whether more forms may wait than these, which `own_signatures` found."""
    return sum(one.signature.confirmed_at is None for one in shown) >= MOST_WAITING


def own_signature(*, recipient: Recipient, reference: str) -> OwnSignature:
    """The signature of that reference, made with the address. Raises `NoSuchSignature`."""
    for one in own_signatures(recipient=recipient):
        if one.signature.reference == reference:
            return one
    raise NoSuchSignature


def _update(recipient: Recipient, reference: str, **changes: Any) -> int:
    """Change a signature; return its petition's id. Raises `NoSuchSignature`."""
    one = own_signature(recipient=recipient, reference=reference)
    changeable = Signature.objects.filter(pk=one.signature.pk, state__in=CHANGEABLE)
    if not changeable.update(**changes):
        raise NoSuchSignature
    return one.signature.petition_id


@transaction.atomic
def _rename(one: OwnSignature, name: str) -> None:
    """Store the new name, under the locks that confirming and withdrawing take, in their order."""
    attempts = withdrawing.lock_attempts_of(one.signature.signer)
    signature = next((row for row in attempts if row.pk == one.signature.pk), None)
    if signature is None or signature.state not in CHANGEABLE:
        raise NoSuchSignature
    signer = Signer.objects.select_for_update().get(pk=signature.pk)
    person = {**sealing.unsealed(signer), "name": name}
    if names.folded(name) != names.folded(one.person["name"]):
        # Under each key, the current one first.
        after = [
            sealing.indexes_of(signature.petition_id, person, key_id=key_id)
            for key_id in settings.INDEX_KEYS
        ]
        _need_free(signer, after)
        disowning.retire([row.pk for row in attempts if row.state == State.PENDING])
        signer.person_ix = after[0].person
        signer.name_ix = sealing.search_indexes(signature.petition_id, signature.pk, person).name
    signer.sealed = sealing.seal_again(person, signature.pk)
    signer.save(update_fields=["sealed", "person_ix", "name_ix"])
    hold_if_suspicious(signature, person)


def _need_free(signer: Signer, after: list[Indexes]) -> None:
    """Raise `NameTaken` if somebody else of the mailbox has the person index of the new name."""
    others = Signer.objects.filter(
        Q(slot__isnull=False) | Q(signature__confirmed_at__isnull=False),
        petition_id=signer.petition_id,
        petition_mailbox_ix__in=sealing.mailboxes(sealing.known_as(signer)),
        person_ix__in=sealing.persons(after),
    )
    if others.exclude(pk=signer.pk).exists():
        raise NameTaken


def _has_confirmed(recipient: Recipient, one: OwnSignature) -> bool:
    """Whether the same person has confirmed a signature of the same petition."""
    name = names.folded(one.person["name"])
    return any(
        other.signature.petition_id == one.signature.petition_id
        and other.signature.confirmed_at is not None
        and names.folded(other.person["name"]) == name
        for other in own_signatures(recipient=recipient)
    )


def _copied_on(signature: Signature) -> list[date]:
    """The days of the exports that may contain the signature."""
    if signature.confirmed_at is None:
        return []
    made = Export.objects.with_signatures_of(signature.petition_id, since=signature.confirmed_at)
    moments = made.values_list("started_at", flat=True)
    return sorted({timezone.localdate(moment) for moment in moments})


def _as_data(one: OwnSignature) -> dict[str, Any]:
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
        "news_may_name": signature.news_may_name,
        "text_version": signature.text_version,
        "consent_version": signature.consent_version,
        "source": signature.source.code if signature.source else None,
        "signed": signature.created_at.isoformat(),
        "confirmed": confirmed.isoformat() if confirmed else None,
        "mails": [_mail_as_data(mail) for mail in signature.mails.order_by("created_at", "id")],
    }


def _mail_as_data(mail: Mail) -> dict[str, str]:
    """A mail about a signature, with its outcome unless it has the code for another address.

    Anybody can have that one sent to anybody's: what became of it would tell that the mailbox wants
    no mail or takes none, or that somebody else has just asked for mail to it.
    """
    outcome = {} if mail.kind == Mail.Kind.ADDRESS else {"state": mail.state}
    return {"kind": mail.kind, **outcome, "asked_for": mail.created_at.isoformat()}
