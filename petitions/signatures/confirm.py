"""Confirmation: a pending signature is counted, once, under the advisory lock of its mailbox.

Six rules decide, each in a function or a fragment of SQL of its name:

- the household rule: a mailbox counts once, or twice for two people of one home;
- nobody is added unasked: anybody can type anybody's address under any name. Where forms of several
  people wait for one address, or one more person would join those who have signed, the press asks
  which of them it is; who is chosen is confirmed, and the forms of the others are deleted;
- the narrowest use of a name wins: of all forms of the mailbox, whichever link is pressed, until
  the owner widens it in "find my signature"; and so does a subject of news that names nothing;
- of two presses that contradict each other neither stands: where "not me" was pressed before, the
  press undoes that alone, and asks which of the two was meant (`disown`);
- a clean twin releases a held one: where a form of the same person passed screening, none of
  theirs is held;
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
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from petitions.counting import tallies
from petitions.crypto import vault
from petitions.crypto.tokens import Link, Mailbox
from petitions.identity import email_addresses
from petitions.infra import prepared
from petitions.infra.locks import StateChanged
from petitions.infra.prepared import Statement
from petitions.models import Signature, Signer
from petitions.publishing import warm_cache
from petitions.screening import rules
from petitions.screening.screen import HELD_PETITION
from petitions.signatures import disown as disowning
from petitions.signatures import lifecycle
from petitions.signers import erasing, sealing
from petitions.signers.sealing import Indexes, mailboxes, persons

SLOTS = (1, 2)
# Rows of one mailbox that a press looks at: anybody can send forms for it.
MOST_ROWS = 20
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
    what the other link of the mail says, where the press contradicts it.
    """

    outcome: Outcome
    signature: Signature | None = None
    people: tuple[Person, ...] = ()
    is_narrowed: bool = False
    not_me: Mailbox | None = None


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
    mailbox = _read_under_lock(signature_id, mailboxes(me.known))
    signature = mailbox.pop(signature_id, None)
    if signature is None or not _is_live(signature, epoch):
        return Pressed(Outcome.GONE)
    if bytes(signature.signer.sealed) != me.sealed:
        raise StateChanged
    may_count = signature.petition.is_confirming(signature.created_at, timezone.now())
    if signature.state == State.PENDING and not may_count:
        return Pressed(Outcome.CLOSED, signature)
    if signature.disowned_at is not None:
        disowning.contradict(signature, me.address)
        not_me = sealing.mailbox_of(signature, me.address)
        return Pressed(Outcome.CONTRADICTED, signature, not_me=not_me)
    standing = [row for row in (signature, *mailbox.values()) if row.confirmed_at]
    waiting = _others_waiting(signature, mailbox.values(), me)
    verdict = _judge(signature, standing, me.known)
    caught = rules.in_force().catches(
        me.address, signature.signer.network_ix, signature.created_at
    ) or (HELD_PETITION if signature.petition.is_holding else "")
    would_join = verdict.outcome is Outcome.CONFIRMED and standing
    if (waiting or would_join) and not is_chosen:
        return Pressed(Outcome.CHOOSE, signature, _people([signature, *waiting]))
    if waiting or would_join:
        _lock([signature, *waiting, *standing])
    return _carry_out(verdict, signature, standing, me, may_count, waiting, caught)


