"""Child processes that are always stopped: by us, or by the guard if we are killed.

Each child has its own session, so that Ctrl-C in the terminal reaches nobody but us and the
order of stopping stays ours. A child is held at a gate until the guard knows of it: however
early we are killed, either the guard stops the child or the gate never opens.
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
from typing import IO

# How long a child may take to stop when it is asked to, in seconds.
PATIENCE = 12.0
_PAUSE = 0.02

# `read` fails at the end of its input, that is when whoever should open the gate has died.
_GATE = ["/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "gate"]


@dataclass(frozen=True)
class Process:
    """A process as anybody may know it: the leader of a session of its own."""

    name: str
    pid: int
    stage: int  # Higher stages stop first.
    signal: int  # What asks it to stop.
    born: str = ""  # The kernel's start time, which tells it from a later one with its number.

    def is_alive(self) -> bool:
        """Whether it still runs, and is not another process that was given its number."""
        return is_alive(self.pid) and born(self.pid) == self.born

    def ask_to_stop(self) -> None:
        """Send the signal that ends it in good order."""
        _send(os.kill, self.pid, self.signal)

    def kill_group(self) -> None:
        """Kill it and what it started, at once."""
        _send(os.killpg, self.pid, signal.SIGKILL)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> "Process":
        return Process(**json.loads(line))


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
        """Whether it still runs; collects its exit code if not."""
        return self.popen.poll() is None

    def has_failed(self) -> bool:
        """Whether it ended, and should not have, or not with this exit code."""
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
    """Let the process run, now that it is known."""
    gate: IO[bytes] | None = popen.stdin
    assert gate is not None
    with suppress(BrokenPipeError):  # It is dead already: whoever waits for it will say so.
        gate.write(b"go\n")
        gate.close()


def stop(processes: Iterable[Process], *, patience: float = PATIENCE) -> None:
    """Stop them stage by stage, the highest first; kill whoever does not listen.

    Knows nothing of parents, so it serves us and the guard: whoever has children among
    them must collect them meanwhile, and `is_alive` counts the uncollected as dead.
    """
    known = list(processes)
    for stage in sorted({process.stage for process in known}, reverse=True):
        together = [process for process in known if process.stage == stage]
        running = [process for process in together if process.is_alive()]
        for process in running:
            process.ask_to_stop()
        _wait_for(running, patience)
        for process in together:
            # Also where the leader has gone: it may have left somebody behind.
            process.kill_group()
        _wait_for(running, patience)


def _wait_for(processes: Sequence[Process], patience: float) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and any(process.is_alive() for process in processes):
        time.sleep(_PAUSE)


def is_alive(pid: int) -> bool:
    """Whether the process runs. One that has ended and waits to be collected does not."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid)[:1] != ["Z"]


def offspring(pid: int) -> list[int]:
    """The processes below it, as far as /proc tells."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _state(int(folder.name))
        if fields:
            parents.setdefault(int(fields[1]), []).append(int(folder.name))
    found, waiting = [], [pid]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


def wait_until_gone(pids: Iterable[int], patience: float = PATIENCE) -> bool:
    """Whether all of them ended in time."""
    deadline = time.monotonic() + patience
    left = [pid for pid in pids if is_alive(pid)]
    while left and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        left = [pid for pid in left if is_alive(pid)]
    return not left


def born(pid: int) -> str:
    """When the kernel started it, in its own words; empty where there is no /proc."""
    fields = _state(pid)
    return fields[19] if len(fields) > 19 else ""


def _state(pid: int) -> list[str]:
    """/proc/PID/stat from the third field on: the second may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _send(how: Callable[[int, int], None], pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        how(pid, number)
