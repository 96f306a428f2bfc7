"""Supervision of child processes: always stopped, by us, or by the guard if we are killed.

Each child leads its own session, so that Ctrl-C in the terminal reaches us alone and the order
of stopping stays ours. A child waits at a gate until the guard knows of it: however early we
are killed, either the guard stops the child or the gate never opens.

PIDs are reused, so one alone identifies no process. Before a signal is sent, the start time and
the boot id must be those that were noted with the PID.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from campaign.local.errors import StackError

if TYPE_CHECKING:
    import psutil

# How long a child may take to stop when it is asked to, in seconds.
PATIENCE = 12.0
_PAUSE = 0.02

# `read` fails at the end of its input, that is when the process that opens the gate has died.
_GATE = ["/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "gate"]


@dataclass(frozen=True)
class Process:
    """A process by PID and identity, which leads a session of its own."""

    name: str
    pid: int
    stage: int  # Higher stages stop first.
    signal: int  # For a graceful stop.
    identity: str  # See `identity`.

    @classmethod
    def now(cls, name: str, pid: int, stage: int, asks: int) -> "Process":
        """The process that has this PID now. Raises `StackError` where it has no identity."""
        if not (known_by := identity(pid)):
            raise StackError("No process can be told from another here: mount /proc.")
        return cls(name, pid, stage, asks, known_by)

    def is_alive(self) -> bool:
        """Whether it still runs, and its PID was not reused."""
        return is_alive(self.pid) and identity(self.pid) == self.identity

    def ask_to_stop(self) -> None:
        """Send its signal for a graceful stop."""
        self._send(os.kill, self.signal)

    def kill_group(self) -> None:
        """SIGKILL its process group."""
        self._send(os.killpg, signal.SIGKILL)

    def _send(self, how: Callable[[int, int], None], number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if self.is_alive():
                how(self.pid, number)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> "Process | None":
        """Parse what `to_json` wrote; None if damaged, or if the process cannot be ours.

        PID 0 or -1 would signal a whole group or everybody, and 1 is init.
        """
        with suppress(ValueError, TypeError):
            process = Process(**json.loads(text))
            kinds = [type(value) for value in asdict(process).values()]
            if kinds == [str, int, int, int, str] and process.pid > 1 and process.identity:
                return process
        return None


class Child:
    """A process that this one started, with its log."""

    def __init__(
        self, process: Process, popen: subprocess.Popen[bytes], log: Path, *, may_end: bool
    ) -> None:
        self.process = process
        self.popen = popen
        self.log = log
        self.may_end = may_end

    @property
    def name(self) -> str:
        return self.process.name

    def is_alive(self) -> bool:
        """Whether it still runs; reaps it if not."""
        return self.popen.poll() is None

    def has_failed(self) -> bool:
        """Whether it ended, and should not have, or with an exit code other than 0."""
        return not self.is_alive() and not (self.may_end and self.popen.returncode == 0)

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-count:])


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    sockets: Sequence[socket.socket] = (),
    user: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, waiting at the gate for `open_gate`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [*_GATE, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=Path(__file__).resolve().parents[2],
            pass_fds=[each.fileno() for each in sockets],
            start_new_session=True,
            user=user,
            group=None if user is None else user,
            extra_groups=None if user is None else [],
        )


def open_gate(popen: subprocess.Popen[bytes]) -> None:
    """Let the process run, now that the guard knows of it."""
    gate: IO[bytes] | None = popen.stdin
    assert gate is not None
    with suppress(BrokenPipeError):  # It is dead already: waiting for it will show that.
        gate.write(b"go\n")
        gate.close()


def stop(processes: Iterable[Process], *, patience: float = PATIENCE) -> None:
    """Stop them stage by stage, the highest first; SIGKILL those left after `patience` seconds.

    It reaps no children, so it serves us and the guard: a parent must reap its own, and
    `is_alive` counts zombies as dead.
    """
    known = list(processes)
    for stage in sorted({process.stage for process in known}, reverse=True):
        running = [process for process in known if process.stage == stage and process.is_alive()]
        # Listed while their parents, by which they are found, still run.
        below = [child for process in running for child in offspring(process.pid)]
        for process in running:
            process.ask_to_stop()
        _wait_for(running, patience)
        for process in running:
            process.kill_group()
        kill(below)
        _wait_for(running, patience)


def _wait_for(processes: Sequence[Process], patience: float) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and any(process.is_alive() for process in processes):
        time.sleep(_PAUSE)


def find(pid: int) -> "psutil.Process | None":
    """The running process with this PID; None for a zombie, or if there is none."""
    import psutil  # Imported here: `make clean` may run before anything is installed.

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except (psutil.NoSuchProcess, ValueError):  # No PID is below zero.
        return None


def is_alive(pid: int) -> bool:
    """Whether a process with this PID runs."""
    return find(pid) is not None


def offspring(pid: int) -> "list[psutil.Process]":
    """Its descendants."""
    import psutil  # As above.

    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def kill(processes: "Iterable[psutil.Process]") -> None:
    """SIGKILL those that still run; psutil guards against reused PIDs."""
    import psutil  # As above.

    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process.kill()


def wait_until_gone(pids: Iterable[int], patience: float = PATIENCE) -> bool:
    """Wait for all of them to end; whether they did within `patience` seconds."""
    deadline = time.monotonic() + patience
    left = [pid for pid in pids if is_alive(pid)]
    while left and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        left = [pid for pid in left if is_alive(pid)]
    return not left


def identity(pid: int) -> str:
    """The identity of a process, which a reused PID does not share: boot id and start time.

    Empty if no process has the PID. Linux counts start times from its boot, which has an id, so
    that a corrected clock changes neither; elsewhere a start time is a date.
    """
    with suppress(FileNotFoundError, ProcessLookupError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The second field, the name, may hold spaces and brackets; the start is the 22nd.
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{boot} {started}"
    found = find(pid)
    return str(found.create_time()) if found else ""
