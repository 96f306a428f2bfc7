"""Confirmation: a pending signature is counted, once, under the advisory lock of its mailbox.

Most signers are alone in their mailbox. For them the fast path does all of it in one round trip:
take the lock, and count them if every condition holds. It leaves all others unchanged to the slow
path: read under the lock, judge, and write by compare-and-set.
"""

from datetime import datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from petitions.counting import tallies
from petitions.infra import prepared
from petitions.infra.locks import StateChanged
from petitions.infra.prepared import Statement
from petitions.models import Signature, Signer
from petitions.publishing import warm_cache
from petitions.signatures import lifecycle
from petitions.signers import sealing
from petitions.signers.sealing import Indexes, mailboxes, persons

SLOTS = (1, 2)
State = Signature.State
(_PENDING,) = lifecycle.CONFIRM.sources
# States that become confirmed if another form of the same person passed screening.
_RELEASABLE = tuple(
    state.value for state in (*lifecycle.CONFIRM.sources, *lifecycle.RELEASE.sources)
)


class Outcome(Enum):
    """Result of pressing the button. Every value but `GONE` gets a friendly page."""

    CONFIRMED = "confirmed"
    ALREADY = "already"  # idempotent: the same person's signature already stands
    OTHER_HOME = "other-home"  # somebody from another postcode signed with this mailbox
    MAILBOX_FULL = "mailbox-full"  # two people have signed with this mailbox
    REMOVED = "removed"
    CLOSED = "closed"
    GONE = "gone"


class Verdict(NamedTuple):
    """Decision at confirmation: outcome, slot to take, and the signature that stands instead."""

    outcome: Outcome
    slot: int = 0
    standing: Signature | None = None


def confirm(*, signature_id: UUID, epoch: int) -> tuple[Outcome, Signature | None]:
    """Count a pending signature; idempotent, however often the button is pressed.

    One that looks suspicious is held instead: it takes its slot, and counts once a moderator
    has approved it. The answer is the same, so that bots learn nothing from it.
    It neither becomes nor stays held where another form of the same person passed: anybody can
    send a suspicious one in somebody's name before they sign themselves.
    If a moderator decides about it at the same moment, it is judged again as it stands.
    Raises `StateChanged` only if that happens twice running.
    """
    counted = _at_once(signature_id, epoch)
    outcome, signature = (
        (Outcome.CONFIRMED, counted) if counted else _step_by_step(signature_id, epoch)
    )
    if outcome is Outcome.CONFIRMED and signature and signature.state == Signature.State.CONFIRMED:
        warm_cache.one_more(signature.petition_id)
    return outcome, signature


def _at_once(signature_id: UUID, epoch: int) -> Signature | None:
    """Fast path: count a signer alone in their mailbox, in one round trip and transaction.

    Returns None, with nothing changed, in all other cases: the slow path costs three times as
    much. During key rotation everybody takes that, for one mailbox may then be stored under
    several indexes.
    """
    if len(settings.INDEX_KEYS) > 1:
        return None
    values = {
        "id": signature_id,
        "others": [],
        "epoch": epoch,
        "oldest": _oldest_live(),
        "petitions": warm_cache.accepting(),
        "shard": tallies.shard_of(signature_id),
        "from_state": _PENDING,
    }
    try:
        with connection.cursor() as cursor:
            prepared.run(cursor, values, _LOCK_MAILBOX_OF, _COUNT_WHO_IS_ALONE)
            row: tuple[Any, ...] | None = cursor.fetchone()
    except IntegrityError:
        # Reindexed while waiting for the lock: it is another mailbox now, with its slot taken.
        return None
    return _of_row(row) if row else None


def _step_by_step(signature_id: UUID, epoch: int) -> tuple[Outcome, Signature | None]:
    try:
        return _confirm(signature_id, epoch)
    except StateChanged:
        return _confirm(signature_id, epoch)


