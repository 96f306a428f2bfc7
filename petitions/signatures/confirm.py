"""Confirmation: a pending signature is counted, once, under the advisory lock of its mailbox.

Six rules decide, each in a function or a fragment of SQL of its name:

- the household rule: a mailbox counts once, or twice for two people of one home;
- nobody is added unasked: anybody can type anybody's address under any name. Where forms of several
  people wait for one address, or one more person would join those who have signed, the press asks
  which of them it is; who is chosen is confirmed, and the forms of the others are retired;
- the narrowest use of a name wins: of all forms of the mailbox, whichever link is pressed, until
  the owner widens it in "find my signature"; and so does a subject of news that names nothing;
- of two presses that contradict each other neither stands: where "not me" was pressed before, the
  press undoes that alone, and asks which of the two was meant (`disown`);
- a clean twin releases a held one: where a form of the same person passed screening, none of
  theirs is held, and it is the name of that form, in its spelling, that counts;
- what a moderator's rule or switch catches is held, though it was signed before that.
"""

from collections.abc import Iterable
from contextlib import suppress
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
    """Result of pressing the button. Every value but `GONE` gets a friendly page."""

    CONFIRMED = "confirmed"
    CHOOSE = "choose"  # nothing has changed: which of these people is it?
    CONTRADICTED = "contradicted"  # "not me" was pressed before, and is undone: which was meant?
    ALREADY = "already"  # idempotent: the same person's signature already stands
    OTHER_HOME = "other-home"  # somebody from another postcode signed with this mailbox
    MAILBOX_FULL = "mailbox-full"  # two people have signed with this mailbox
    REMOVED = "removed"
    CLOSED = "closed"
    GONE = "gone"


class Person(NamedTuple):
    """A signer as the owner of the mailbox is asked about them; `link` confirms their form."""

    name: str
    link: Link


class Pressed(NamedTuple):
    """What became of a press: `people` are the person who was added, or those to choose from.

    `is_narrowed`: another form of the mailbox allows less to be done with the name. `not_me` is
    what the other link of the mail says, where the press contradicts it. `joins`: others have
    signed with the mailbox.
    """

    outcome: Outcome
    signature: Signature | None = None
    people: tuple[Person, ...] = ()
    is_narrowed: bool = False
    not_me: Mailbox | None = None
    joins: bool = False


class Opened(NamedTuple):
    """A signer who confirms, unsealed once for all that a press asks of them; `known` are all blind
    indexes that they may be found by.
    """

    sealed: bytes
    person: dict[str, str]
    address: str
    known: list[Indexes]


class Verdict(NamedTuple):
    """Decision at confirmation: outcome, slot to take, and the signature that stands instead."""

    outcome: Outcome
    slot: int = 0
    standing: Signature | None = None


def find(signature_id: UUID, epoch: int) -> Signature | None:
    """The signature that a mailed link names, with its signer and petition; None if invalid."""
    rows = Signature.objects.uncorrected().select_related("signer", "petition")
    signature = rows.filter(pk=signature_id, signer__isnull=False).first()
    return signature if signature and _is_live(signature, epoch) else None


def confirm(*, signature_id: UUID, epoch: int, is_chosen: bool = False) -> Pressed:
    """Count a pending signature; idempotent, however often the button is pressed.

    `is_chosen`: its owner has seen whose it is, and that it is the one they want; without it the
    answer may be `Outcome.CHOOSE`, and nothing has changed.
    One that looks suspicious is held instead: it takes its slot, and counts once a moderator has
    approved it. The answer is the same, so that bots learn nothing from it.
    If a moderator decides about it, or its indexes are recomputed, at the same moment, it is judged
    again as it stands. Raises `StateChanged` only if that happens twice running.
    """
    try:
        pressed = _confirm(signature_id, epoch, is_chosen)
    except StateChanged:
        pressed = _confirm(signature_id, epoch, is_chosen)
    signature = pressed.signature
    if pressed.outcome is Outcome.CONFIRMED and signature and signature.state == State.CONFIRMED:
        warm_cache.one_more(signature.petition_id)
    return pressed


@transaction.atomic
def _confirm(signature_id: UUID, epoch: int, is_chosen: bool) -> Pressed:
    me = _open(signature_id)
    if me is None:
        return Pressed(Outcome.GONE)
    mailbox = signing_sql.read_under_lock(
        signature_id, others=mailboxes(me.known), oldest=_oldest()
    )
    signature = mailbox.pop(signature_id, None)
    if signature is None or not _is_live(signature, epoch):
        return Pressed(Outcome.GONE)
    if bytes(signature.signer.sealed) != me.sealed:
        raise StateChanged
    return _unconfirmable(signature, me) or _decide(signature, [*mailbox.values()], me, is_chosen)


