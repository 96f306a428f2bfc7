"""The whole stack, or some of it, as one object.

    with Stack(Path("/tmp/somewhere")).start(only=("postgres", "redis", "smtp")) as stack:
        os.environ.update(stack.environment)

1. Lock the folder, start the guard, and stop processes that a killed stack may have left.
2. Start PostgreSQL, Redis and the mailbox at the same time, and `prepare`: it makes catalogues and
   static files, and then, once PostgreSQL answers, the database.
3. Start web and worker once the tables exist, and beat when those are ready.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import quote

from campaign.local import services
from campaign.local.folder import Folder, StackError, write_private
from campaign.local.postgres import NAME, postgres
from campaign.local.process import ROOT, spawn, stop_all
from campaign.local.services import HOST, Port, Service

BASE: tuple[str, ...] = ("postgres", "redis", "smtp")
ALL: tuple[str, ...] = (*BASE, "web", "worker", "beat")

# The line that `campaign.local.prepare` prints when the tables exist.
MIGRATED = "Database is migrated"

# Seconds that a service may take to be ready, on a slow disk.
PATIENCE = 120.0
_PAUSE = 0.05

# Allow-list of inherited variables. All others that the settings read are set here, so that
# variables exported for a real installation cannot reach the local one. With
# PYTHONDONTWRITEBYTECODE every process would compile all imports again, so it is not inherited.
_INHERITED = (
    "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LOG_LEVEL", "PATH", "PYTHONPYCACHEPREFIX",
    "PYTHONWARNINGS", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "PAGE_CACHE_SECONDS",
    "WEB_THREADS", "WEB_WORKERS",
)  # fmt: skip


class Stack:
    """Real PostgreSQL, Redis, SMTP, web, worker and beat, whose state is below one folder.

    `environment` is the value of ENVIRONMENT, local or test. `extra` adds or overrides variables of
    Django's processes. `report` is called with each line about the start.
    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        environment: str = "test",
        extra: Mapping[str, str] | None = None,
        report: Callable[[str], object] = lambda _line: None,
    ) -> None:
        self.folder = Folder(folder)
        self.mailbox = self.folder.mailbox
        self.services: dict[str, Service] = {}
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.guard: subprocess.Popen[bytes] | None = None
        self._report = report
        self._kind = environment
        self._extra = dict(extra or {})
        self._wanted_port = port

    @property
    def site_url(self) -> str:
        """The base URL of the site, without a trailing slash."""
        return f"http://{HOST}:{self.web_port.number}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that Django's settings need, to add to a process's environment."""
        return {
            "DJANGO_SETTINGS_MODULE": "campaign.settings",
            "ENVIRONMENT": self._kind,
            **self.folder.secrets(),
            "SITE_URL": self.site_url,
            "ALLOWED_HOSTS": f"{HOST},localhost",
            "DATABASE_URL": f"postgres://{NAME}@{quote(str(self.folder.sockets), safe='')}/{NAME}",
            "REDIS_URL": f"unix://{self.folder.redis_socket}",
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(self._smtp_port.number),
            "MAIL_FROM": "post@example.org",
            "LOCAL_MAILBOX": str(self.mailbox),
            "STATIC_ROOT": str(self.folder.static),
            "BEAT_HEARTBEAT_FILE": str(self.folder.beat_heartbeat),
            **self._extra,
        }

    @property
    def admin_password(self) -> str:
        """The password of the administrator `admin`, after `prepare`."""
        return self.folder.admin_password.read_text().strip()

    def start(self, only: Collection[str] = ALL) -> Self:
        """Start the named services and wait until they are ready. If one fails, stop and raise."""
        if unknown := set(only) - set(ALL):
            raise ValueError(f"no such service: {sorted(unknown)}")
        self.folder.make()
        descriptor = self.folder.lock()
        try:
            self._take_over(descriptor)
            self._start(only)
            write_private(self.folder.environment, json.dumps(self.environment))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything, PostgreSQL last, and release the folder. Idempotent."""
        # Without a guard this stack does not have the folder, and another stack may be using it.
        if self.guard:
            stop_all(self.folder.root)
            for child in self.children.values():
                child.wait()
            self.children.clear()
            for service in self.services.values():
                if service.port:
                    service.port.close()
            assert self.guard.stdin
            self.guard.stdin.close()
            self.guard.wait()
            self.guard = None
            self.folder.environment.unlink(missing_ok=True)
            self.folder.remove_sockets()
        self.folder.unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def prepare(self) -> None:
        """Migrate, collect static files, load the campaign, make the administrator."""
        self.spawn(self.services["prepare"])
        self._finish_prepare()

    def check(self) -> None:
        """Raise `StackError` if a process or the guard has ended by itself."""
        if self.guard is None or self.guard.poll() is not None:
            raise StackError("The stack's guard was killed, and nothing is safe without it.")
        for name, child in self.children.items():
            if child.poll() is None or (name == "prepare" and child.returncode == 0):
                continue
            log = self.folder.logs / f"{name}.log"
            lines = log.read_text("utf-8", "replace").splitlines()[-15:]
            raise StackError(
                f"{name} ended by itself (exit code {child.returncode})."
                f" The end of {log}:\n    " + "\n    ".join(lines)
            )

    def spawn(self, *started: Service) -> None:
        """Start services, but do not wait for them: see `wait_until_ready`."""
        for service in started:
            service.clean()
            listener = service.port.take() if service.port else None
            bind = {"BIND": f"fd://{listener.fileno()}"} if listener else {}
            self.children[service.name] = spawn(
                service.command,
                folder=self.folder.root,
                stage=service.stage,
                environment={**service.environment, **bind},
                log=self.folder.logs / f"{service.name}.log",
                inherited=listener,
            )
            if listener:
                listener.close()

    def wait_until_ready(self, *names: str) -> None:
        """Wait until spawned services are ready. Raises `StackError`."""
        waiting = list(names)
        deadline = time.monotonic() + PATIENCE
        while waiting:
            self.check()
            for service in [self.services[name] for name in waiting]:
                if service.is_ready():
                    waiting.remove(service.name)
                    self._report(f"{service.title} is ready")
            if time.monotonic() > deadline:
                raise StackError(f"Not ready after {PATIENCE:.0f} s: {', '.join(waiting)}.")
            time.sleep(_PAUSE if waiting else 0)

    def _take_over(self, guard_lock: int) -> None:
        """Start the guard, and stop what is left of a stack that was killed with its guard."""
        for old in self.folder.logs.glob("*.log"):
            old.unlink()
        with (self.folder.logs / "guard.log").open("wb") as log:
            self.guard = subprocess.Popen(
                [sys.executable, "-m", "campaign.local.process", self.folder.root],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=_base_environment(),
                pass_fds=[guard_lock],
                start_new_session=True,
            )
        stop_all(self.folder.root)

    def _start(self, only: Collection[str]) -> None:
        self.web_port, self._smtp_port = Port(self._wanted_port), Port()
        self.services = {service.name: service for service in self.make_services()}
        base = [name for name in BASE if name in only]
        front = [name for name in ("web", "worker") if name in only]
        self.spawn(*(self.services[name] for name in base))
        if front:
            self.spawn(self.services["prepare"])
        self.wait_until_ready(*base)
        if front:
            self._finish_prepare(front)
            self.wait_until_ready(*front)
        if "beat" in only:
            # Started last and not waited for, to save CPU time: signing wakes the worker, too. If
            # beat ends, `check` reports it.
            self.spawn(self.services["beat"])

    def make_services(self) -> list[Service]:
        """Return all services, each with its environment."""
        base = _base_environment()
        django = {**base, **self.environment}
        prepare: list[str | Path] = [
            sys.executable,
            "-m",
            "campaign.local.prepare",
            self.folder.admin_password,
        ]
        return [
            postgres(self.folder, base),
            services.redis(self.folder, base),
            services.smtp(self.folder, base, self._smtp_port),
            services.web(django, self.web_port),
            services.worker(self.folder, django),
            services.beat(self.folder.beat_heartbeat, django),
            Service("prepare", "Set-up", prepare, django, lambda: False),
        ]

    def _finish_prepare(self, front: Collection[str] = ()) -> None:
        """Wait until `prepare` has succeeded, and report its lines.

        Web and worker start as soon as the tables exist, because their imports take seconds.
        """
        child = self.children["prepare"]
        with (self.folder.logs / "prepare.log").open() as lines:
            has_ended = False
            while not has_ended:
                has_ended = child.poll() is not None
                self.check()
                for line in lines:
                    self._report(line.rstrip())
                    if line.rstrip() == MIGRATED:
                        self.spawn(*(self.services[name] for name in front))
                time.sleep(0 if has_ended else _PAUSE)
        del self.children["prepare"]


def _base_environment() -> dict[str, str]:
    """Return the part of our own environment that any process may inherit."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1"}
