"""Self-service behind a mailed link: view, change, download and withdraw one's signatures.

The link proves only that its holder reads that address. So it covers all stored signatures of
that address, over all petitions, open or closed. A shared address shows each person. Other
spellings of the mailbox may belong to other people, and have their own links: see `find`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from petitions.crypto import vault
from petitions.crypto.tokens import Link, Recipient
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
# A pending signature has its own link. A removed one can only be withdrawn.
CHANGEABLE = (State.CONFIRMED, State.HELD)
# Most pending signatures of a mailbox that are shown. Anybody can send hundreds a day, and they
# must not keep its owner from seeing and withdrawing the confirmed ones.
MAX_WAITING_SHOWN = 20
# How long a used link still shows its thank-you page, which allows for a second click.
SHOWN_AGAIN_FOR = timedelta(minutes=10)


class NoSuchSignature(Exception):
    """The address has no such signature any more, or its state does not allow the change."""


class NotASpelling(Exception):
    """The new name is no spelling of the old one. Trying again with another spelling helps."""


class NameTaken(Exception):
    """Somebody of that name has signed the same petition with this mailbox."""


@dataclass(frozen=True, slots=True)
class OwnSignature:
    """One signature and its unsealed signer."""

    signature: Signature
    person: dict[str, str]

    @property
    def is_changeable(self) -> bool:
        """Return whether the name, its use and the news can be changed."""
        return self.signature.state in CHANGEABLE


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Result of a withdrawal.

    `stood`: the signature was confirmed or held. `copied_on` lists the days of earlier exports.
    `is_confirmed_elsewhere`: it was pending, and the person's confirmed signature remains.
    """

    stood: bool
    copied_on: list[date]
    is_confirmed_elsewhere: bool