def _carry_out(
    verdict: Verdict,
    signature: Signature,
    standing: list[Signature],
    me: Opened,
    may_count: bool,
    waiting: list[Signature],
    caught: str,
) -> Pressed:
    """Write what was decided, and delete the forms of those who were not chosen."""
    asked_for = signature.name_use
    if verdict.outcome is Outcome.CONFIRMED:
        _write(signature, verdict.slot, me, may_count=not caught, caught=caught)
        _narrow(standing, signature, me.address)
    elif verdict.standing:
        _merge_choices(verdict.standing, me, may_count=may_count and not caught)
    if waiting and verdict.outcome in {Outcome.CONFIRMED, Outcome.ALREADY}:
        erasing.erase_attempts(_lock(waiting, state=State.PENDING))
    signature = verdict.standing or signature
    person = Person(me.person["name"], Link(signature.pk, signature.link_epoch))
    is_narrowed = verdict.outcome is Outcome.CONFIRMED and signature.name_use != asked_for
    return Pressed(verdict.outcome, signature, (person,), is_narrowed)


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
    with connection.cursor() as cursor:
        prepared.run(cursor, {"id": signature_id}, _READ_SIGNER)
        row = cursor.fetchone()
    if row is None:
        return None
    signer = Signer.from_db(connection.alias, _SIGNER_COLUMNS, row)
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


def _merge_choices(standing: Signature, me: Opened, *, may_count: bool) -> None:
    """Merge the choices of a repeated signing into the standing one: a name is withheld at once.

    If that was held, a clean twin releases it: but it counts only in a slot.
    """
    before, slot = standing.state, standing.signer.slot
    _write(standing, slot, me, may_count=may_count and slot is not None)
    if standing.state != before:
        transaction.on_commit(partial(warm_cache.one_more, standing.petition_id))


def _write(
    signature: Signature,
    slot: int | None,
    me: Opened,
    *,
    may_count: bool,
    caught: str = "",
) -> None:
    """Compare-and-set: state, slot, indexes, choices and tally together; refreshes `signature`.

    One that joins gets the blind indexes of the confirmed, and so do its mails: see `sealing.Use`.

    `may_count` is whether a clean twin may release it, `caught` the code of a rule that holds it.
    It compares the mailbox, too: a reindex may have changed it during the wait for its lock.
    Raises `StateChanged` where the row is no longer what was read.
    """
    joins = signature.confirmed_at is None
    after = me.known[sealing.CONFIRMED] if joins else sealing.stored(signature.signer)
    search = (
        sealing.search_indexes(signature.petition_id, signature.pk, me.person) if joins else None
    )
    values = {
        "petition": signature.petition_id,
        "mailbox": bytes(signature.signer.petition_mailbox_ix),
        "mailboxes": mailboxes(me.known),
        "persons": persons(me.known),
        "id": signature.pk,
        "slot": slot,
        "shard": tallies.shard_of(signature.pk),
        "from_state": signature.state,
        "joins": joins,
        "new_mailbox": after.petition_mailbox,
        "new_person": after.person,
        "new_home": after.home,
        "new_global": after.global_mailbox,
        "new_name": search and search.name,
        "new_postcode": search and search.postcode,
        "may_count": may_count,
        "caught": caught,
    }
    try:
        with connection.cursor() as cursor:
            prepared.run(cursor, values, _CONFIRM)
            row = cursor.fetchone()
    except IntegrityError:
        # Unique violation: somebody else has the slot, under a lock that was not ours.
        raise StateChanged from None
    if row is None:
        raise StateChanged
    signature.name_use, signature.wants_updates, signature.news_may_name, signature.state = row


_COLUMNS = (
    "id", "reference", "petition_id", "place_id", "state", "name_use", "wants_updates",
    "news_may_name", "link_epoch", "disowned_at", "created_at", "confirmed_at",
)  # fmt: skip
# In the model's order, as `from_db` takes them.
_SIGNER_COLUMNS = (
    "signature_id", "petition_id", "sealed", "petition_mailbox_ix", "person_ix", "home_ix",
    "network_ix", "slot",
)  # fmt: skip