def _unconfirmable(signature: Signature, me: Opened) -> Pressed | None:
    """The answer where the petition is closed, or "not me" was pressed before; None elsewhere."""
    if signature.state == State.PENDING and not _may_count(signature):
        return Pressed(Outcome.CLOSED, signature)
    if signature.disowned_at is None:
        return None
    disowning.contradict(signature, me.address)
    not_me = sealing.mailbox_of(signature, me.address)
    return Pressed(Outcome.CONTRADICTED, signature, not_me=not_me)


def _decide(signature: Signature, mailbox: list[Signature], me: Opened, is_chosen: bool) -> Pressed:
    """Judge the signature beside the others of its mailbox, and ask or carry it out."""
    standing = [row for row in (signature, *mailbox) if row.confirmed_at]
    waiting = _others_waiting(signature, mailbox, me)
    verdict = _judge(signature, standing, me.known)
    # Where not all forms were read, another person's may wait: twenty aliases would hide it.
    is_cut = signature.confirmed_at is None and len(mailbox) + 1 >= signing_sql.MOST_ROWS
    if waiting or is_cut or (verdict.outcome is Outcome.CONFIRMED and standing):
        if not is_chosen:
            people = _people([signature, *waiting])
            return Pressed(Outcome.CHOOSE, signature, people, joins=bool(standing))
        _lock([signature, *waiting, *standing])
    return _carry_out(verdict, signature, standing, waiting, [signature, *mailbox], me)


def _carry_out(
    verdict: Verdict,
    signature: Signature,
    standing: list[Signature],
    waiting: list[Signature],
    forms: list[Signature],
    me: Opened,
) -> Pressed:
    """Write what was decided, and retire the forms of those who were not chosen."""
    asked_for, caught = signature.name_use, _caught(signature, me.address)
    person = me.person
    if verdict.outcome is Outcome.CONFIRMED:
        twin = None if caught else _clean_twin(signature, forms, me)
        person = twin or person
        signing_sql.write(
            signature,
            person=me.person,
            known=me.known,
            slot=verdict.slot,
            may_count=not caught,
            caught=caught,
            twin=twin,
        )
        _narrow(standing, signature, me.address)
    elif verdict.standing:
        may_count = _may_count(signature) and not caught
        twin = _clean_twin(verdict.standing, forms, me)
        _merge_choices(verdict.standing, me, may_count=may_count, twin=twin)
    if waiting and verdict.outcome in {Outcome.CONFIRMED, Outcome.ALREADY}:
        disowning.retire(_lock(waiting, state=State.PENDING))
    signature = verdict.standing or signature
    added = Person(person["name"], Link(signature.pk, signature.link_epoch))
    is_narrowed = verdict.outcome is Outcome.CONFIRMED and signature.name_use != asked_for
    return Pressed(verdict.outcome, signature, (added,), is_narrowed)


def _may_count(signature: Signature) -> bool:
    return signature.petition.is_confirming(signature.created_at, timezone.now())


def _caught(signature: Signature, address: str) -> str:
    """The code of the rule or switch of a moderator that holds a signature, "" if none does."""
    by_rule = rules.in_force().catches(address, signature.signer.network_ix, signature.created_at)
    return by_rule or (HELD_PETITION if signature.petition.is_holding else "")


def _lock(signatures: Iterable[Signature], **conditions: str) -> list[UUID]:
    """SELECT FOR UPDATE those that meet the conditions, in id order against deadlocks."""
    ids = [one.pk for one in signatures]
    if not ids:
        return []
    rows = Signature.objects.filter(pk__in=ids, **conditions).select_for_update().order_by("pk")
    return list(rows.values_list("pk", flat=True))


def _others_waiting(
    signature: Signature, mailbox: Iterable[Signature], me: Opened
) -> list[Signature]:
    """Pending forms of other people for the very same address; none if this is confirmed.

    Other spellings of the mailbox are left out: nobody has proved to read them.
    """
    if signature.confirmed_at:
        return []
    mine = persons(me.known)
    return [
        row
        for row in mailbox
        if row.state == State.PENDING
        and bytes(row.signer.person_ix) not in mine
        and sealing.address_of(row.signer) == me.address
    ]


