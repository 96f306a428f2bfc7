"""Knowing whether a process lives, for those who must leave none behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from campaign.local.process import Process, born, is_alive, offspring, open_gate, spawn, stop

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_process_survives_being_written_down() -> None:
    process = Process("web", 4711, stage=3, signal=int(signal.SIGTERM), born="99")
    assert Process.from_json(process.to_json()) == process


def test_who_has_ended_but_is_not_collected_counts_as_dead() -> None:
    child = subprocess.Popen(["true"])
    while is_alive(child.pid):
        time.sleep(0.01)
    os.kill(child.pid, 0)  # The system still has an entry for it.
    assert child.wait() == 0


def test_no_process_has_a_number_below_one() -> None:
    assert not is_alive(0)
    assert not is_alive(-1)


def test_another_process_with_the_same_number_is_another_process() -> None:
    me = os.getpid()
    assert Process("me", me, 1, 15, born(me)).is_alive()
    assert not Process("me", me, 1, 15, "1").is_alive()


def test_a_child_waits_at_the_gate(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = spawn(["echo", "through"], log=log, environment=os.environ)
    time.sleep(0.2)
    assert log.read_text() == ""
    open_gate(child)
    assert child.wait() == 0
    assert log.read_text() == "through\n"


def test_a_gate_whose_keeper_died_never_opens(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = spawn(["echo", "through"], log=log, environment=os.environ)
    assert child.stdin
    child.stdin.close()
    assert child.wait() != 0
    assert log.read_text() == ""


def test_stages_stop_in_order_and_the_deaf_are_killed(tmp_path: Path) -> None:
    deaf = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 60"], start_new_session=True)
    polite = subprocess.Popen(SLEEP, start_new_session=True)
    time.sleep(0.2)
    below = offspring(deaf.pid)
    order = [
        Process("last", deaf.pid, 1, int(signal.SIGTERM), born(deaf.pid)),
        Process("first", polite.pid, 2, int(signal.SIGTERM), born(polite.pid)),
    ]

    stop(order, patience=0.5)

    assert polite.wait() == -signal.SIGTERM
    assert deaf.wait() == -signal.SIGKILL
    assert below
    # Whoever inherits them may need a moment to bury them.
    deadline = time.monotonic() + 10
    while any(map(is_alive, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in below if is_alive(pid)]