def _read_under_lock(signature_id: UUID, others: list[bytes]) -> dict[UUID, Signature]:
    """Lock a mailbox; read the signature, unless it was corrected, and what stands and waits in it.

    `others` are more indexes of the mailbox. Two statements in one round trip: each sees what was
    committed when it began (READ COMMITTED), and the second begins when the locks are taken. SQL
    for speed: with two queries of the ORM and `locks.lock_mailboxes` a whole confirmation took two
    thirds more of the processor (12.4 instead of 7.4 ms), in paired runs.
    """
    with connection.cursor() as cursor:
        values = {"id": signature_id, "others": others, "oldest": _oldest()}
        prepared.run(cursor, values, _LOCK_MAILBOX, _READ_MAILBOX)
        rows = cursor.fetchall()
    if not rows:
        return {}
    read = {}
    # All are of one petition, the third of the columns.
    petition = warm_cache.petition(rows[0][2])
    for row in rows:
        columns, of_signer = row[: len(_COLUMNS)], row[len(_COLUMNS) :]
        # Not the constructor, which computes a default for each missing column.
        signature = Signature.from_db(connection.alias, _COLUMNS, columns)
        signature.petition = petition
        signature.signer = Signer.from_db(connection.alias, _SIGNER_COLUMNS, of_signer)
        read[signature.pk] = signature
    return read


_READ_SIGNER = Statement(
    "read_signer",
    f"""
    SELECT {", ".join(_SIGNER_COLUMNS)} FROM petitions_signer WHERE signature_id = %(id)s
    """,  # noqa: S608 - our own names of columns
)
# The same lock keys, in the same order, as `locks.lock_mailboxes` takes.
_LOCK_MAILBOX = Statement(
    "lock_mailbox",
    """
    SELECT pg_advisory_xact_lock(n) FROM (
        SELECT ('x' || encode(substr(ix, 1, 8), 'hex'))::bit(64)::bigint AS n FROM (
            SELECT petition_mailbox_ix AS ix FROM petitions_signer WHERE signature_id = %(id)s
            UNION SELECT unnest(%(others)s::bytea[])
        ) mailboxes ORDER BY n
    ) numbers
    """,
)
_READ_MAILBOX = Statement(
    "read_mailbox",
    f"""
    SELECT {", ".join(f"s.{name}" for name in _COLUMNS)},
           {", ".join(f"g.{name}" for name in _SIGNER_COLUMNS)}
    FROM petitions_signer g JOIN petitions_signature s ON s.id = g.signature_id
    WHERE g.petition_id = (SELECT petition_id FROM petitions_signer WHERE signature_id = %(id)s)
          AND g.petition_mailbox_ix = ANY(ARRAY(
              SELECT petition_mailbox_ix FROM petitions_signer WHERE signature_id = %(id)s
              UNION ALL SELECT unnest(%(others)s::bytea[])))
          -- Also who stands without a slot: a moderator let them, beyond the household rule.
          AND (s.confirmed_at IS NOT NULL
               OR (s.id = %(id)s OR s.state = '{State.PENDING}' AND s.created_at > %(oldest)s
                                    AND s.disowned_at IS NULL)
                  AND NOT EXISTS (SELECT FROM petitions_correction c WHERE c.attempt_id = s.id))
    ORDER BY s.id <> %(id)s, s.confirmed_at IS NULL, g.slot, s.created_at DESC, s.id
    LIMIT {MOST_ROWS}
    """,  # noqa: S608 - our own names of columns
)


# All forms of the mailbox that wait, and the one to be written; beside one that joins those who
# have signed with the mailbox, they as well.
_FORMS = """
    FROM petitions_signer g JOIN petitions_signature s ON s.id = g.signature_id
    WHERE g.petition_id = %(petition)s AND g.petition_mailbox_ix = ANY(%(mailboxes)s)
          AND (s.state = 'pending' AND s.disowned_at IS NULL OR s.id = %(id)s
               OR %(joins)s::boolean AND s.confirmed_at IS NOT NULL)"""
# Those of the same person: anybody can type anybody's address, and use up the mails of a day.
_TWIN = "(g.person_ix = ANY(%(persons)s) AND (s.state = 'pending' OR s.id = %(id)s))"
# The narrowest use of a name wins: whichever link the owner presses must not publish a name that
# they themselves chose to withhold, under whatever spelling.
_NARROWEST_NAME_USE = """
    CASE WHEN bool_or(s.name_use = 'withheld') THEN 'withheld'
         WHEN bool_or(s.name_use = 'government') THEN 'government' ELSE 'public' END"""