def own_signatures(*, recipient: Recipient) -> list[OwnSignature]:
    """Return all signatures made with the mailed address, with their signers, confirmed ones first.

    Of its mailbox's pending signatures, only the newest `MAX_WAITING_SHOWN` are read. The mailbox
    is found by the blind index of its mails. The unsealed address then decides, and also finds
    signatures under another key or from before the provider's alias rules changed.
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
    # The same address under other indexes, in the order in which they are shown.
    others = find.of_mailbox(mine[0].person["email"])
    found = {one.signature.pk: one for one in [*_signed_with(recipient, others), *mine]}
    return list(found.values())


def _signed_with(recipient: Recipient, rows: QuerySet[Signature]) -> list[OwnSignature]:
    """Return the unsealed signatures among the rows that were made with the same address."""
    found = []
    waiting = rows.filter(confirmed_at=None).order_by("-created_at", "id")[:MAX_WAITING_SHOWN]
    for row in [*rows.filter(confirmed_at__isnull=False), *waiting]:
        try:
            person = sealing.unsealed(row.signer)
        except vault.CannotOpen:
            continue
        if sealing.is_recipient(recipient, person["email"]):
            found.append(OwnSignature(row, person))
    return found


def choose_name_use(
    *, recipient: Recipient, reference: str, name_use: str, news_may_name: bool = False
) -> None:
    """Narrow or widen the use of the name. Raises `NoSuchSignature`.

    Choosing public use stores the current consent version, because this page explains it.
    `news_may_name` is stored only if the name is withheld and news are wanted.
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

    Subscribing undoes an earlier unsubscription by the link of a news mail.
    `news_may_name` is stored only if the name is withheld.
    """
    changes = _choice_of_news(wants_updates, news_may_name)
    petition_id = _update(recipient, reference, **changes)
    if wants_updates:
        suppression.unsuppress_news(inboxes=recipient.inboxes, petition_id=petition_id)


def choose_updates_once_confirmed(
    *, link: Link, wants_updates: bool, news_may_name: bool = False
) -> None:
    """Subscribe or unsubscribe on the thank-you page, by its link alone. Raises `NoSuchSignature`.

    Subscribing undoes an earlier unsubscription, as in `choose_updates`.
    """
    if not _just_confirmed(link).update(**_choice_of_news(wants_updates, news_may_name)):
        raise NoSuchSignature
    if wants_updates:
        with suppress(vault.CannotOpen, Signer.DoesNotExist):
            signer = Signer.objects.get(pk=link.signature_id)
            recipient = sealing.recipient_of(sealing.unsealed(signer)["email"])
            suppression.unsuppress_news(inboxes=recipient.inboxes, petition_id=signer.petition_id)


def _choice_of_news(wants_updates: bool, news_may_name: bool) -> dict[str, Any]:
    if not wants_updates:
        return Signature.NO_NEWS
    return {
        "wants_updates": True,
        "news_may_name": Q(name_use=NameUse.WITHHELD) if news_may_name else False,
    }


def take_back(*, link: Link) -> None:
    """Withdraw from the thank-you page, by its link alone. Raises `NoSuchSignature`."""
    if not _just_confirmed(link).exists():
        raise NoSuchSignature
    if not withdrawing.withdraw(signature_id=link.signature_id):
        raise NoSuchSignature


def _just_confirmed(link: Link) -> QuerySet[Signature]:
    """Return the link's signature if it was confirmed within `SHOWN_AGAIN_FOR`.

    A used link that is found later must change nothing.
    """
    return Signature.objects.filter(
        pk=link.signature_id,
        link_epoch=link.epoch,
        state__in=CHANGEABLE,
        confirmed_at__gte=timezone.now() - SHOWN_AGAIN_FOR,
    )


def correct_name(*, recipient: Recipient, reference: str, name: str) -> None:
    """Correct the spelling of the name. Raises `NoSuchSignature`, `NotASpelling`, `NameTaken`.

    Only the spelling can change: a signature cannot be transferred to somebody else. If the
    person's blind index changes, nobody else of the mailbox may have the new one. Pending attempts
    of the old spelling are retired, because confirming one would count the same person twice.
    """
    one = own_signature(recipient=recipient, reference=reference)
    if not one.is_changeable:
        raise NoSuchSignature
    if not names.is_spelling_of(one.person["name"], name):
        raise NotASpelling
    try:
        _rename(one, name)
    except IntegrityError:
        # Unique violation: an index was recomputed meanwhile.
        raise NameTaken from None


def hold_if_suspicious(
    signature: Signature, person: Mapping[str, str], caught_by: str = ""
) -> None:
    """Hold a counted signature whose changed name or domain would have been held at signing.

    Otherwise a confirmed signature could be changed to what the fraud signals catch. `signature` is
    locked. `caught_by` is the code of the moderator's rule that catches it, or "". Earlier signals
    do not hold it again, because a moderator may have approved them.
    """
    domain = email_addresses.domain_of(person["email"])
    seen = {str(signal) for signal in fraud_signals.of_person(person["name"], domain)}
    if not caught_by and seen <= set(signature.signals):
        return
    signals = sorted({*signature.signals, *seen, *filter(None, [caught_by])})
    judged = fraud_signals.weigh(map(fraud_signals.Signal.read, signals))
    is_held = bool(caught_by) or judged.verdict is not fraud_signals.Verdict.PASS
    if is_held and signature.state in lifecycle.CATCH.sources:
        held = lifecycle.targets(lifecycle.CATCH, [signature])
        lifecycle.move([signature], held, verdict=Signature.Verdict.HOLD, signals=signals)
    else:
        Signature.objects.filter(pk=signature.pk).update(signals=signals)


def withdraw(*, recipient: Recipient, reference: str) -> Withdrawn:
    """Erase the signer and take the signature out of the count. Raises `NoSuchSignature`.

    Withdrawing a pending signature leaves confirmed ones: a stranger may have sent it. Earlier
    exports are out of our reach, so their days are returned for the signer to see.
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
    # Locked in id order, as everywhere, to avoid deadlocks.
    rows = Signature.objects.filter(pk__in=ids).select_for_update().order_by("id")
    wanting = [row.pk for row in rows if row.wants_updates]
    Signature.objects.filter(pk__in=wanting).update(**Signature.NO_NEWS)
    suppression.suppress_all(inbox=recipient.inboxes[0])


