"""Reindexing: recompute all blind indexes after the alias rules or the index key changed.

1. A command starts a `Reindexing`, or resumes an interrupted one with the current rules and key.
   Every process must use them already, so that new signers are stored with the right indexes and
   one pass over all signers misses nobody.
2. Signers are read by keyset pagination over their random ids, and unsealed. Those with stale
   indexes are moved in groups, under the advisory locks of the old and the new mailbox, which
   confirming and withdrawing take too. Their mails move first: after a crash in between, the
   signer's indexes are still stale and are found again.
3. If a mailbox then has more signers than the household rule allows, the later ones lose their
   slot. Those that were counted are held for a moderator. Nothing is deleted.
4. The cursor is saved after each batch (`models.BatchJob`). The job is idempotent.
5. The row keeps the fingerprint of the rules. `is_due` compares it with this release's.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F

from petitions.crypto import vault
from petitions.identity import providers
from petitions.infra import locks
from petitions.models import Decision, Objection, Reindexing, Rule, Signature, Signer
from petitions.moderation import decisions
from petitions.signatures import confirm
from petitions.signers import sealing
from petitions.signers.sealing import Indexes, SearchIndexes
from petitions.staff.refusal import Refused

BATCH = 2_000
# Signers moved per transaction. So few locks fit PostgreSQL's lock table and last milliseconds.
MOVED_AT_ONCE = 100
# How often a batch is retried after another transaction has taken a slot.
MAX_COLLISIONS = 20
# The name of the lease, so that one process at a time reindexes.
JOB = "reindex-mailboxes"
SAME_MAILBOX = "same-mailbox"
_DECISIONS = UUID("6f1d7c52-6a2b-4c39-9e0b-0c6a8c1b7a11")

Progress = Callable[[float], object]


class Member(NamedTuple):
    """A signer who has a slot of a mailbox: counted, held, or removed by a moderator."""

    id: UUID
    person: bytes
    home: bytes
    slot: int
    is_removed: bool
    confirmed_at: datetime
    created_at: datetime


# The blind indexes in a signer's row: mailbox, person, home, name and postcode.
_Stored = tuple[bytes, bytes, bytes, int | None, int | None]


class _Move(NamedTuple):
    """A signer as it was read, and the indexes that it should have."""

    signer: Signer
    wanted: Indexes
    search: SearchIndexes

    @property
    def stored(self) -> _Stored:
        return (*self.wanted[:3], *self.search)

    @property
    def id(self) -> UUID:
        return self.signer.signature_id


def is_due() -> bool:
    """Return whether signers may be indexed under other alias rules than this release's."""
    finished = Reindexing.objects.filter(state=Reindexing.State.DONE).order_by("-finished_at")
    last = finished.values_list("rules", flat=True).first()
    return last != providers.FINGERPRINT and Signer.objects.exists()


def reindex_all(progress: Progress = lambda _fraction: None) -> Reindexing:
    """Reindex all signers under the current rules and the first index key. Resume after a crash.

    `progress` gets the fraction done, 0 to 1. Raises `Refused` while another process runs this.
    """
    with locks.lease(JOB) as is_acquired:
        if not is_acquired:
            raise Refused(
                "Another command is comparing mailboxes now. Wait until it has ended, then try "
                "again."
            )
        job = _start_or_resume()
        job.run(lambda: _reindex_batch(job, progress))
        progress(1.0)
        return job


def _start_or_resume() -> Reindexing:
    """Return the interrupted run with the current rules and key, or a new run.

    Runs with other rules or keys are deleted, because the signers that they passed are stale again.
    """
    now: dict[str, Any] = {"rules": providers.FINGERPRINT, "key_id": vault.index_key_id()}
    Reindexing.objects.unfinished().exclude(**now).delete()
    job = Reindexing.objects.unfinished().filter(**now).first() or Reindexing(**now)
    job.state, job.finished_at = Reindexing.State.RUNNING, None
    job.save()
    return job


