"""The whole site for fault injection, with a second worker and a second beat to start beside."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg2

from campaign.local.services import Service, beat
from tests.breakable import BreakableStack
from tests.fault.provider import HOST, Provider

# All signers come from this machine. Each sends an X-Forwarded-For of its own, and the other rate
# limits are raised: other tests are about those.
WIDE_OPEN = {"TRUSTED_PROXIES": "127.0.0.0/8", "PAGE_CACHE_SECONDS": "1"}

SURVIVORS = ("postgres", "redis", "web", "worker", "beat")


class Site(BreakableStack):
    """A site whose mail goes to `tests.fault.provider`."""

    def __init__(self, folder: Path, provider: Provider) -> None:
        self.provider = provider
        extra = {**WIDE_OPEN, "SMTP_HOST": HOST, "SMTP_PORT": str(provider.port)}
        # Their crowds sign from one network.
        super().__init__(folder, environment="test", extra={"BURST_CHALLENGE": "0", **extra})

    def make_services(self) -> list[Service]:
        made = super().make_services()
        named = {service.name: service for service in made}
        heartbeat = self.folder.root / "second-heartbeat"
        return [
            *made,
            replace(named["worker"], name="worker-2", title="Second worker"),
            replace(beat(heartbeat, named["beat"].environment), name="beat-2", title="Second beat"),
        ]

    @property
    def port(self) -> int:
        """The site's TCP port."""
        return self.web_port.number

    # --- Its parts ------------------------------------------------------------------------

    def send_signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one part, and to all that it started."""
        os.killpg(self.pid(name), number)

    def kill_at_once(self, names: tuple[str, ...]) -> None:
        """SIGKILL several parts at once, then reap them."""
        for name in names:
            self.send_signal(name, signal.SIGKILL)
        for name in names:
            self.kill(name)

    def revive(self, *names: str) -> None:
        """Restart dead parts together, and wait until all are ready."""
        self.spawn(*(self.services[name] for name in names))
        self.wait_until_ready(*names)

    def make_whole(self) -> None:
        """Restart what an earlier test has left dead."""
        if missing := [name for name in SURVIVORS if not self._is_alive(name)]:
            self.revive(*missing)

    def _is_alive(self, name: str) -> bool:
        return name in self.children and self.children[name].poll() is None

    @contextmanager
    def dead(self, *names: str) -> Iterator[None]:
        """Kill parts at once, and restart them in the end, dependencies first."""
        self.kill_at_once(names)
        try:
            yield
        finally:
            below = [name for name in names if name in {"postgres", "redis"}]
            if below:
                self.revive(*below)
            if above := [name for name in names if name not in below]:
                self.revive(*above)

    @contextmanager
    def stalled(self, name: str) -> Iterator[None]:
        """SIGSTOP a part: its sockets accept, and nothing answers."""
        self.send_signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.send_signal(name, signal.SIGCONT)

    @contextmanager
    def beside(self, *names: str) -> Iterator[None]:
        """Run additional parts inside the block."""
        self.revive(*names)
        try:
            yield
        finally:
            for name in names:
                self.halt(name)

    @contextmanager
    def under(self, **environment: str) -> Iterator[None]:
        """Restart all parts but Redis with additional environment variables."""
        usual = dict(self.services)
        for name, service in usual.items():
            if name != "redis":
                more = {**service.environment, **environment}
                self.services[name] = replace(service, environment=more)
        try:
            self._again()
            yield
        finally:
            self.services = usual
            self._again()

    def _again(self) -> None:
        front = ("beat", "worker", "web")
        for name in (*front, "postgres"):
            self.halt(name)
        self.revive("postgres")
        self.revive(*front)

    # --- Its disk -------------------------------------------------------------------------

    @contextmanager
    def small_disk(self, megabytes: int) -> Iterator[Path]:
        """Mount a small file system, which PostgreSQL may write to."""
        disk = self.folder.root / "small-disk"
        disk.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none", disk], check=True
        )
        try:
            owner = self.folder.postgres.stat().st_uid
            shutil.chown(disk, owner, owner)
            yield disk
        finally:
            subprocess.run(["umount", disk], check=True)
            disk.rmdir()

    @contextmanager
    def write_ahead_log_on(self, disk: Path) -> Iterator[None]:
        """Move PostgreSQL's write-ahead log (WAL) to another disk."""
        with self._moved(self.folder.postgres / "pg_wal", disk / "pg_wal"):
            yield

    @contextmanager
    def tables_on(self, disk: Path) -> Iterator[None]:
        """Move all of PostgreSQL's tables to another disk, temporary files included."""
        with self._moved(self.folder.postgres / "base", disk / "base"):
            yield

    @contextmanager
    def _moved(self, usual: Path, other: Path) -> Iterator[None]:
        """Move a folder of PostgreSQL, and back again; it is stopped for each move."""
        self.halt("postgres")
        _move(usual, other)
        usual.symlink_to(other)
        self.revive("postgres")
        try:
            yield
        finally:
            self.halt("postgres")
            usual.unlink()
            _move(other, usual)
            self.revive("postgres")

    def exhaust_write_ahead_log(self) -> bool:
        """Switch to the next WAL file; whether that has ended PostgreSQL."""
        with suppress(psycopg2.Error):
            self.sql_once(
                "SELECT pg_switch_wal()", "SELECT pg_logical_emit_message(false, 'x', 'x')"
            )
        return not self.has_a_database()

    def revive_database(self) -> None:
        """Restart PostgreSQL, if it has ended by itself."""
        if not eventually(self.has_a_database, 5):
            self.kill("postgres")
            self.revive("postgres")

    # --- Its database ---------------------------------------------------------------------

    def sql(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements in autocommit; the rows of the last. Retries while the database is
        breaking or recovering.
        """
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.sql_once(*statements)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def sql_once(self, *statements: str) -> list[tuple[object, ...]]:
        """The same without retries: raises if the database breaks."""
        connection = psycopg2.connect(
            host=str(self.folder.sockets), user="undersigned", dbname="undersigned"
        )
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def has_a_database(self) -> bool:
        """Whether PostgreSQL answers."""
        return self.services["postgres"].is_ready()

    def logs(self) -> bytes:
        """All that its parts have logged."""
        return b"".join(file.read_bytes() for file in self.folder.logs.glob("*.log"))


def _move(folder: Path, to: Path) -> None:
    """Move a folder to another file system, with its owner."""
    owner = folder.stat().st_uid
    shutil.copytree(folder, to)
    for path in (to, *to.rglob("*")):
        shutil.chown(path, owner, owner)
    shutil.rmtree(folder)


def eventually(check: Callable[[], bool], seconds: float = 30) -> bool:
    """Poll until a condition holds; False after so many seconds."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def fill(folder: Path) -> Path:
    """Fill a file system to its last byte; the file whose removal empties it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return ballast
