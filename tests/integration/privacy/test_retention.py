"""Retention only reads rows with something to do, however many others there are."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.models import Mail, Petition, Signature, Signer
from petitions.privacy import retention
from tests.benchmarks import seeding
from tests.people import sign_and_confirm, somebody

pytestmark = pytest.mark.django_db
OLD, LARGE = 5_000, {"petitions_signature", "petitions_signer", "petitions_mail"}


def store_old(petition: Petition, seed: int) -> None:
    """Signatures of a hundred days ago with their mails, as earlier runs have left them."""
    seeding.seed(petition=petition, total=OLD, seed=seed)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_mail (
                id, signature_id, kind, global_mailbox_ix, state, due_at, attempts, code,
                created_at)
            SELECT gen_random_uuid(), s.id, 'confirm', '0123456789abcdef', 'sent', now(), 1, '',
                now() FROM petitions_signature s
            WHERE NOT EXISTS (SELECT FROM petitions_mail m WHERE m.signature_id = s.id)
            """
        )
    long_ago = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    long_ago -= timedelta(days=100)
    Signature.objects.update(created_at=long_ago)
    Signature.objects.exclude(confirmed_at=None).update(confirmed_at=long_ago)
    Mail.objects.update(created_at=long_ago, due_at=long_ago)
    retention.apply()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_signer, petitions_mail")


def rows_read() -> int:
    """Rows of the large tables that the queries of one run read, by EXPLAIN ANALYZE."""
    with CaptureQueriesContext(connection) as captured:
        retention.apply()
    selects = [q["sql"] for q in captured.captured_queries if q["sql"].startswith("SELECT")]
    total = 0
    for query in selects:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
            ((plan,),) = cursor.fetchall()
        for node in nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]):
            if node.get("Relation Name") in LARGE:
                read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
                total += round(read * node["Actual Loops"])
    return total


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def test_a_retention_run_reads_a_constant_number_of_rows(petition: Petition) -> None:
    store_old(petition, seed=1)
    once = rows_read()
    store_old(petition, seed=2)
    assert Signature.objects.filter(confirmed_at__isnull=False).count() > 1.5 * OLD
    assert Mail.objects.count() > 1.5 * OLD

    assert rows_read() <= once < 100


def test_a_retention_run_reads_new_rows_once_and_not_per_batch(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_old(petition, seed=1)
    monkeypatch.setattr(retention, "BATCH", 10)
    newest = Signature.objects.filter(confirmed_at__isnull=False).values("pk")[:100]
    lately = timezone.now() - timedelta(hours=80)
    Signature.objects.filter(pk__in=list(newest.values_list("pk", flat=True))).update(
        confirmed_at=lately
    )
    with CaptureQueriesContext(connection) as captured:
        assert retention.truncate_timestamps() == 100
    ids = [q for q in captured.captured_queries if "FOR UPDATE" not in q["sql"]]
    selects = [q for q in ids if q["sql"].startswith("SELECT") and "signature" in q["sql"]]
    # One read for each of its two columns.
    assert len([q for q in selects if 'FROM "petitions_signature"' in q["sql"]]) == 2


def test_times_are_truncated_to_days_in_london_in_summer_too(petition: Petition) -> None:
    signature = sign_and_confirm(petition)
    # Half past midnight in London is half past eleven of the day before in UTC.
    moment = datetime(2026, 6, 10, 23, 30, tzinfo=UTC)
    Signature.objects.filter(pk=signature.pk).update(created_at=moment, confirmed_at=moment)

    assert retention.truncate_timestamps() == 2
    assert retention.truncate_timestamps() == 0

    signature.refresh_from_db()
    local = timezone.localtime(signature.created_at)
    assert local.isoformat() == "2026-06-11T00:00:00+01:00"


@pytest.mark.django_db(transaction=True)
def test_a_retention_run_skips_locked_rows(petition: Petition) -> None:
    locked, free = (sign_and_confirm(petition, somebody(number)) for number in range(2))
    ago = timezone.now() - timedelta(hours=80)
    Signature.objects.update(created_at=ago)
    Signer.objects.update(network_ix=None, domain_ix=None)
    holds, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Signature.objects.select_for_update().get(pk=locked.pk)
            holds.set()
            may_end.wait(timeout=20)
        connections.close_all()

    moderator = threading.Thread(target=hold)
    moderator.start()
    try:
        assert holds.wait(timeout=20)
        assert retention.truncate_timestamps() == 1
    finally:
        may_end.set()
        moderator.join(timeout=10)
    free.refresh_from_db()
    assert free.created_at < ago
    assert retention.truncate_timestamps() == 1
