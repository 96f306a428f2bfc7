"""Timeouts: a database that does not answer, and a migration that waits for a lock."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import psycopg2
import pytest

from tests import SLUG
from tests.fault.provider import HOST
from tests.fault.site import Site, eventually
from tests.people import typed

pytestmark = pytest.mark.fault

ROOT = Path(__file__).resolve().parents[2]
PAGE = f"/petitions/{SLUG}/"
# Seconds: the web's statement_timeout and its grace; `SLACK` is for a busy machine.
LIMIT = 6.0
SLACK = 3.0


@dataclass
class Seen:
    """The responses to one repeated request: when, what, how late."""

    answers: list[tuple[float, int, float]] = field(default_factory=list)

    @property
    def statuses(self) -> set[int]:
        return {status for _at, status, _took in self.answers}

    @property
    def slowest(self) -> float:
        return max(took for _at, _status, took in self.answers)

    def since(self, moment: float) -> "Seen":
        """Those requested after a moment."""
        return Seen([answer for answer in self.answers if answer[0] > moment])


class Crowd:
    """People who read and sign, each over and over, until the block ends."""

    def __init__(self, site: Site) -> None:
        self.pages, self.signings = Seen(), Seen()
        self._site, self._is_over = site, threading.Event()
        reading = [threading.Thread(target=self._repeat, args=[self._read]) for _ in range(4)]
        signing = [
            threading.Thread(target=self._repeat, args=[self._sign_as(number)])
            for number in range(8)
        ]
        self._threads = reading + signing

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(60)

    def _repeat(self, act: Callable[[], None]) -> None:
        while not self._is_over.wait(0.1):
            act()

    def _read(self) -> None:
        self._note(self.pages, "GET", PAGE)

    def _sign_as(self, number: int) -> Callable[[], None]:
        turns = iter(range(10_000))

        def sign() -> None:
            turn = next(turns)
            form = typed(email=f"p{turn}@mail{number}-{time.monotonic_ns()}.example.org")
            network = f"2001:db8:{number:x}:{turn:x}::1"
            self._note(self.signings, "POST", PAGE, urlencode(form), network)

        return sign

    def _note(
        self, seen: Seen, method: str, path: str, body: str | None = None, network: str = "::2"
    ) -> None:
        at = time.monotonic()
        status = ask(self._site, method, path, body, network)
        seen.answers.append((at, status, time.monotonic() - at))


def ask(site: Site, method: str, path: str, body: str | None = None, network: str = "::2") -> int:
    """The status of one request over a connection of its own."""
    connection = http.client.HTTPConnection(HOST, site.port, timeout=60)
    headers = {"Sec-Fetch-Site": "same-origin", "X-Forwarded-For": network}
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection.request(method, path, body, headers)
        with connection.getresponse() as response:
            response.read()
            return response.status
    finally:
        connection.close()


@contextmanager
def frozen(site: Site) -> Iterator[None]:
    """SIGSTOP all processes of PostgreSQL: it accepts connections, and nothing answers."""
    stopped = site.processes_of("postgres")
    _signal(stopped, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(stopped, signal.SIGCONT)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        # A backend may have ended meanwhile; the others must not be left standing for it.
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def warm(site: Site) -> None:
    """Warm the page caches of both processes."""
    for _time in range(40):
        assert ask(site, "GET", PAGE) == 200


def test_pages_are_served_and_signing_gets_503_while_the_database_is_frozen(site: Site) -> None:
    warm(site)
    with Crowd(site) as crowd:
        time.sleep(1)
        began = time.monotonic()
        with frozen(site):
            time.sleep(LIMIT + 8)
            assert ask(site, "GET", "/ready") == 200
            assert ask(site, "GET", "/health") == 503
            ended = time.monotonic()
        assert eventually(lambda: ask(site, "GET", "/health") == 200)
        well_since = time.monotonic()
        time.sleep(1)

    assert crowd.pages.statuses == {200}
    signings = Seen([a for a in crowd.signings.since(began).answers if a[0] < ended])
    assert 503 in signings.statuses
    # The first requests held a thread until the timeout; others may have queued behind.
    assert crowd.pages.slowest < LIMIT + SLACK
    assert signings.slowest < 2 * LIMIT + SLACK
    # From then on one thread of each process waits, and the others answer at once.
    later = began + LIMIT + SLACK
    assert crowd.pages.since(later).slowest < SLACK
    quick = [took for at, _status, took in signings.since(later).answers if at < ended]
    assert len(quick) > 20
    assert sorted(quick)[len(quick) // 2] < 0.5
    assert crowd.signings.since(well_since).statuses == {303}
    print_figures("PostgreSQL stands still", crowd, signings)


def test_a_migration_waiting_behind_a_dump_delays_signers_only_briefly(
    site: Site, tmp_path: Path
) -> None:
    log = tmp_path / "migrate.log"
    with Crowd(site) as crowd, dumping(site) as dump:
        time.sleep(0.5)
        with migrating(site, log) as process:
            assert eventually(lambda: b"A table is in use" in log.read_bytes(), seconds=90)
            time.sleep(6)
            assert process.poll() is None
            dump.rollback()
            assert process.wait(30) == 0

    assert crowd.signings.statuses == {303}
    assert 1 < crowd.signings.slowest < 2 + SLACK
    assert b"trying again (attempt 1)" in log.read_bytes()
    print_figures("a migration behind a dump", crowd, crowd.signings)


def test_a_migration_with_a_long_lock_timeout_makes_signing_fail(
    site: Site, tmp_path: Path
) -> None:
    """Their own lock_timeout spares them the worst."""
    with Crowd(site) as crowd, dumping(site) as dump:
        time.sleep(0.5)
        with migrating(site, tmp_path / "log", MIGRATE_LOCK_TIMEOUT="60") as process:
            assert eventually(lambda: 503 in crowd.signings.statuses, seconds=90)
            dump.rollback()
            assert process.wait(30) == 0


@contextmanager
def dumping(site: Site) -> Iterator[psycopg2.extensions.connection]:
    """A transaction that holds the locks of pg_dump until the block ends."""
    connection = psycopg2.connect(
        host=str(site.folder.sockets), user="undersigned", dbname="undersigned"
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE petitions_signature IN ACCESS SHARE MODE")
        yield connection
    finally:
        connection.close()


@contextmanager
def migrating(site: Site, log: Path, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`manage.py migrate`, with one more migration, which locks the table of signatures."""
    site.sql("DELETE FROM django_migrations WHERE app = 'locking'")
    more = {"DJANGO_SETTINGS_MODULE": "tests.fault.locking.settings", **settings}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "locking"],
            cwd=ROOT,
            env={**os.environ, **site.environment, **more},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def print_figures(fault: str, crowd: Crowd, signings: Seen) -> None:
    """Print the figures, for a run with -s."""
    refused = sum(status == 503 for _at, status, _took in signings.answers)
    print(  # noqa: T201
        f"\n{fault}: {len(crowd.pages.answers)} pages, slowest {crowd.pages.slowest:.2f} s; "
        f"{len(signings.answers)} signings, {refused} of them 503, slowest {signings.slowest:.2f} s"
    )
