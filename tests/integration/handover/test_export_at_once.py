"""Exports beside each other, and beside a bulk decision."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from campaign.database.timeouts import client_timeout
from petitions.counting import tallies
from petitions.handover import exports, reading
from petitions.models import Export, Petition, Signature
from petitions.moderation import decisions
from tests.benchmarks import seeding
from tests.integration.handover.test_exporting import rows_of


@pytest.fixture
def many(petition: Petition, monkeypatch: pytest.MonkeyPatch) -> Petition:
    """Two thousand signatures, read in batches of a hundred."""
    seeding.seed(petition=petition, total=2_000)
    monkeypatch.setattr(reading, "FIRST_BATCH", 50)
    monkeypatch.setattr(reading, "BATCH", 100)
    return petition


def started(petition: Petition) -> Export:
    return exports.start(
        export=Export(petition=petition, purpose="hand-in", why="x"), actor=None, screen="test"
    )


@pytest.mark.django_db(transaction=True)
def test_an_export_during_a_bulk_removal_has_each_signature_once(
    many: Petition, moderator: User, settings: Settings
) -> None:
    settings.BULK_DECISION_APPROVAL_FROM = 10_000
    before = tallies.total(many.pk)
    ids = list(Signature.objects.counted().order_by("id").values_list("pk", flat=True))
    removed: list[Any] = ids[::2]
    chunks = exports.stream(started(many))
    read = [next(chunks), next(chunks)]
    decisions.decide(
        kind="remove", petition=many, ids=removed, reason="automated", note="", actor=moderator
    )
    read += list(chunks)

    references = [row[0] for row in rows_of(b"".join(read))[1:]]
    assert len(references) == len(set(references))
    standing = {s.spoken_reference for s in Signature.objects.counted()}
    assert standing <= set(references)
    # Of the removed, those alone that had been read before: a first batch and the next.
    assert len(references) - len(standing) <= 50 + 100
    assert tallies.total(many.pk) == before - len(removed)


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_exports_are_both_complete(many: Petition) -> None:
    files: list[bytes] = []

    def run() -> None:
        try:
            files.append(b"".join(exports.stream(started(many))))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # But for the note in the header, which marks each copy.
    first, second = (rows_of(file)[1:] for file in files)
    assert first == second
    assert len(first) == tallies.total(many.pk)
    assert set(Export.objects.values_list("rows", flat=True)) == {tallies.total(many.pk)}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("purpose", ["hand-in", "supporters"])
def test_an_export_with_a_client_side_timeout_stores_its_progress_while_reading(
    many: Petition, monkeypatch: pytest.MonkeyPatch, purpose: str
) -> None:
    """With a wait callback psycopg2 refuses a second statement on a busy connection."""
    monkeypatch.setattr(exports, "NOTED_EVERY", 0.0)
    client_timeout.limit(5)
    try:
        export = exports.start(
            export=Export(petition=many, purpose=purpose, why="x"), actor=None, screen="test"
        )
        rows = rows_of(b"".join(exports.stream(export)))
    finally:
        client_timeout.remove()
    export.refresh_from_db()
    assert export.finished_at
    assert export.rows == len(rows) - 1 > 500
