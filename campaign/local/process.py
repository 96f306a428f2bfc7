"""Start, find and stop the processes of a stack.

Every process has its stack's folder and its own stage in its environment. Only its children inherit
them. So processes can be found and stopped by the stack, by the guard after the stack was killed,
or by the next stack in the folder. A list of PIDs could be out of date, or name another process
with a reused PID.

`python -m campaign.local.process FOLDER` is the guard. It reads from a pipe whose other end only
the stack holds, and reaches its end when the stack dies, for whatever reason. `PR_SET_PDEATHSIG`
would not do, because it is lost under `unshare`, which PostgreSQL needs as root, and because it
would not stop processes in order.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
# Stages of stopping: processes that serve the public first, PostgreSQL last.
FRONT, MIDDLE, DATABASE = "front", "middle", "database"
# Seconds that a stage may take to stop after a signal.
PATIENCE = 12.0
_FOLDER, _STAGE = "UNDERSIGNED_STACK", "UNDERSIGNED_STAGE"


def spawn(
    command: Sequence[str | Path],
    *,
    folder: Path,
    stage: str,
    environment: Mapping[str, str],
    log: Path,
    inherited: socket.socket | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process of the stack in `folder`.

    It has its own session. So Ctrl-C in the terminal reaches only us, and we stop all in order.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment, _FOLDER: str(folder), _STAGE: stage},
            cwd=ROOT,
            pass_fds=[inherited.fileno()] if inherited else [],
            start_new_session=True,
        )


def find(folder: Path, stage: str) -> list[psutil.Process]:
    """Return the running processes of one stage of the stack in `folder`."""
    wanted = {_FOLDER: str(folder), _STAGE: stage}
    return [
        process
        for process in psutil.process_iter(["environ"])
        if wanted.items() <= (process.info["environ"] or {}).items()
    ]


def stop_all(folder: Path) -> None:
    """Stop the stack in `folder` stage by stage. SIGINT is PostgreSQL's fast shutdown."""
    for stage, number in (
        (FRONT, signal.SIGTERM), (MIDDLE, signal.SIGTERM), (DATABASE, signal.SIGINT),
    ):  # fmt: skip
        stop(find(folder, stage), number)


def stop(
    processes: Sequence[psutil.Process], number: signal.Signals, *, patience: float = PATIENCE
) -> None:
    """Signal the processes whose parents are not among them, and wait for these to end.

    After that, or after `patience` seconds, SIGKILL all that are left. psutil sends nothing to a
    reused PID. It may reap our children, so their exit codes can be lost.
    """
    pids = {process.pid for process in processes}
    with_parents = [(process, _parent(process)) for process in processes]
    topmost = [process for process, parent in with_parents if parent not in pids]
    for process in topmost:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    wait_until_gone(topmost, patience)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until_gone(processes, patience)


def _parent(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return process.ppid()
    return 0


def wait_until_gone(processes: Sequence[psutil.Process], patience: float = PATIENCE) -> bool:
    """Wait for all processes to end; return whether they did within `patience` seconds."""
    deadline = time.monotonic() + patience
    while any(is_running(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_running(process: psutil.Process) -> bool:
    """Return whether a process is running: neither gone, nor a zombie."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


if __name__ == "__main__":
    for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(_number, signal.SIG_IGN)
    sys.stdin.read()
    stop_all(Path(sys.argv[1]))
