"""Bulk seeding: a million sample signatures in half a minute, really sealed, by COPY.

They are as signing stores them: sealed by the vault, with the same blind indexes, slots and
tallies. Only their mails are missing, so that nothing is ever sent to anybody.
"""

import io
import multiprocessing
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import cycle, islice
from random import Random
from uuid import UUID, uuid4

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.utils import timezone

from petitions.counting import tallies
from petitions.management import sample_people as people
from petitions.management.sample_signatures import SAMPLE_MODERATOR
from petitions.models import UNKNOWN, Decision, Petition, Place, Postcode
from tests.benchmarks.seeding import rows
from tests.benchmarks.seeding.bulkload import without_indexes
from tests.benchmarks.seeding.rows import Batch, Home, Plan

BATCH = 2_500
# Rows from which rebuilding the indexes is faster than adding to them. Not where the tables hold
# more than is added: a site that is in use would be blocked for longer than that.
LARGE = 10_000
_REASONS = (Decision.Reason.AUTOMATED, Decision.Reason.DUPLICATE, Decision.Reason.FALSE_NAME)
_HOMES = 2_000
# Bytes that go to the database at a time.
_PIECE = 1 << 16

Progress = Callable[[int], object]


def seed(
    *,
    petition: Petition,
    total: int,
    days: int = 28,
    seed: int = 1,
    progress: Progress = lambda _rows: None,
) -> None:
    """Add `total` sample signatures of the last `days`, in every state, and recount the tallies.

    `progress` is called with the rows of each batch. It is one transaction: an interruption
    leaves nothing. A large sample locks the tables until it ends, for the sake of speed.
    """
    plan = _plan(petition, days, seed)
    with _made(plan, total) as batches, transaction.atomic():
        with _loading(total):
            _decide(petition, plan.decisions)
            for batch in batches:
                _store(batch)
                progress(batch.length)
        tallies.rebuild(petition)


def _plan(petition: Petition, days: int, seed: int) -> Plan:
    newest = petition.texts.order_by("-version").first()
    return Plan(
        petition_id=petition.pk,
        text_version=newest.version if newest else 1,
        days=days,
        seed=seed,
        run=secrets.token_hex(3),
        now=timezone.localtime(),
        homes=tuple(_homes(seed)),
        decisions=tuple(uuid4() for _ in _REASONS),
    )


def _decide(petition: Petition, ids: Iterable[UUID]) -> None:
    """Record the decisions that removed signatures of the sample, so that they can be undone."""
    actor, _new = get_user_model().objects.get_or_create(
        username=SAMPLE_MODERATOR, defaults={"is_active": False, "password": make_password(None)}
    )
    Decision.objects.bulk_create(
        Decision(
            id=decision_id,
            petition=petition,
            kind=Decision.Kind.REMOVE,
            reason=reason,
            note="sample data",
            actor=actor,
        )
        for decision_id, reason in zip(ids, _REASONS, strict=True)
    )


@contextmanager
def _made(plan: Plan, total: int) -> Iterator[Iterator[Batch]]:
    """Batches as they get ready, made by a process for each CPU."""
    spans = [(first, min(BATCH, total - first)) for first in range(0, total, BATCH)]
    processes = min(os.cpu_count() or 1, len(spans))
    if processes < 2:
        yield (rows.make(plan, first, length) for first, length in spans)
        return
    # Forked, for a fresh interpreter would cost more than most samples. The children never
    # touch the database connection that they inherit, and leave without closing it.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield _in_order(pool, plan, spans, ahead=2 * processes)


def _in_order(
    pool: ProcessPoolExecutor, plan: Plan, spans: list[tuple[int, int]], ahead: int
) -> Iterator[Batch]:
    """Results in the order of `spans`, with at most `ahead` of them in progress (back-pressure)."""
    waiting: deque[Future[Batch]] = deque()
    for first, length in spans:
        waiting.append(pool.submit(rows.make, plan, first, length))
        if len(waiting) == ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _loading(total: int) -> AbstractContextManager[object]:
    if total < max(LARGE, _stored()):
        return transaction.atomic()
    return without_indexes(["petitions_signature", "petitions_signer"])


def _stored() -> int:
    """The planner's estimate of how many signatures there are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = 'petitions_signature'::regclass"
        )
        return int(cursor.fetchone()[0])


def _store(batch: Batch) -> None:
    with connection.cursor() as cursor:
        for table, columns, lines in (
            ("petitions_signature", rows.SIGNATURE_COLUMNS, batch.signatures),
            ("petitions_signer", rows.SIGNER_COLUMNS, batch.signers),
            ("petitions_decisionitem", rows.ITEM_COLUMNS, batch.items),
        ):
            copy = f"COPY {table} ({columns}) FROM STDIN"
            cursor.copy_expert(copy, io.BytesIO(lines), _PIECE)


def _homes(seed: int) -> Iterator[Home]:
    """Homes in the UK: by loaded postcodes, else by invented ones, in constituencies if known."""
    loaded = Postcode.objects.values_list("postcode", "place_id")[:_HOMES]
    if loaded:
        yield from (Home(postcode, "", place) for postcode, place in loaded)
        return
    rng = Random(seed)
    constituencies = Place.objects.filter(kind=Place.Kind.CONSTITUENCY)
    places = list(constituencies.values_list("code", flat=True)) or [UNKNOWN]
    for place in islice(cycle(places), _HOMES):
        yield Home(people.postcode(rng), "", place)