def _people(signatures: Iterable[Signature]) -> tuple[Person, ...]:
    """The people of these forms, each once, with the links that confirm them."""
    found: dict[bytes, Person] = {}
    for one in signatures:
        with suppress(vault.CannotOpen):
            name = sealing.unsealed(one.signer)["name"]
            person = Person(name, Link(one.pk, one.link_epoch))
            found.setdefault(bytes(one.signer.person_ix), person)
    return tuple(found.values())


def _narrow(standing: list[Signature], joined: Signature, address: str) -> None:
    """Let those who have signed with the very same address be named no more widely than whoever
    joins them, nor their news: one letter changed makes another person of the same one.
    """
    name_use, may_name = joined.name_use, joined.news_may_name
    ids = [
        one.pk
        for one in standing
        if (one.name_use != name_use or one.news_may_name > may_name)
        and sealing.address_of(one.signer) == address
    ]
    if ids:
        Signature.objects.filter(pk__in=ids).update(
            name_use=name_use, news_may_name=F("wants_updates") if may_name else False
        )


def _open(signature_id: UUID) -> Opened | None:
    """Read and unseal the signer before the lock of the mailbox, which takes the address to know;
    None if they are gone, or cannot be unsealed: what cannot be told from others must not count.
    """
    signer = signing_sql.read_signer(signature_id)
    if signer is None:
        return None
    try:
        person = sealing.unsealed(signer)
    except vault.CannotOpen:
        return None
    address = email_addresses.folded(person["email"])
    known = sealing.known_by(signer, person)
    return Opened(bytes(signer.sealed), person, address, known)


def _is_live(signature: Signature, epoch: int) -> bool:
    """Whether a link mailed at an epoch is still valid for this signature.

    Links expire after `PENDING_DAYS` also where somebody has signed: a mail found much later
    must not show it.
    """
    return (
        signature.link_epoch == epoch
        and signature.created_at > _oldest()
        and signature.state not in lifecycle.ENDED
    )


def _oldest() -> datetime:
    return timezone.now() - timedelta(days=settings.PENDING_DAYS)


def _judge(signature: Signature, standing: list[Signature], known: list[Indexes]) -> Verdict:
    """Deduplicate: whether the signature may count beside those that stand for its mailbox."""
    mine = persons(known)
    for row in standing:
        if bytes(row.signer.person_ix) in mine:
            removed = row.state == State.REMOVED
            return Verdict(Outcome.REMOVED if removed else Outcome.ALREADY, standing=row)
    if signature.state == State.REMOVED:
        return Verdict(Outcome.REMOVED)
    others = [row.signer for row in standing if row.signer.slot or row.state == State.CONFIRMED]
    return household_rule(others, {index.home for index in known})


def household_rule(others: list[Signer], homes: set[bytes]) -> Verdict:
    """One more person may share the mailbox, of the same home, in a free slot."""
    if len(others) >= len(SLOTS):
        return Verdict(Outcome.MAILBOX_FULL)
    if others and bytes(others[0].home_ix) not in homes:
        return Verdict(Outcome.OTHER_HOME)
    taken = {row.slot for row in others}
    return Verdict(Outcome.CONFIRMED, slot=next(slot for slot in SLOTS if slot not in taken))


def _clean_twin(held: Signature, forms: list[Signature], me: Opened) -> dict[str, str] | None:
    """The held person under the name of the newest clean form that they sent; None without one.

    Names that differ by signs, accents or case alone are one person's to us, and not to who reads
    them; and anybody may have typed the one that is held.
    """
    if held.verdict != Signature.Verdict.HOLD:
        return None
    mine = persons(me.known)
    twins = [
        form
        for form in forms
        if form.pk != held.pk
        and form.state == State.PENDING
        and form.verdict == Signature.Verdict.PASS
        and bytes(form.signer.person_ix) in mine
        and sealing.address_of(form.signer) == me.address
    ]
    with suppress(vault.CannotOpen):
        if twins:
            newest = max(twins, key=lambda form: form.created_at)
            name = sealing.unsealed(newest.signer)["name"]
            return {**sealing.unsealed(held.signer), "name": name}
    return None


def _merge_choices(
    standing: Signature, me: Opened, *, may_count: bool, twin: dict[str, str] | None
) -> None:
    """Merge the choices of a repeated signing into the standing one: a name is withheld at once.

    If that was held, a clean twin releases it: but it counts only in a slot.
    """
    before, slot = standing.state, standing.signer.slot
    signing_sql.write(
        standing,
        person=me.person,
        known=me.known,
        slot=slot,
        may_count=may_count and slot is not None,
        twin=twin,
    )
    if standing.state != before:
        transaction.on_commit(partial(warm_cache.one_more, standing.petition_id))