def _reindex_batch(job: Reindexing, progress: Progress) -> bool:
    batch = _read(job.cursor)
    if not batch:
        return False
    waiting, unreadable = _to_move(batch)
    collisions = 0
    while waiting:
        # Optimistic locking: rows that changed since they were read are retried.
        try:
            changed = _move(job, waiting[:MOVED_AT_ONCE])
        except IntegrityError:
            # A concurrent confirmation that had waited for the lock of the old mailbox took a slot
            # of the new one.
            collisions += 1
            if collisions > MAX_COLLISIONS:
                raise
            changed = [move.id for move in waiting[:MOVED_AT_ONCE]]
        again = Signer.objects.select_related("signature").filter(pk__in=changed)
        stale, _gone = _to_move(list(again), is_certain=True)
        waiting = [*waiting[MOVED_AT_ONCE:], *stale]
    job.cursor = batch[-1].pk
    job.done += len(batch)
    job.unreadable += unreadable
    job.save(update_fields=["cursor", "done", "unreadable"])
    progress(job.fraction)
    return True


class Survey(NamedTuple):
    """Counts of signers: with current indexes, with stale ones, and that cannot be unsealed."""

    right: int
    other: int
    unreadable: int


def survey(progress: Progress = lambda _fraction: None) -> Survey:
    """Count all signers by what a reindexing would do. Nothing is changed."""
    cursor, read, other, unreadable = None, 0, 0, 0
    while batch := _read(cursor):
        stale, closed = _to_move(batch)
        cursor = batch[-1].pk
        read, other, unreadable = read + len(batch), other + len(stale), unreadable + closed
        progress(cursor.int / 2**128)
    return Survey(read - other - unreadable, other, unreadable)


def objections_by_key() -> dict[int, int]:
    """Count suppressed mailboxes by index key. Their indexes cannot be recomputed."""
    counted = Objection.objects.values_list("key_id").annotate(number=Count("pk"))
    return dict(counted.order_by("key_id"))


def address_rules() -> int:
    """Count the rules about one address. Their indexes cannot be recomputed either."""
    return Rule.objects.filter(kind=Rule.Kind.ADDRESS).count()


def assign_slots(members: Iterable[Member]) -> dict[UUID, int | None]:
    """Assign the slots of one mailbox by the household rule: two different people of one home.

    Removed signatures come last, otherwise the earlier confirmation comes first. Signatures that
    moderators approved without a slot are not members, and take nobody's slot.
    """
    kept: list[Member] = []
    slots: dict[UUID, int | None] = {}
    for member in sorted(
        members, key=lambda one: (one.is_removed, one.confirmed_at, one.created_at, one.id)
    ):
        slots[member.id] = None
        if len(kept) < len(confirm.SLOTS) and all(
            member.person != other.person and member.home == other.home for other in kept
        ):
            kept.append(member)
            free = [slot for slot in confirm.SLOTS if slot not in slots.values()]
            slots[member.id] = member.slot if member.slot in free else free[0]
    return slots


def _read(cursor: UUID | None) -> list[Signer]:
    # Refused attempts are decoy rows with nothing to unseal.
    rows = Signer.objects.exclude(signature__state=Signature.State.REFUSED)
    rows = rows.select_related("signature").order_by("pk")
    return list((rows.filter(pk__gt=cursor) if cursor else rows)[:BATCH])


def _to_move(batch: Sequence[Signer], *, is_certain: bool = False) -> tuple[list[_Move], int]:
    """Return the signers with stale indexes, and how many cannot be unsealed.

    With `is_certain`, return all that can be unsealed. It is for signers that changed while they
    were moved: a confirmation may have given signer and mails new indexes, and `_move_mails` may
    then have written the earlier ones to the mails.
    """
    found, unreadable = [], 0
    for signer in batch:
        try:
            person = sealing.unsealed(signer)
        except vault.CannotOpen:
            unreadable += 1
            continue
        is_pending = signer.signature.confirmed_at is None
        scope = signer.petition_id
        move = _Move(
            signer,
            sealing.indexes_of(scope, person, is_pending=is_pending),
            sealing.search_indexes(scope, signer.pk, person, is_pending=is_pending),
        )
        if is_certain or _indexes(signer) != move.stored:
            found.append(move)
    return found, unreadable