@transaction.atomic
def _confirm(signature_id: UUID, epoch: int) -> tuple[Outcome, Signature | None]:
    known = _also_known_as(signature_id)
    mailbox = _read_under_lock(signature_id, mailboxes(known))
    signature = mailbox.pop(signature_id, None)
    if signature is None or not _is_live(signature, epoch):
        return Outcome.GONE, None
    may_count = signature.petition.is_confirming(signature.created_at, timezone.now())
    if signature.state == Signature.State.PENDING and not may_count:
        return Outcome.CLOSED, signature
    standing = [signature, *mailbox.values()] if signature.confirmed_at else [*mailbox.values()]
    known = [sealing.stored(signature.signer), *known]
    verdict = _judge(signature, standing, known)
    if verdict.outcome is Outcome.CONFIRMED:
        _take_slot(signature, verdict.slot, known)
    elif verdict.standing:
        _heed_wishes(verdict.standing, known, may_count=may_count)
    return verdict.outcome, verdict.standing or signature


def find(signature_id: UUID, epoch: int) -> Signature | None:
    """The signature that a mailed link names, with its signer and petition; None if invalid."""
    rows = Signature.objects.uncorrected().select_related("signer", "petition")
    signature = rows.filter(pk=signature_id, signer__isnull=False).first()
    return signature if signature and _is_live(signature, epoch) else None


def _is_live(signature: Signature, epoch: int) -> bool:
    """Whether a link mailed at an epoch is still valid for this signature.

    Links expire after `PENDING_DAYS` also where somebody has signed: a mail found much later
    must not show it.
    """
    gone = {Signature.State.WITHDRAWN, Signature.State.REFUSED}
    return (
        signature.link_epoch == epoch
        and signature.created_at > _oldest_live()
        and signature.state not in gone
    )


def _oldest_live() -> datetime:
    return timezone.now() - timedelta(days=settings.PENDING_DAYS)


_COLUMNS = (
    "id", "reference", "petition_id", "place_id", "state", "name_use", "wants_updates",
    "link_epoch", "created_at", "confirmed_at",
)  # fmt: skip


_SIGNER_COLUMNS = (
    "signature_id",
    "petition_id",
    "petition_mailbox_ix",
    "person_ix",
    "home_ix",
    "slot",
)


# The same lock keys, in the same order, as `locks.lock_mailboxes` takes.
_LOCK_MAILBOX_OF = Statement(
    "lock_mailbox_of",
    """
    SELECT pg_advisory_xact_lock(n) FROM (
        SELECT ('x' || encode(substr(ix, 1, 8), 'hex'))::bit(64)::bigint AS n FROM (
            SELECT petition_mailbox_ix AS ix FROM petitions_signer WHERE signature_id = %(id)s
            UNION SELECT unnest(%(others)s::bytea[])
        ) mailboxes ORDER BY n
    ) numbers
    """,
)


_READ_MAILBOX_OF = Statement(
    "read_mailbox_of",
    f"""
    SELECT {", ".join(f"s.{name}" for name in _COLUMNS)},
           {", ".join(f"g.{name}" for name in _SIGNER_COLUMNS)}
    FROM petitions_signer g JOIN petitions_signature s ON s.id = g.signature_id
    WHERE g.petition_id = (SELECT petition_id FROM petitions_signer WHERE signature_id = %(id)s)
          AND g.petition_mailbox_ix = ANY(ARRAY(
              SELECT petition_mailbox_ix FROM petitions_signer WHERE signature_id = %(id)s
              UNION ALL SELECT unnest(%(others)s::bytea[])))
          -- Also who stands without a slot: a moderator let them, beyond the household rule.
          AND (s.confirmed_at IS NOT NULL OR s.id = %(id)s AND NOT EXISTS (
              SELECT FROM petitions_correction c WHERE c.attempt_id = s.id))
    ORDER BY g.slot
    """,  # noqa: S608 - our own names of columns
)


