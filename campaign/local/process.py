"""Start, find and stop the processes of a stack.

Every process carries its stack's folder and its own stage in its environment, which children
inherit and nobody else has. By these, whoever must stop them finds them: the stack itself, the
guard once the stack was killed, or the next stack in the folder. No list of PIDs can be out of
date or name a stranger whose PID was used before.

`python -m campaign.local.process FOLDER` is the guard. It reads from a pipe whose other end the
starter alone holds, so that it reads to the end when the starter has died, in whatever way. It is
a process and not `PR_SET_PDEATHSIG`, because that is lost under `unshare`, which PostgreSQL needs
as root, and knows no order.
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
# Stages of stopping: what speaks to the public first, PostgreSQL last.
FRONT, MIDDLE, DATABASE = "front", "middle", "database"
# How long a stage may take to stop when it is asked to, in seconds.
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

    It leads a session of its own, so that Ctrl-C in the terminal reaches us alone and the order of
    stopping stays ours.
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
    """The running processes of one stage of the stack in `folder`."""
    wanted = {_FOLDER: str(folder), _STAGE: stage}
    return [
        process
        for process in psutil.process_iter(["environ"])
        if wanted.items() <= (process.info["environ"] or {}).items()
    ]


def stop_all(folder: Path) -> None:
    """Stop the stack in `folder` stage by stage. PostgreSQL stops fast with SIGINT."""
    for stage, number in (
        (FRONT, signal.SIGTERM), (MIDDLE, signal.SIGTERM), (DATABASE, signal.SIGINT),
    ):  # fmt: skip
        stop(find(folder, stage), number)


def stop(
    processes: Sequence[psutil.Process], number: signal.Signals, *, patience: float = PATIENCE
) -> None:
    """Signal those whose parents are not among them; SIGKILL what is left when these have ended,
    or after `patience` seconds. psutil sends nothing to a reused PID.

    It may reap our children, whose exit codes are lost then.
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
    """Wait for all of them to end; whether they did within `patience` seconds."""
    deadline = time.monotonic() + patience
    while any(is_running(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_running(process: psutil.Process) -> bool:
    """Whether it runs: neither gone, nor a zombie that its parent has yet to reap."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


if __name__ == "__main__":
    for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(_number, signal.SIG_IGN)
    sys.stdin.read()
    stop_all(Path(sys.argv[1]))
