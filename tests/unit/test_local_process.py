"""Knowing whether a process lives, for those who must leave none behind."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from campaign.local.process import Process, identity, is_alive, offspring, open_gate, spawn, stop

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_process_survives_being_written_down() -> None:
    process = Process("web", 4711, stage=3, signal=int(signal.SIGTERM), identity="boot 99")
    assert Process.from_json(process.to_json()) == process


@pytest.mark.parametrize("pid", [1, 0, -1, -4711])
def test_a_number_that_stands_for_more_than_one_process_is_refused(pid: int) -> None:
    assert Process.from_json(Process("web", pid, 3, 15, "boot 99").to_json()) is None


@pytest.mark.parametrize(
    "written",
    [
        "", "{", "null", "[]", "{}", "\0" * 100, "4711", '{"pid": 4711}',
        '{"name": "web", "pid": "4711", "stage": 3, "signal": 15, "identity": "boot 99"}',
        '{"name": "web", "pid": 4711, "stage": null, "signal": 15, "identity": "boot 99"}',
        '{"name": "web", "pid": 4711, "stage": 3, "signal": true, "identity": "boot 99"}',
        '{"name": "web", "pid": 4711, "stage": 3, "signal": 15, "identity": ""}',
        '{"name": "web", "pid": 4711, "stage": 3, "signal": 15, "born": "99"}',
    ],
)  # fmt: skip
def test_what_is_damaged_or_of_an_older_version_names_no_process(written: str) -> None:
    assert Process.from_json(written) is None


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
    me = Process.now("me", os.getpid(), 1, 15)
    boot, _, started = me.identity.rpartition(" ")
    assert me.is_alive()
    assert not replace(me, identity=f"{boot} {int(started) - 1}").is_alive()
    assert not replace(me, identity=f"another-boot {started}").is_alive()


def test_nobody_has_the_number_of_a_process_that_is_gone() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert identity(child.pid) == ""


def test_no_signal_reaches_a_stranger_who_was_given_the_number() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        noted = replace(Process.now("web", stranger.pid, 3, 15), identity="another-boot 1")
        noted.ask_to_stop()
        noted.kill_group()
        stop([noted], patience=0.1)
        time.sleep(0.1)
        assert stranger.poll() is None
        stranger.kill()


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
    below = [each.pid for each in offspring(deaf.pid)]
    order = [
        Process.now("last", deaf.pid, 1, int(signal.SIGTERM)),
        Process.now("first", polite.pid, 2, int(signal.SIGTERM)),
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
