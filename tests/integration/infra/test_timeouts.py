"""Nobody waits for ever: each kind of process has its timeouts, and the web its own limit."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.core.management.commands import migrate as django_migrate
from django.db import OperationalError, connection, connections, transaction
from pytest_django import Settings

from campaign.database import timeouts
from campaign.management.commands import migrate
from tests.pooler import direct

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[3]
_WORKER = """
import campaign.celery
from celery.signals import worker_init
worker_init.send(sender=None)
"""
_TELL = """
from django.db import connection
cursor = connection.cursor()
for name in ("statement_timeout", "lock_timeout"):
    cursor.execute(f"SHOW {name}")
    print(cursor.fetchone()[0])
"""


def shown(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize(
    ("start", "told"),
    [
        ("import campaign.wsgi", ["5s", "3s"]),
        (_WORKER, ["10min", "30s"]),
        ("import django; django.setup()", ["0", "1min"]),
    ],
    ids=["web", "worker", "command"],
)
@direct
def test_web_worker_and_commands_each_have_their_database_timeouts(
    start: str, told: list[str]
) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "campaign.settings"}
    environment |= {"DATABASE_POOLER": "0"}
    done = subprocess.run(
        [sys.executable, "-c", start + _TELL],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == told, done.stderr


@direct
def test_the_migrate_command_uses_a_short_lock_timeout_and_restores_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []
    monkeypatch.setattr(
        django_migrate.Command, "handle", lambda *_a, **_k: seen.append(shown("lock_timeout"))
    )
    call_command("migrate")

    assert seen == ["2s"]
    assert shown("lock_timeout") == "1min"


@direct
def test_database_options_override_the_default_timeouts(settings: Settings) -> None:
    settings.DATABASE_OPTIONS = "-c lock_timeout=7s"
    try:
        connection.close()
        timeouts.limit("command")
        assert shown("lock_timeout") == "7s"
    finally:
        settings.DATABASE_OPTIONS = ""
        timeouts.limit("command")
        connection.close()


def test_no_startup_options_are_sent_behind_a_pooler(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.databases["default"], "OPTIONS", {})
    settings.DATABASE_POOLER = True
    timeouts.limit("worker")
    assert connections.databases["default"]["OPTIONS"] == {}


def test_a_migration_without_its_lock_retries_and_then_explains_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def locked(*_args: object, **_kwargs: object) -> None:
        raise OperationalError from psycopg2.errors.LockNotAvailable()

    monkeypatch.setattr(django_migrate.Command, "handle", locked)
    monkeypatch.setattr(migrate, "ATTEMPTS", 3)
    monkeypatch.setattr(migrate, "PAUSE", 0)

    with pytest.raises(CommandError, match="run migrate again"):
        call_command("migrate")
    assert capsys.readouterr().err.count("A table is in use") == 3


def test_other_migration_errors_are_raised_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise OperationalError

    monkeypatch.setattr(django_migrate.Command, "handle", broken)
    with pytest.raises(OperationalError):
        call_command("migrate")


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Half a second for an answer, and a moment until the next try."""
    monkeypatch.setattr(timeouts, "PAUSE", 0.5)
    timeouts.client_timeout.limit(0.5)
    connection.close()
    try:
        yield
    finally:
        timeouts.client_timeout.remove()
        connection.close()


def ask(sql: str = "SELECT 1") -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@direct
def test_an_unresponsive_database_times_out_and_opens_the_circuit_breaker(limited: None) -> None:
    began = time.monotonic()
    with pytest.raises(OperationalError, match="has not answered"):
        ask("SELECT pg_sleep(20)")
    assert 0.4 < time.monotonic() - began < 5

    assert not connection.is_usable()
    began = time.monotonic()
    with pytest.raises(OperationalError, match="a moment ago"):
        ask()
    assert time.monotonic() - began < 0.4

    time.sleep(0.6)
    connection.close()
    ask()
    ask()


def test_an_open_circuit_breaker_lets_one_attempt_through(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = timeouts.ClientTimeout()
    monkeypatch.setattr(timeouts, "PAUSE", 0.0)
    breaker.seconds = 60
    for _time in range(3):
        breaker.check()

    breaker.open_breaker()
    breaker.check()
    for _time in range(2):
        with pytest.raises(OperationalError, match="a moment ago"):
            breaker.check()
    breaker.remove()
    for _time in range(3):
        breaker.check()


def test_the_client_timeout_allows_transactions_and_multiple_statements(limited: None) -> None:
    with transaction.atomic():
        ask("CREATE TEMPORARY TABLE kept (n int) ON COMMIT DROP")
        ask("INSERT INTO kept VALUES (1); INSERT INTO kept VALUES (2)")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1; SELECT sum(n) FROM kept")
            assert cursor.fetchone() == (3,)
