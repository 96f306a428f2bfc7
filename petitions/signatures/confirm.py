"""Confirmation: count a pending signature once, under the advisory lock of its mailbox.

Six rules decide. Each is a function or a fragment of SQL:

- Household rule: a mailbox counts once, or twice for two people of one home.
- Nobody is added unasked, because anybody can type anybody's address under any name. If several
  people's forms are pending for one address, or another person has already signed with it, the
  owner is asked who they are. The chosen form is confirmed and the others are retired.
- The narrowest use of a name wins among all forms of the mailbox, until the owner widens it in
  "find my signature". Likewise, one form can keep the petition's name out of the news' subject.
- Contradicting presses cancel each other: if "not me" was pressed before, confirming only undoes
  that and asks which of the two was meant (`disown`).
- A clean twin releases a held signature: if any form of the same person passed screening, the
  signature is counted, under the name spelt as in that form.
- A moderator's rule or switch holds a signature that was signed before it was set.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from petitions.crypto import vault
from petitions.crypto.tokens import Link, Mailbox
from petitions.identity import email_addresses
from petitions.infra.locks import StateChanged
from petitions.models import Signature, Signer
from petitions.publishing import warm_cache
from petitions.screening import rules
from petitions.screening.screen import HELD_PETITION
from petitions.signatures import disown as disowning
from petitions.signatures import lifecycle, signing_sql
from petitions.signers import sealing
from petitions.signers.sealing import Indexes, mailboxes, persons

SLOTS = (1, 2)
State = Signature.State


class Outcome(Enum):
    """Outcome of pressing the confirm button. Every value but `GONE` gets a friendly page."""

    CONFIRMED = "confirmed"
    CHOOSE = "choose"  # nothing has changed: the owner must choose a person
    CONTRADICTED = "contradicted"  # an earlier "not me" is undone: the owner must choose
    ALREADY = "already"  # idempotent: the same person has already confirmed
    OTHER_HOME = "other-home"  # somebody from another postcode has signed with this mailbox
    MAILBOX_FULL = "mailbox-full"  # two people have signed with this mailbox
    REMOVED = "removed"
    CLOSED = "closed"
    GONE = "gone"


class Person(NamedTuple):
    """A signer as shown to the owner of the mailbox. `link` confirms the signer's form."""

    name: str
    link: Link


class ConfirmResult(NamedTuple):
    """Result of pressing the confirm button.

    `people` holds the person who was added or, for CHOOSE, the people to choose from.
    `is_narrowed`: another form of the mailbox restricted the use of the name. `not_me` is the
    payload of the mail's "not me" link, set for CONTRADICTED. `joins`: others have signed with the
    mailbox.
    """

    outcome: Outcome
    signature: Signature | None = None
    people: tuple[Person, ...] = ()
    is_narrowed: bool = False
    not_me: Mailbox | None = None
    joins: bool = False


class UnsealedSigner(NamedTuple):
    """The confirming signer, unsealed once. `known` holds every blind index they may have."""

    sealed: bytes
    person: dict[str, str]
    address: str
    known: list[Indexes]


@dataclass(frozen=True, slots=True)
class LockedMailbox:
    """What a press of the button finds under the lock of the mailbox.

    `signature` is the form whose button was pressed, and `signer` its signer. `forms` are all forms
    of the mailbox, that one first; `confirmed` are those that are confirmed. `waiting` are other
    people's pending forms for the same address.
    """

    signature: Signature
    signer: UnsealedSigner
    forms: list[Signature]
    confirmed: list[Signature]
    waiting: list[Signature]


class SlotDecision(NamedTuple):
    """Decision at confirmation: outcome, slot to take, or the person's confirmed signature."""

    outcome: Outcome
    slot: int = 0
    existing: Signature | None = None


def find(signature_id: UUID, epoch: int) -> Signature | None:
    """Return the signature of a mailed link with signer and petition, or None if it is invalid."""
    rows = Signature.objects.uncorrected().select_related("signer", "petition")
    signature = rows.filter(pk=signature_id, signer__isnull=False).first()
    return signature if signature and _is_live(signature, epoch) else None


def confirm(*, signature_id: UUID, epoch: int, is_chosen: bool = False) -> ConfirmResult:
    """Count a pending signature. Idempotent.

    `is_chosen`: the owner has chosen this person. Without it the outcome may be `Outcome.CHOOSE`,
    and nothing has changed.
    A suspicious signature is held: it takes its slot but is not counted until a moderator approves
    it. The result is the same, so that bots learn nothing from it.
    If a moderator decides about it or its indexes are recomputed meanwhile, it is judged again.
    Raises `StateChanged` only if that happens twice in a row.
    """
    try:
        result = _confirm(signature_id, epoch, is_chosen)
    except StateChanged:
        result = _confirm(signature_id, epoch, is_chosen)
    signature = result.signature
    if result.outcome is Outcome.CONFIRMED and signature and signature.state == State.CONFIRMED:
        warm_cache.one_more(signature.petition_id)
    return result