# The fast path, a compare-and-set: pending, not corrected, its link valid, its petition open, and
# nobody else in its mailbox, in any state. So no slot is shared, and no choice needs merging.
_COUNT_WHO_IS_ALONE = Statement(
    "count_who_is_alone",
    f"""
    WITH moved AS (
        UPDATE petitions_signature s
        SET state = {lifecycle.CONFIRMED_AS}, confirmed_at = now()
        FROM petitions_signer me
        WHERE s.id = %(id)s AND me.signature_id = %(id)s AND state = %(from_state)s
              AND link_epoch = %(epoch)s AND created_at > %(oldest)s
              AND s.petition_id = ANY(%(petitions)s::bigint[])
              AND NOT EXISTS (SELECT FROM petitions_correction WHERE attempt_id = %(id)s)
              AND NOT EXISTS (
                  SELECT FROM petitions_signer other
                  WHERE other.petition_id = me.petition_id
                        AND other.petition_mailbox_ix = me.petition_mailbox_ix
                        AND other.signature_id <> %(id)s)
        RETURNING {", ".join(f"s.{name}" for name in _COLUMNS)}
    ), placed AS (
        UPDATE petitions_signer SET slot = 1 FROM moved WHERE signature_id = moved.id
    ), counted AS (
        {lifecycle.ADD_TO_TALLY}
    )
    SELECT * FROM moved
    """,  # noqa: S608 - our own names of columns
)


def _also_known_as(signature_id: UUID) -> list[Indexes]:
    """Further blind indexes that this person may be found by, during key rotation."""
    if len(settings.INDEX_KEYS) < 2:
        return []
    me = Signer.objects.filter(pk=signature_id).first()
    return sealing.known_as(me) if me else []


def _read_under_lock(signature_id: UUID, others: list[bytes]) -> dict[UUID, Signature]:
    """Take a mailbox's advisory lock; read the signature and those that stand for the mailbox.

    `others` are more indexes of the mailbox. Two statements in one round trip: each sees what
    was committed when it began (READ COMMITTED), and the second begins when the locks are
    taken. One that both locked and read would read as of before the wait.
    """
    with connection.cursor() as cursor:
        values = {"id": signature_id, "others": others}
        prepared.run(cursor, values, _LOCK_MAILBOX_OF, _READ_MAILBOX_OF)
        return {row[0]: _as_signature(row) for row in cursor.fetchall()}


def _as_signature(row: tuple[Any, ...]) -> Signature:
    columns, of_signer = row[: len(_COLUMNS)], row[len(_COLUMNS) :]
    signature = _of_row(columns)
    signature.signer = Signer.from_db(connection.alias, _SIGNER_COLUMNS, of_signer)
    return signature


def _of_row(columns: tuple[Any, ...]) -> Signature:
    # Not the constructor: it computes a default for each missing column, and took a tenth of a
    # confirmation.
    signature = Signature.from_db(connection.alias, _COLUMNS, columns)
    signature.petition = warm_cache.petition(signature.petition_id)
    return signature


def _judge(signature: Signature, standing: list[Signature], known: list[Indexes]) -> Verdict:
    """Deduplicate: whether the signature may count beside those that stand for its mailbox."""
    mine = persons(known)
    for row in standing:
        if bytes(row.signer.person_ix) in mine:
            removed = row.state == Signature.State.REMOVED
            return Verdict(Outcome.REMOVED if removed else Outcome.ALREADY, standing=row)
    if signature.state == Signature.State.REMOVED:
        return Verdict(Outcome.REMOVED)
    confirmed = Signature.State.CONFIRMED
    others = [row.signer for row in standing if row.signer.slot or row.state == confirmed]
    return _judge_household(others, {index.home for index in known})


def _judge_household(others: list[Signer], homes: set[bytes]) -> Verdict:
    """Household rule: one more person may share the mailbox, of the same home, in a free slot."""
    if len(others) >= len(SLOTS):
        return Verdict(Outcome.MAILBOX_FULL)
    if others and bytes(others[0].home_ix) not in homes:
        return Verdict(Outcome.OTHER_HOME)
    taken = {row.slot for row in others}
    return Verdict(Outcome.CONFIRMED, slot=next(slot for slot in SLOTS if slot not in taken))