def _indexes(signer: Signer) -> _Stored:
    return (*sealing.stored(signer)[:3], signer.name_ix, signer.postcode_ix)


def _move(job: Reindexing, moves: Sequence[_Move]) -> list[UUID]:
    """Write new indexes; return the ids of signers that changed since they were read, to retry.

    Raises `IntegrityError` if another transaction takes a slot at the same time.
    """
    _move_mails({move.id: move.wanted.global_mailbox for move in moves})
    moved = _move_signers(job, moves)
    return [move.id for move in moves if move.id not in moved]


@transaction.atomic
def _move_signers(job: Reindexing, moves: Sequence[_Move]) -> set[UUID]:
    """Move signers under locks; return the ids of those moved.

    Locks are taken in the usual order, to avoid deadlocks: decisions, mailboxes, signatures by id
    (those that move and those with slots in the target mailboxes), signers, tallies.
    """
    decisions.share_lock()
    locks.lock_mailboxes(
        index
        for move in moves
        for index in (move.signer.petition_mailbox_ix, move.wanted.petition_mailbox)
    )
    there = Signer.objects.filter(
        petition_id__in={move.signer.petition_id for move in moves},
        petition_mailbox_ix__in=[move.wanted.petition_mailbox for move in moves],
        slot__isnull=False,
    )
    ids = [*(move.id for move in moves), *there.values_list("pk", flat=True)]
    locked = Signature.objects.filter(pk__in=ids).select_for_update(of=("self",)).order_by("id")
    signatures = {row.pk: row for row in locked}
    rows = {row.pk: row for row in Signer.objects.filter(pk__in=signatures)}
    same = [
        move
        for move in moves
        if (row := rows.get(move.id))
        and _indexes(row) == _indexes(move.signer)
        and bytes(row.sealed) == bytes(move.signer.sealed)
    ]
    held = _settle(job, same, rows, signatures)
    Reindexing.objects.filter(pk=job.pk).update(moved=F("moved") + len(same), held=F("held") + held)
    return {move.id for move in same}


def _settle(
    job: Reindexing,
    moves: Sequence[_Move],
    rows: dict[UUID, Signer],
    signatures: dict[UUID, Signature],
) -> int:
    """Write indexes and slots; hold the counted signers who lose their slot, return how many."""
    wanted = {move.id: move.stored for move in moves}
    targets = {(move.signer.petition_id, move.wanted.petition_mailbox) for move in moves}
    # Other mailboxes are read only in part, so nothing is decided about them.
    rows = {
        pk: row
        for pk, row in rows.items()
        if pk in wanted or (row.petition_id, bytes(row.petition_mailbox_ix)) in targets
    }
    after = {pk: wanted.get(pk) or _indexes(row) for pk, row in rows.items()}
    slots = _slots(rows, signatures, after)
    dirty = [pk for pk in rows if pk in wanted or slots[pk] != rows[pk].slot]
    # Slots are set to null first, so that the unique constraint holds whatever the update order.
    Signer.objects.filter(pk__in=dirty, slot__isnull=False).update(slot=None)
    _write(dirty, after, slots)
    surplus = [pk for pk in dirty if rows[pk].slot and slots[pk] is None]
    return _hold(job, [signatures[pk] for pk in surplus])