# News only for those who asked for it every time.
_NEWS = f"bool_and(s.wants_updates) FILTER (WHERE {_TWIN})"
# Every form of the mailbox allows its subject to name the petition.
_NEWS_MAY_NAME = "bool_and(s.news_may_name OR s.name_use <> 'withheld')"
# A clean twin releases a held one: pressing any of the links shows that the mailbox is theirs, and
# anybody can send a suspicious form in somebody's name before they sign themselves.
_HAS_CLEAN_TWIN = f"""
    coalesce(bool_or(s.verdict = 'pass') FILTER (WHERE s.id <> %(id)s AND {_TWIN}), false)
        AND %(may_count)s::boolean"""
# It releases nothing about which a moderator has decided.
_RELEASED = "twins.has_clean AND s.decision_id IS NULL"
# A rule of a moderator catches what waits.
_CAUGHT = f"%(caught)s::varchar <> '' AND s.state = '{State.PENDING}'"
_RELEASABLE = tuple(
    state.value for state in (*lifecycle.CONFIRM.sources, *lifecycle.RELEASE.sources)
)
_CONFIRM = Statement(
    "confirm",
    f"""
    WITH twins AS (
        SELECT {_NARROWEST_NAME_USE} AS name_use, {_NEWS} AS news,
            {_NEWS_MAY_NAME} AS may_name, {_HAS_CLEAN_TWIN} AS has_clean
        {_FORMS}
    ), moved AS (
        UPDATE petitions_signature s SET
            -- The verdict as it is at this moment: it may have changed since it was read.
            state = CASE WHEN {_RELEASED} AND s.state IN {_RELEASABLE} THEN '{State.CONFIRMED}'
                         WHEN {_CAUGHT} THEN '{State.HELD}'
                         WHEN s.state = '{State.PENDING}' THEN {lifecycle.CONFIRMED_AS}
                         ELSE s.state END,
            -- Else today's rules would hold it once more: see rescan.py.
            verdict = CASE WHEN {_RELEASED} THEN 'pass' WHEN {_CAUGHT} THEN 'hold'
                           ELSE s.verdict END,
            signals = CASE WHEN {_RELEASED} AND s.verdict = 'hold' THEN '{{}}'
                           WHEN {_CAUGHT} AND NOT %(caught)s = ANY(s.signals)
                           THEN s.signals || %(caught)s::varchar
                           ELSE s.signals END,
            confirmed_at = coalesce(s.confirmed_at, now()),
            wants_updates = twins.news,
            news_may_name = twins.news AND twins.may_name AND twins.name_use = 'withheld',
            name_use = twins.name_use
        FROM twins WHERE s.id = %(id)s AND s.state = %(from_state)s
        RETURNING s.id, s.petition_id, s.place_id, s.name_use, s.wants_updates,
            s.news_may_name, s.state
    ), placed AS (
        UPDATE petitions_signer SET slot = %(slot)s, petition_mailbox_ix = %(new_mailbox)s,
            person_ix = %(new_person)s, home_ix = %(new_home)s,
            name_ix = coalesce(%(new_name)s, name_ix),
            postcode_ix = coalesce(%(new_postcode)s, postcode_ix)
        FROM moved
        WHERE signature_id = %(id)s AND petition_mailbox_ix = %(mailbox)s RETURNING signature_id
    ), mailed AS (
        UPDATE petitions_mail SET global_mailbox_ix = %(new_global)s FROM moved
        WHERE signature_id = %(id)s AND %(joins)s::boolean
    ), counted AS (
        {lifecycle.ADD_TO_TALLY}
    )
    SELECT name_use, wants_updates, news_may_name, state FROM moved JOIN placed ON signature_id = id
    """,  # noqa: S608 - our own SQL
)