# Merge the person's choices over all their live attempts: the narrowest name use, and news only
# if they asked for it every time. Anybody can type anybody's address, and use up the mails of a
# day: whichever link the owner then presses must not publish a name that they themselves chose to
# withhold. Nor must it hold them, if a form of theirs passed screening and no moderator has
# decided: pressing any of the links shows that the mailbox is theirs.
_WISHES = Statement(
    "move_to_confirmed",
    f"""
    WITH wishes AS (
        SELECT bool_or(s.name_use = 'withheld') AS withheld,
               bool_or(s.name_use = 'government') AS government,
               bool_and(s.wants_updates) AS updates,
               coalesce(bool_or(s.verdict = 'pass') FILTER (WHERE s.id <> %(id)s), false)
                   AND %(may_count)s::boolean AS passed
        FROM petitions_signer g JOIN petitions_signature s ON s.id = g.signature_id
        WHERE g.petition_id = %(petition)s AND g.petition_mailbox_ix = ANY(%(mailboxes)s)
              AND g.person_ix = ANY(%(persons)s) AND (s.state = 'pending' OR s.id = %(id)s)
    ), moved AS (
        UPDATE petitions_signature s SET
            -- The verdict as it is at this moment: it may have changed since it was read.
            state = CASE WHEN passed AND s.decision_id IS NULL AND s.state IN {_RELEASABLE}
                         THEN '{State.CONFIRMED}'
                         WHEN s.state = '{State.PENDING}' THEN {lifecycle.CONFIRMED_AS}
                         ELSE s.state END,
            -- Else today's rules would hold it once more: see rescan.py.
            verdict = CASE WHEN passed AND s.decision_id IS NULL THEN 'pass' ELSE s.verdict END,
            signals = CASE WHEN passed AND s.decision_id IS NULL AND s.verdict = 'hold'
                           THEN '{{}}' ELSE s.signals END,
            confirmed_at = coalesce(s.confirmed_at, now()),
            wants_updates = updates,
            name_use = CASE WHEN withheld THEN 'withheld'
                            WHEN government THEN 'government' ELSE 'public' END
        FROM wishes WHERE s.id = %(id)s AND s.state = %(from_state)s
        RETURNING s.id, s.petition_id, s.place_id, s.name_use, s.wants_updates, s.state
    ), placed AS (
        UPDATE petitions_signer SET slot = %(slot)s FROM moved
        WHERE signature_id = %(id)s AND petition_mailbox_ix = %(mailbox)s RETURNING signature_id
    ), counted AS (
        {lifecycle.ADD_TO_TALLY}
    )
    SELECT name_use, wants_updates, state FROM moved JOIN placed ON signature_id = id
    """,  # noqa: S608 - our own SQL
)


def _take_slot(signature: Signature, slot: int, known: list[Indexes]) -> None:
    """Compare-and-set from pending to confirmed or held, with slot, choices and tally, in one.

    It compares the mailbox, too: a reindex may have changed it during the wait for its lock.
    """
    try:
        moved = _apply(signature, slot, known, may_count=True)
    except IntegrityError:
        # Unique violation: somebody else has the slot, under a lock that was not ours.
        raise StateChanged from None
    if not moved:
        raise StateChanged


def _heed_wishes(standing: Signature, known: list[Indexes], *, may_count: bool) -> None:
    """Merge the choices of a repeated signing into the standing one: a name is withheld at once.

    If that was held, it counts now where the person's own form passed: but only in a slot.
    """
    before = Signature.State(standing.state)
    slot = standing.signer.slot
    if not _apply(standing, slot, known, may_count=may_count and slot is not None):
        raise StateChanged
    if standing.state != before:
        transaction.on_commit(partial(warm_cache.one_more, standing.petition_id))


def _apply(
    signature: Signature,
    slot: int | None,
    known: list[Indexes],
    *,
    may_count: bool,
) -> bool:
    with connection.cursor() as cursor:
        values = {
            "petition": signature.petition_id,
            "mailbox": bytes(signature.signer.petition_mailbox_ix),
            "mailboxes": mailboxes(known),
            "persons": persons(known),
            "id": signature.pk,
            "slot": slot,
            "shard": tallies.shard_of(signature.pk),
            "from_state": signature.state,
            "may_count": may_count,
        }
        prepared.run(cursor, values, _WISHES)
        row = cursor.fetchone()
    if row is None:
        return False
    signature.name_use, signature.wants_updates, signature.state = row
    return True
