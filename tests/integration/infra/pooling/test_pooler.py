"""Everything at once, behind a real PgBouncer that gives out connections by the transaction.

More clients than it has connections, so that nobody has the same one twice in a row.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from petitions.counting import tallies
from petitions.handover import exports
from petitions.infra.locks import lease
from petitions.models import Export, Petition, Rule, Signature, Signer
from petitions.moderation import decisions
from petitions.privacy import retention
from petitions.screening import rules
from petitions.screening.screen import Evidence
from petitions.signatures import find, signing_sql
from petitions.signatures.signing_sql import Prepared
from tests.environment import STACK
from tests.integration.conftest import SAME_ORIGIN
from tests.people import sign, sign_and_confirm, somebody, typed
from tests.pooler import Pooler, in_between, skip_without
from tests.sweeps import run_all

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = 8
SIZE = 3
Action = Callable[[], object]


@pytest.fixture
def pooler(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooler]:
    """PgBouncer between this process and the tests' PostgreSQL."""
    skip_without()
    # Its socket's path must be short.
    folder = Path(tmp_path_factory.mktemp("p"))
    pooler = Pooler(folder, STACK.folder.sockets, size=SIZE).wait()
    settings.DATABASE_POOLER = True
    try:
        with in_between(pooler):
            yield pooler
    finally:
        pooler.stop()


def meanwhile(*actions: Action, seconds: float = 0.0, times: int = 0) -> Counter[str]:
    """Each action again and again in a thread of its own; what they raised, and how often."""
    raised: Counter[str] = Counter()
    deadline = time.monotonic() + seconds

    def run(action: Action) -> None:
        done = 0
        try:
            while done < times or time.monotonic() < deadline:
                done += 1
                try:
                    action()
                except Exception as error:  # noqa: BLE001 - the test looks at all of them
                    raised[f"{type(error).__name__} {str(error)[:20]}"] += 1
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return raised


def test_server_side_cursors_fail_behind_pgbouncer(pooler: Pooler, petition: Petition) -> None:
    """What settings forbid: it shows that this pooler would have found it."""
    connections.databases["default"]["DISABLE_SERVER_SIDE_CURSORS"] = False
    sign(petition)

    def read() -> None:
        for _one in Signature.objects.all().iterator(chunk_size=1):
            pass

    assert meanwhile(*[read] * CLIENTS, times=40)


def test_session_advisory_locks_fail_behind_pgbouncer(pooler: Pooler, petition: Petition) -> None:
    def lock() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(1, 1)")
            if cursor.fetchone() == (True,):
                cursor.execute("SELECT pg_advisory_unlock(1, 1)")
                assert cursor.fetchone() == (True,)

    assert "AssertionError " in " ".join(meanwhile(lock, *[petition.refresh_from_db] * 6, times=80))


def test_prepared_statements_fail_behind_pgbouncer(pooler: Pooler, settings: Settings) -> None:
    settings.DATABASE_POOLER = False
    statement = Prepared("one", "SELECT %(a)s::int")

    def ask() -> None:
        with connection.cursor() as cursor:
            signing_sql.run(cursor, {"a": 1}, statement)

    assert meanwhile(*[ask] * CLIENTS, times=20)


def test_pgbouncer_refuses_startup_parameters_and_sets_timeouts_itself(pooler: Pooler) -> None:
    """So none is sent behind a pooler: the pool's `connect_query` sets the timeouts."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("30s",)
    connection.close()
    connections.databases["default"]["OPTIONS"]["options"] = "-c lock_timeout=2s"
    with pytest.raises(OperationalError, match="unsupported startup parameter"):
        connection.ensure_connection()


def test_signing_moderating_exporting_and_sweeps_run_concurrently_behind_pgbouncer(
    pooler: Pooler, petition: Petition, moderator: User, settings: Settings
) -> None:
    """Signing, confirming, finding, moderating, exporting and all sweeps, and nothing fails."""
    settings.BURST_CHALLENGE = 0
    Rule.objects.bulk_create(
        Rule(kind=Rule.Kind.DOMAIN, action=Rule.Action.BLOCK, pattern=f"d{n}.example")
        for n in range(50)
    )
    numbers = iter(range(10_000))
    # Two, so that an export is never empty while one of them is removed.
    stand = [sign_and_confirm(petition, somebody(next(numbers))) for _ in range(2)]

    def signs_by_the_form() -> None:
        rules.invalidate()
        number = next(numbers)
        form = typed(name=f"Person {number}", email=f"p{number}@mail{number}.example")
        answer = Client(headers=SAME_ORIGIN).post("/petitions/protect/", form)
        assert answer.status_code == 303, answer.status_code

    def signs_and_confirms() -> None:
        stand.append(sign_and_confirm(petition, somebody(next(numbers))))

    def finds() -> None:
        find.request_links(address="p0@mail0.example", language="en", evidence=Evidence())

    def moderates() -> None:
        for kind in ("remove", "restore"):
            decisions.decide(
                kind=kind,
                petition=petition,
                ids=[stand[0].pk],
                reason="other",
                note="",
                actor=moderator,
            )

    def exports_all() -> None:
        export = exports.start(
            export=Export(petition=petition, purpose="hand-in", why="test"),
            actor=None,
            screen="test",
        )
        assert b"".join(exports.stream(export)).count(b"\n") > 1

    raised = meanwhile(
        signs_by_the_form, signs_by_the_form, signs_and_confirms, finds, moderates, exports_all,
        run_all, run_all, seconds=6,
    )  # fmt: skip

    assert not raised
    assert tallies.differences(petition.pk) == {}
    assert tallies.total(petition.pk) == Signature.objects.filter(state="confirmed").count() > 10


def test_a_lease_is_exclusive_and_released_behind_pgbouncer(
    pooler: Pooler, petition: Petition
) -> None:
    inside, most, taken = 0, 0, 0
    count = threading.Lock()

    def work() -> None:
        nonlocal inside, most, taken
        with lease("raise-alerts") as is_acquired:
            if not is_acquired:
                return
            with count:
                inside += 1
                most, taken = max(most, inside), taken + 1
            petition.refresh_from_db()
            with count:
                inside -= 1

    assert not meanwhile(*[work] * CLIENTS, times=40)
    assert most == 1
    assert taken > 10
    with lease("raise-alerts") as is_acquired:
        assert is_acquired


def test_concurrent_erasures_of_origins_succeed_behind_pgbouncer(
    pooler: Pooler, petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several at once, who read ids in one go and erase in batches."""
    monkeypatch.setattr(retention, "BATCH", 4)
    monkeypatch.setattr(retention, "MAX_IDS_READ", 12)
    for number in range(30):
        sign(petition, somebody(number))
    Signer.objects.update(network_ix=bytes(16))
    ago = timezone.now() - retention.KEPT_OF_ORIGIN - timedelta(days=1)
    Signature.objects.update(created_at=ago)

    assert not meanwhile(*[retention.erase_origins] * CLIENTS, times=1)

    assert Signer.objects.count() == 30
    assert not Signer.objects.exclude(network_ix=None, domain_ix=None).exists()
