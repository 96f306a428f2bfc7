"""The whole stack, or some of it, as one object.

    with Stack(Path("/tmp/somewhere")).start(only=("postgres", "redis", "smtp")) as stack:
        os.environ.update(stack.environment)

1. Lock the folder; stop what a killed stack may have left in it.
2. Start PostgreSQL, Redis and the mailbox beside each other, and meanwhile prepare:
   catalogues and static files first, then, once PostgreSQL answers, the database.
3. Start web and worker when all that is done, and beat when they are ready.

Every process is known to the guard before it runs: see `campaign.local.process`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM
from types import TracebackType
from typing import Self

from campaign.local import keys
from campaign.local.errors import ChildCrashed, StackError
from campaign.local.folder import Folder
from campaign.local.postgres import Postgres
from campaign.local.process import (
    Child,
    Process,
    offspring,
    open_gate,
    spawn,
    stop,
    wait_until_gone,
)
from campaign.local.services import (
    FRONT,
    HOST,
    Beat,
    Port,
    Redis,
    Service,
    Smtp,
    Web,
    Worker,
)

BASE: tuple[str, ...] = ("postgres", "redis", "smtp")
ALL: tuple[str, ...] = (*BASE, "web", "worker", "beat")

# The line that `campaign.local.prepare` prints when the tables are there.
MIGRATED = "Database is migrated"

# How long a service may take until it is ready, in seconds: slow disks exist.
PATIENCE = 120.0
_PAUSE = 0.05

# Allow-list of inherited variables. Everything else that settings read is set here, so that
# variables exported for a real installation cannot reach the local one. Not passed on:
# PYTHONDONTWRITEBYTECODE, or every process would compile all it imports anew.
_INHERITED = (
    "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LOG_LEVEL", "PATH", "PYTHONPYCACHEPREFIX",
    "PYTHONWARNINGS", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "PAGE_CACHE_SECONDS",
    "WEB_THREADS", "WEB_WORKERS",
)  # fmt: skip

Report = Callable[[str], None]


def _silence(line: str) -> None:
    """The default `report`, which discards the line."""


class Stack:
    """Real PostgreSQL, Redis, SMTP, web, worker and beat, whose state is below one folder.

    `environment` is ENVIRONMENT's value, local or test; `extra` adds to or overrides the
    variables of Django's processes; `report` is told, a line at a time, how starting goes.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        environment: str = "test",
        extra: Mapping[str, str] | None = None,
        report: Report = _silence,
    ) -> None:
        self.folder = Folder(folder)
        self.mailbox = self.folder.mailbox
        self._report = report
        self._kind = environment
        self._extra = dict(extra or {})
        self._wanted_port = port
        self._children: dict[str, Child] = {}
        self._services: dict[str, Service] = {}
        self._ports: list[Port] = []
        self._guard: subprocess.Popen[str] | None = None

    # --- Properties -----------------------------------------------------------------------

    @property
    def site_url(self) -> str:
        """The base URL of the site, without a trailing slash."""
        return f"http://{HOST}:{self._web_port.number}"

    @property
    def environment(self) -> dict[str, str]:
        """All that Django's settings need, to be added to a process's environment."""
        return {
            "DJANGO_SETTINGS_MODULE": "campaign.settings",
            "ENVIRONMENT": self._kind,
            **keys.load_or_make(self.folder.secrets),
            "SITE_URL": self.site_url,
            "ALLOWED_HOSTS": f"{HOST},localhost",
            "DATABASE_URL": self._postgres.url,
            "REDIS_URL": self._redis.url,
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(self._smtp.port.number),
            "MAIL_FROM": "post@example.org",
            "LOCAL_MAILBOX": str(self.mailbox),
            "STATIC_ROOT": str(self.folder.static),
            "BEAT_HEARTBEAT_FILE": str(self.folder.beat_heartbeat),
            **self._extra,
        }

    @property
    def admin_password(self) -> str:
        """The password of the administrator `admin`, once prepared."""
        return self.folder.admin_password.read_text().strip()

    # --- Starting and stopping ------------------------------------------------------------

    def start(self, only: Collection[str] = ALL) -> Self:
        """Start the named services and wait until they are ready; if one fails, stop all, raise."""
        if unknown := set(only) - set(ALL):
            raise ValueError(f"no such service: {sorted(unknown)}")
        self.folder.make()
        descriptor = self.folder.lock()
        try:
            self._take_over(descriptor)
            self._start(only)
            keys.write_private(self.folder.environment, json.dumps(self.environment))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything, PostgreSQL last, and release the folder. Idempotent."""
        self._stop(list(self._children.values()))
        for port in self._ports:
            port.close()
        if self._guard:
            assert self._guard.stdin
            with suppress(BrokenPipeError):
                self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
            # Only who had the folder may tidy it: another stack may have it now.
            self.folder.environment.unlink(missing_ok=True)
            self.folder.remove_sockets()
        self.folder.unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def prepare(self) -> None:
        """Migrate, collect static files, load the campaign, make the administrator."""
        self._spawn_prepare()
        self._finish_prepare()

    # --- One service ----------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """SIGKILL a service and all its processes, as a crash would end them."""
        child = self._children[name]
        # PostgreSQL's processes are in groups of their own and notice by themselves.
        below = [each.pid for each in offspring(child.process.pid)]
        child.process.kill_group()
        child.popen.wait()
        wait_until_gone(below)
        self._forget(child)

    def halt(self, name: str) -> None:
        """Stop a service gracefully."""
        self._stop([self._children[name]])

    def restart(self, name: str) -> None:
        """Start a service again and wait until it is ready, stopping it first if it runs."""
        if name in self._children:
            self.halt(name)
        self._spawn(self._services[name])
        self._wait_until_ready(name)

    def pid(self, name: str) -> int:
        """The PID of a service's first process, for tests."""
        return self._children[name].process.pid

    def check(self) -> None:
        """Raise `ChildCrashed` if a process has ended by itself, `StackError` if the guard has."""
        if self._guard is None or self._guard.poll() is not None:
            raise StackError("The stack's guard was killed, and nothing is safe without it.")
        for child in list(self._children.values()):
            if child.has_failed():
                self._forget(child)
                raise ChildCrashed(
                    f"{child.name} ended by itself (exit code {child.popen.returncode})."
                    f" The end of {child.log}:\n{child.last_lines()}"
                )

    # --- Internals ------------------------------------------------------------------------

    def _take_over(self, lock: int) -> None:
        """Start the guard, and stop what is left of a stack whose guard was killed too."""
        for old in self.folder.logs.glob("*.log"):
            old.unlink()
        with (self.folder.logs / "guard.log").open("wb") as log:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "campaign.local.guard"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).resolve().parents[2],
                env=_base_environment(),
                pass_fds=[lock],
                start_new_session=True,
                text=True,
                bufsize=1,
            )
        files = list(self.folder.processes.glob("*.json"))
        noted = [Process.from_json(file.read_text(errors="replace")) for file in files]
        stop(process for process in noted if process)
        for file in files:
            file.unlink()

    def _start(self, only: Collection[str]) -> None:
        self._make_services()
        self._spawn_all([name for name in BASE if name in only])
        front = [name for name in ("web", "worker") if name in only]
        if front:
            self._spawn_prepare()
        self._wait_until_ready(*[name for name in BASE if name in only])
        if front:
            self._finish_prepare(front)
            self._wait_until_ready(*front)
        if "beat" in only:
            # Not waited for, nor is the CPU time that its start takes: signing wakes the worker
            # too. If it ends, `check` says so as of any other.
            self._spawn(self._services["beat"])

    def _make_services(self) -> None:
        base = _base_environment()
        self._web_port = Port(self._wanted_port)
        self._ports = [self._web_port]
        self._postgres = Postgres(self.folder, base)
        self._redis = Redis(self.folder, base)
        self._smtp = Smtp(self.folder, base)
        self._ports.append(self._smtp.port)
        django = {**base, **self.environment}
        services = [
            self._postgres,
            self._redis,
            self._smtp,
            Web(self._web_port, django),
            Worker(self._redis, django),
            Beat(self.folder.beat_heartbeat, django),
        ]
        self._services = {service.name: service for service in services}
        self._django = django

    def _spawn_all(self, names: Collection[str]) -> None:
        for name in names:
            self._spawn(self._services[name])

    def _spawn(self, service: Service) -> None:
        service.prepare()
        listener = service.listener()
        log = self.folder.logs / f"{service.name}.log"
        popen = spawn(
            service.command(),
            log=log,
            environment=service.environment(),
            sockets=[listener] if listener else [],
            user=service.user,
        )
        if listener:
            listener.close()
        process = Process.now(service.name, popen.pid, service.stage, service.signal)
        self._admit(process, popen, log)

    def _admit(
        self,
        process: Process,
        popen: subprocess.Popen[bytes],
        log: Path,
        *,
        may_end: bool = False,
    ) -> None:
        """Register it with the guard and, on disk, for the next stack; only then let it run."""
        self._children[process.name] = Child(process, popen, log, may_end=may_end)
        self._tell_guard("+" + process.to_json())
        (self.folder.processes / f"{process.name}.json").write_text(process.to_json())
        open_gate(popen)

    def _forget(self, child: Child) -> None:
        self._children.pop(child.name, None)
        self._tell_guard(f"-{child.process.pid}")
        (self.folder.processes / f"{child.name}.json").unlink(missing_ok=True)

    def _tell_guard(self, line: str) -> None:
        assert self._guard
        assert self._guard.stdin
        with suppress(BrokenPipeError):  # `check` will notice that it has gone.
            self._guard.stdin.write(line + "\n")

    def _stop(self, children: list[Child]) -> None:
        stop(child.process for child in children)
        for child in children:
            child.popen.wait()
            self._forget(child)

    def _wait_until_ready(self, *names: str) -> None:
        waiting = set(names)
        deadline = time.monotonic() + PATIENCE
        while waiting:
            self.check()
            for name in sorted(waiting):
                if self._services[name].is_ready():
                    waiting.remove(name)
                    self._report(f"{self._services[name].title} is ready")
            if time.monotonic() > deadline:
                raise StackError(f"Not ready after {PATIENCE:.0f} s: {', '.join(waiting)}.")
            time.sleep(_PAUSE if waiting else 0)

    def _spawn_prepare(self) -> None:
        log = self.folder.logs / "prepare.log"
        log.unlink(missing_ok=True)
        command: list[str | Path] = [sys.executable, "-m", "campaign.local.prepare"]
        command.append(self.folder.admin_password)
        popen = spawn(command, log=log, environment=self._django)
        process = Process.now("prepare", popen.pid, FRONT, SIGTERM)
        self._admit(process, popen, log, may_end=True)

    def _finish_prepare(self, front: Collection[str] = ()) -> None:
        """Wait until `prepare` has succeeded, and report its lines.

        Web and worker take seconds to import, so they begin once the tables are there.
        """
        child = self._children["prepare"]
        with child.log.open() as lines:
            while True:
                has_ended = not child.is_alive()
                self.check()
                for line in lines:
                    self._report(line.rstrip())
                    if line.rstrip() == MIGRATED:
                        self._spawn_all(front)
                if has_ended:
                    break
                time.sleep(_PAUSE)
        self._forget(child)


def _base_environment() -> dict[str, str]:
    """The part of our own environment that any process may have."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1"}