def _slots(
    rows: dict[UUID, Signer], signatures: dict[UUID, Signature], after: dict[UUID, _Stored]
) -> dict[UUID, int | None]:
    groups: defaultdict[tuple[int, bytes], list[Member]] = defaultdict(list)
    for pk, row in rows.items():
        if row.slot is None:
            continue
        (mailbox, person, home, *_search), signature = after[pk], signatures[pk]
        member = Member(
            id=pk,
            person=person,
            home=home,
            slot=row.slot,
            is_removed=signature.state == Signature.State.REMOVED,
            # A slot implies a confirmation.
            confirmed_at=signature.confirmed_at or signature.created_at,
            created_at=signature.created_at,
        )
        groups[row.petition_id, mailbox].append(member)
    slots: dict[UUID, int | None] = dict.fromkeys(rows)
    for members in groups.values():
        slots |= assign_slots(members)
    return slots


def _write(
    ids: Sequence[UUID], indexes: dict[UUID, _Stored], slots: dict[UUID, int | None]
) -> None:
    if not ids:
        return
    columns = [list(column) for column in zip(*[indexes[pk] for pk in ids], strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE petitions_signer g
            SET petition_mailbox_ix = new.mailbox, person_ix = new.person, home_ix = new.home,
                name_ix = new.name, postcode_ix = new.postcode, slot = new.slot
            FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[], %s::bytea[], %s::bigint[],
                        %s::bigint[], %s::smallint[])
                AS new (id, mailbox, person, home, name, postcode, slot)
            WHERE g.signature_id = new.id
            """,
            [list(ids), *columns, [slots[pk] for pk in ids]],
        )


def _hold(job: Reindexing, signatures: Sequence[Signature]) -> int:
    """Add the signal to signatures that lost their slot; hold the counted ones, return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE petitions_signature SET signals = array_append(signals, %s)
            WHERE id = ANY(%s::uuid[]) AND NOT %s = ANY(signals)
            """,
            [SAME_MAILBOX, [signature.pk for signature in signatures], SAME_MAILBOX],
        )
    petitions: defaultdict[int, list[UUID]] = defaultdict(list)
    for signature in signatures:
        petitions[signature.petition_id].append(signature.pk)
    return sum(
        decisions.decide_more(_decision(job, petition_id), ids).signatures
        for petition_id, ids in sorted(petitions.items())
    )


def _decision(job: Reindexing, petition_id: int) -> Decision:
    """Return the run's decision for a petition. Its id is a UUIDv5, so that one undo covers all."""
    identity = uuid.uuid5(_DECISIONS, f"{job.pk}/{petition_id}")
    return Decision.objects.filter(pk=identity).first() or Decision(
        pk=identity,
        petition_id=petition_id,
        kind=Decision.Kind.HOLD,
        reason=Decision.Reason.DUPLICATE,
    )


def _move_mails(indexes: dict[UUID, bytes]) -> None:
    """Write the new mailbox index of mails, by the id of their signature.

    News keeps its index, which has another use, until its list is deleted. To avoid deadlocks, this
    never waits while it holds row locks: rows that delivery has locked are skipped (SKIP LOCKED)
    and then updated one by one, each in its own transaction.
    """
    theirs: list[Any] = [list(indexes), list(indexes.values())]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH free AS (
                SELECT m.id, new.ix FROM petitions_mail m
                JOIN unnest(%s::uuid[], %s::bytea[]) AS new (id, ix) ON m.signature_id = new.id
                WHERE m.kind <> 'news' AND m.global_mailbox_ix <> new.ix
                FOR UPDATE OF m SKIP LOCKED
            )
            UPDATE petitions_mail m SET global_mailbox_ix = free.ix FROM free WHERE m.id = free.id
            """,
            theirs,
        )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT new.ix, m.id FROM petitions_mail m
            JOIN unnest(%s::uuid[], %s::bytea[]) AS new (id, ix) ON m.signature_id = new.id
            WHERE m.kind <> 'news' AND m.global_mailbox_ix <> new.ix
            """,
            theirs,
        )
        for late in cursor.fetchall():
            cursor.execute("UPDATE petitions_mail SET global_mailbox_ix = %s WHERE id = %s", late)
