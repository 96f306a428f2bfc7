"""Finding and stopping the processes of a stack."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from campaign.local.process import (
    DATABASE,
    FRONT,
    MIDDLE,
    find,
    is_running,
    spawn,
    stop,
    stop_all,
    wait_until_gone,
)

# What says when it ends, and by what.
SAYS = f"""exec {sys.executable} -c '
import signal, sys, time

def say(*_: object) -> None:
    open("%(order)s", "a").write("%(name)s\\n")
    sys.exit()

signal.signal(signal.SIG%(signal)s, say)
print("ready", flush=True)
time.sleep(60)
'
"""


def start(
    folder: Path, stage: str, script: str, environment: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """A process of the stack in the folder, once it has said that it is ready."""
    folder.mkdir(exist_ok=True)
    log = folder / f"{stage}.log"
    child = spawn(
        ["sh", "-c", script],
        folder=folder,
        stage=stage,
        environment=environment or dict(os.environ),
        log=log,
    )
    until(lambda: "ready" in log.read_text())
    return child


def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def signals_ignored(pid: int) -> set[int]:
    """By Linux's bit mask of them: bit 0 is signal 1."""
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(status.partition("SigIgn:")[2].split()[0], 16)
    return {number for number in range(1, 64) if mask >> (number - 1) & 1}


def test_a_zombie_counts_as_gone() -> None:
    child = subprocess.Popen(["true"])
    process = psutil.Process(child.pid)
    assert wait_until_gone([process], 10)
    os.kill(child.pid, 0)  # The system still has an entry for it.
    assert child.wait() == 0


def test_only_processes_of_the_same_stack_are_found_and_stopped(
    tmp_path: Path,
) -> None:
    ours = start(tmp_path / "a", FRONT, "sleep 60 & echo ready; wait")
    theirs = start(tmp_path / "b", FRONT, "echo ready; exec sleep 60")
    # The name of one folder may begin like another's.
    like_ours = start(tmp_path / "ab", FRONT, "echo ready; exec sleep 60")
    try:
        found = find(tmp_path / "a", FRONT)
        assert ours.pid in [process.pid for process in found]
        assert len(found) == 2
        assert find(tmp_path / "a", MIDDLE) == []

        stop_all(tmp_path / "a")

        assert not [process for process in found if is_running(process)]
        assert theirs.poll() is like_ours.poll() is None
    finally:
        for child in (ours, theirs, like_ours):
            child.kill()
            child.wait()


def test_stages_stop_in_order_and_the_database_by_sigint(tmp_path: Path) -> None:
    order = tmp_path / "order"
    children = [
        start(tmp_path, stage, SAYS % {"name": stage, "order": order, "signal": number})
        for stage, number in ((DATABASE, "INT"), (MIDDLE, "TERM"), (FRONT, "TERM"))
    ]

    stop_all(tmp_path)

    assert order.read_text().split() == [FRONT, MIDDLE, DATABASE]
    for child in children:
        child.wait(1)


def test_processes_that_ignore_signals_are_killed_even_if_their_parent_ends_first(
    tmp_path: Path,
) -> None:
    deaf = start(tmp_path, FRONT, "trap '' TERM; sleep 60 & echo ready; wait; sleep 60")
    # Its child has no parent any more when it is killed.
    hasty = start(tmp_path, MIDDLE, "(trap '' TERM; sleep 60) & echo ready; wait")
    found = [*find(tmp_path, FRONT), *find(tmp_path, MIDDLE)]
    assert len(found) >= 4

    stop(found, signal.SIGTERM, patience=0.5)

    assert not [process for process in found if is_running(process)]
    for child in (deaf, hasty):
        child.wait(1)


def test_the_guard_stops_everything_when_its_stack_has_died(tmp_path: Path) -> None:
    child = start(tmp_path, FRONT, "echo ready; exec sleep 60")
    guard = subprocess.Popen(
        [sys.executable, "-m", "campaign.local.process", tmp_path], stdin=subprocess.PIPE
    )
    assert guard.stdin
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    until(lambda: signals_ignored(guard.pid) >= set(signals))
    for number in signals:
        guard.send_signal(number)
    time.sleep(0.2)
    assert guard.poll() is None
    assert child.poll() is None

    guard.stdin.close()

    assert guard.wait(10) == 0
    assert child.wait(1) == -signal.SIGTERM