def subject_access(*, recipient: Recipient) -> dict[str, Any]:
    """Return all data stored for an address. Source: UK GDPR Articles 15 and 20 (subject access).

    Blind indexes and sealed data are left out, because they hold nothing that is not listed here.
    Fraud signals and the held state are left out, because bots can download too. A moderator tells
    people who ask.
    """
    held = own_signatures(recipient=recipient)
    objects = suppression.is_all_suppressed(recipient.inboxes)
    return {
        "signatures": [_as_data(one) for one in held],
        "only_newest_waiting": has_more_waiting(held),
        "no_mail": objects,
    }


def has_more_waiting(shown: list[OwnSignature]) -> bool:
    """Return whether there may be more pending signatures than `own_signatures` returned."""
    return sum(one.signature.confirmed_at is None for one in shown) >= MAX_WAITING_SHOWN


def own_signature(*, recipient: Recipient, reference: str) -> OwnSignature:
    """Return the address's signature with this reference. Raises `NoSuchSignature`."""
    for one in own_signatures(recipient=recipient):
        if one.signature.reference == reference:
            return one
    raise NoSuchSignature


def _update(recipient: Recipient, reference: str, **changes: Any) -> int:
    """Update a signature, and return its petition's id. Raises `NoSuchSignature`."""
    one = own_signature(recipient=recipient, reference=reference)
    changeable = Signature.objects.filter(pk=one.signature.pk, state__in=CHANGEABLE)
    if not changeable.update(**changes):
        raise NoSuchSignature
    return one.signature.petition_id


@transaction.atomic
def _rename(one: OwnSignature, name: str) -> None:
    """Store the new name, under the locks of confirming and withdrawing, in the same order."""
    attempts = withdrawing.lock_attempts_of(one.signature.signer)
    signature = next((row for row in attempts if row.pk == one.signature.pk), None)
    if signature is None or signature.state not in CHANGEABLE:
        raise NoSuchSignature
    signer = Signer.objects.select_for_update().get(pk=signature.pk)
    person = {**sealing.unsealed(signer), "name": name}
    if names.folded(name) != names.folded(one.person["name"]):
        # For each key, the current one first.
        after = [
            sealing.indexes_of(signature.petition_id, person, key_id=key_id)
            for key_id in settings.INDEX_KEYS
        ]
        _need_free(signer, after)
        disowning.retire([row.pk for row in attempts if row.state == State.PENDING])
        signer.person_ix = after[0].person
        signer.name_ix = sealing.search_indexes(signature.petition_id, signature.pk, person).name
    signer.sealed = sealing.seal(person, signature.pk)
    signer.save(update_fields=["sealed", "person_ix", "name_ix"])
    hold_if_suspicious(signature, person)


def _need_free(signer: Signer, after: list[Indexes]) -> None:
    """Raise `NameTaken` if another signer of the mailbox has the person index of the new name."""
    others = Signer.objects.filter(
        Q(slot__isnull=False) | Q(signature__confirmed_at__isnull=False),
        petition_id=signer.petition_id,
        petition_mailbox_ix__in=sealing.mailboxes(sealing.known_as(signer)),
        person_ix__in=sealing.persons(after),
    )
    if others.exclude(pk=signer.pk).exists():
        raise NameTaken


def _has_confirmed(recipient: Recipient, one: OwnSignature) -> bool:
    """Return whether the same person has confirmed a signature of the same petition."""
    name = names.folded(one.person["name"])
    return any(
        other.signature.petition_id == one.signature.petition_id
        and other.signature.confirmed_at is not None
        and names.folded(other.person["name"]) == name
        for other in own_signatures(recipient=recipient)
    )


def _copied_on(signature: Signature) -> list[date]:
    """Return the days of the exports that may contain the signature."""
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
    """Return a mail about a signature, without its state if it is the code for a new address.

    That mail can be sent to any address. Its state would reveal whether that mailbox opted out,
    rejects mail, or has just got mail that somebody else requested.
    """
    outcome = {} if mail.kind == Mail.Kind.ADDRESS else {"state": mail.state}
    return {"kind": mail.kind, **outcome, "asked_for": mail.created_at.isoformat()}