@transaction.atomic
def _confirm(signature_id: UUID, epoch: int, is_chosen: bool) -> ConfirmResult:
    signer = _unseal(signature_id)
    if signer is None:
        return ConfirmResult(Outcome.GONE)
    found = signing_sql.read_under_lock(
        signature_id, others=mailboxes(signer.known), oldest=_oldest()
    )
    signature = found.pop(signature_id, None)
    if signature is None or not _is_live(signature, epoch):
        return ConfirmResult(Outcome.GONE)
    if bytes(signature.signer.sealed) != signer.sealed:
        raise StateChanged
    if result := _unconfirmable(signature, signer):
        return result
    forms = [signature, *found.values()]
    confirmed = [form for form in forms if form.confirmed_at]
    waiting = _others_waiting(signature, found.values(), signer)
    return _decide(LockedMailbox(signature, signer, forms, confirmed, waiting), is_chosen)


def _unconfirmable(signature: Signature, signer: UnsealedSigner) -> ConfirmResult | None:
    """Return the result if the petition is closed or "not me" was pressed before, else None."""
    if signature.state == State.PENDING and not _may_count(signature):
        return ConfirmResult(Outcome.CLOSED, signature)
    if signature.disowned_at is None:
        return None
    disowning.contradict(signature, signer.address)
    not_me = sealing.mailbox_of(signature, signer.address)
    return ConfirmResult(Outcome.CONTRADICTED, signature, not_me=not_me)


def _decide(mailbox: LockedMailbox, is_chosen: bool) -> ConfirmResult:
    """Judge the signature against the others of its mailbox, then ask the owner or carry it out."""
    signature, confirmed, waiting = mailbox.signature, mailbox.confirmed, mailbox.waiting
    slot_decision = _judge(signature, confirmed, mailbox.signer.known)
    # If the row limit cut off forms, another person's may be among them: 20 aliases could hide it.
    is_cut = signature.confirmed_at is None and len(mailbox.forms) >= signing_sql.MAX_ROWS
    if waiting or is_cut or (slot_decision.outcome is Outcome.CONFIRMED and confirmed):
        if not is_chosen:
            people = _people([signature, *waiting])
            return ConfirmResult(Outcome.CHOOSE, signature, people, joins=bool(confirmed))
        _lock([signature, *waiting, *confirmed])
    return _carry_out(slot_decision, mailbox)


def _carry_out(slot_decision: SlotDecision, mailbox: LockedMailbox) -> ConfirmResult:
    """Write the decision, and retire the pending forms of people who were not chosen."""
    signature, signer = mailbox.signature, mailbox.signer
    asked_for, caught_by = signature.name_use, _caught_by(signature, signer.address)
    person = signer.person
    if slot_decision.outcome is Outcome.CONFIRMED:
        twin = None if caught_by else _clean_twin(signature, mailbox)
        person = twin or person
        signing_sql.write(
            signature,
            person=signer.person,
            known=signer.known,
            slot=slot_decision.slot,
            may_count=not caught_by,
            caught_by=caught_by,
            twin=twin,
        )
        _narrow(mailbox.confirmed, signature, signer.address)
    elif slot_decision.existing:
        may_count = _may_count(signature) and not caught_by
        twin = _clean_twin(slot_decision.existing, mailbox)
        _merge_choices(slot_decision.existing, signer, may_count=may_count, twin=twin)
    if mailbox.waiting and slot_decision.outcome in {Outcome.CONFIRMED, Outcome.ALREADY}:
        disowning.retire(_lock(mailbox.waiting, state=State.PENDING))
    signature = slot_decision.existing or signature
    added = Person(person["name"], Link(signature.pk, signature.link_epoch))
    is_narrowed = slot_decision.outcome is Outcome.CONFIRMED and signature.name_use != asked_for
    return ConfirmResult(slot_decision.outcome, signature, (added,), is_narrowed)


def _may_count(signature: Signature) -> bool:
    return signature.petition.is_confirming(signature.created_at, timezone.now())


def _caught_by(signature: Signature, address: str) -> str:
    """Return the code of the moderator's rule or switch that holds a signature, or ""."""
    by_rule = rules.in_force().catches(address, signature.signer.network_ix, signature.created_at)
    return by_rule or (HELD_PETITION if signature.petition.is_holding else "")


def _lock(signatures: Iterable[Signature], **conditions: str) -> list[UUID]:
    """Lock the signatures that meet the conditions, in id order to avoid deadlocks."""
    ids = [one.pk for one in signatures]
    if not ids:
        return []
    rows = Signature.objects.filter(pk__in=ids, **conditions).select_for_update().order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _others_waiting(
    signature: Signature, others: Iterable[Signature], signer: UnsealedSigner
) -> list[Signature]:
    """Return other people's pending forms for the same address; none if this one is confirmed.

    Other spellings of the mailbox are left out: nobody has proved that they read them.
    """
    if signature.confirmed_at:
        return []
    mine = persons(signer.known)
    return [
        row
        for row in others
        if row.state == State.PENDING
        and bytes(row.signer.person_ix) not in mine
        and sealing.address_of(row.signer) == signer.address
    ]


def _people(signatures: Iterable[Signature]) -> tuple[Person, ...]:
    """Return the people of these forms, each once, with the links that confirm them."""
    found: dict[bytes, Person] = {}
    for one in signatures:
        with suppress(vault.CannotOpen):
            name = sealing.unsealed(one.signer)["name"]
            person = Person(name, Link(one.pk, one.link_epoch))
            found.setdefault(bytes(one.signer.person_ix), person)
    return tuple(found.values())


def _narrow(confirmed: list[Signature], joining: Signature, address: str) -> None:
    """Narrow the use of name and news of earlier signers with the same address to the new signer's.

    They may be one person: changing one letter of a name makes another person here.
    """
    name_use, may_name = joining.name_use, joining.news_may_name
    ids = [
        one.pk
        for one in confirmed
        if (one.name_use != name_use or one.news_may_name > may_name)
        and sealing.address_of(one.signer) == address
    ]
    if ids:
        Signature.objects.filter(pk__in=ids).update(
            name_use=name_use, news_may_name=F("wants_updates") if may_name else False
        )


def _unseal(signature_id: UUID) -> UnsealedSigner | None:
    """Read and unseal the signer, before the mailbox is locked: the lock needs the address.

    Return None if the signer is gone or cannot be unsealed: a signature that cannot be compared
    with others must not count.
    """
    row = signing_sql.read_signer(signature_id)
    if row is None:
        return None
    try:
        person = sealing.unsealed(row)
    except vault.CannotOpen:
        return None
    address = email_addresses.folded(person["email"])
    known = sealing.known_by(row, person)
    return UnsealedSigner(bytes(row.sealed), person, address, known)


def _is_live(signature: Signature, epoch: int) -> bool:
    """Return whether a link with this epoch is still valid for this signature.

    Links expire after `PENDING_DAYS`, also if confirmed: a mail found later must not show that.
    """
    return (
        signature.link_epoch == epoch
        and signature.created_at > _oldest()
        and signature.state not in lifecycle.ENDED
    )


def _oldest() -> datetime:
    return timezone.now() - timedelta(days=settings.PENDING_DAYS)


def _judge(signature: Signature, confirmed: list[Signature], known: list[Indexes]) -> SlotDecision:
    """Deduplicate: judge the signature against the confirmed ones of its mailbox."""
    mine = persons(known)
    for row in confirmed:
        if bytes(row.signer.person_ix) in mine:
            removed = row.state == State.REMOVED
            return SlotDecision(Outcome.REMOVED if removed else Outcome.ALREADY, existing=row)
    if signature.state == State.REMOVED:
        return SlotDecision(Outcome.REMOVED)
    others = [row.signer for row in confirmed if row.signer.slot or row.state == State.CONFIRMED]
    return household_rule(others, {index.home for index in known})


def household_rule(others: list[Signer], homes: set[bytes]) -> SlotDecision:
    """Allow a second person of the same home to share the mailbox, in the free slot."""
    if len(others) >= len(SLOTS):
        return SlotDecision(Outcome.MAILBOX_FULL)
    if others and bytes(others[0].home_ix) not in homes:
        return SlotDecision(Outcome.OTHER_HOME)
    taken = {row.slot for row in others}
    return SlotDecision(Outcome.CONFIRMED, slot=next(slot for slot in SLOTS if slot not in taken))


def _clean_twin(held: Signature, mailbox: LockedMailbox) -> dict[str, str] | None:
    """Return the held signer's data with the name from their newest form that passed screening.

    Return None if there is none. Names that differ only by signs, accents or case are one person
    here, but not to a reader, and a stranger may have typed the held one.
    """
    if held.verdict != Signature.Verdict.HOLD:
        return None
    mine = persons(mailbox.signer.known)
    twins = [
        form
        for form in mailbox.forms
        if form.pk != held.pk
        and form.state == State.PENDING
        and form.verdict == Signature.Verdict.PASS
        and bytes(form.signer.person_ix) in mine
        and sealing.address_of(form.signer) == mailbox.signer.address
    ]
    with suppress(vault.CannotOpen):
        if twins:
            newest = max(twins, key=lambda form: form.created_at)
            name = sealing.unsealed(newest.signer)["name"]
            return {**sealing.unsealed(held.signer), "name": name}
    return None


def _merge_choices(
    confirmed: Signature, signer: UnsealedSigner, *, may_count: bool, twin: dict[str, str] | None
) -> None:
    """Merge the choices of a repeated signing into the confirmed signature.

    A clean twin releases it if it was held, but it counts only if it has a slot.
    """
    before, slot = confirmed.state, confirmed.signer.slot
    signing_sql.write(
        confirmed,
        person=signer.person,
        known=signer.known,
        slot=slot,
        may_count=may_count and slot is not None,
        twin=twin,
    )
    if confirmed.state != before:
        transaction.on_commit(partial(warm_cache.one_more, confirmed.petition_id))
