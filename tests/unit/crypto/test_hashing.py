"""Password hashing: at most two at once per machine, slots that dead processes release, and
the share of a processor that hashing leaves to others.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password, make_password

from petitions.staff import password_hashing

HOLDER = """
from petitions.staff import password_hashing
with password_hashing.slot():
    print("held", flush=True)
    input()
"""

# Run on one processor that this process does not use otherwise. Print the share that the main
# thread gets while another thread hashes, and how long ago that thread began.
SHARING = """
import os, threading, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.sched_setaffinity = lambda *_: None
import django
django.setup()
from django.contrib.auth.hashers import make_password
hashing = threading.Thread(target=make_password, args=["wrong and long"])
hashing.start()
time.sleep(0.1)
own, both = time.thread_time(), time.process_time()
while time.thread_time() - own < 0.3:
    pass
assert hashing.is_alive(), "too short: the hash was ready before"
print((time.thread_time() - own) / (time.process_time() - both))
"""


@pytest.fixture(autouse=True)
def _slots_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a separate folder, because other processes may run on the machine."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


@contextmanager
def another_process() -> Iterator[subprocess.Popen[str]]:
    """Start a process that holds a slot."""
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def is_free() -> bool:
    try:
        with password_hashing.slot():
            return True
    except password_hashing.Busy:
        return False


def test_a_third_process_gets_a_hashing_slot_once_another_is_killed() -> None:
    with another_process() as first, another_process():
        assert not is_free()
        first.kill()
        first.wait()
        assert is_free()
    assert is_free()


def test_threads_of_one_process_compete_for_hashing_slots() -> None:
    found: list[bool] = []
    with password_hashing.slot(), another_process():
        thread = threading.Thread(target=lambda: found.append(is_free()))
        thread.start()
        thread.join()
    assert found == [False]


def test_a_slot_is_free_again_after_an_error() -> None:
    for _ in range(password_hashing.SLOTS + 1):
        with pytest.raises(ZeroDivisionError), password_hashing.slot():
            raise ZeroDivisionError


def test_password_hashing_takes_a_slot_unless_one_is_already_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(password_hashing, "PATIENCE", 0.0)
    monkeypatch.setattr(password_hashing.LimitedHasher, "iterations", 1)
    stored = make_password("right")
    with ExitStack() as others:
        others.enter_context(another_process())
        with password_hashing.slot():
            assert check_password("right", stored)
            assert not check_password("wrong", stored)
        others.enter_context(another_process())
        for hash_it in (make_password, lambda password: check_password(password, stored)):
            with pytest.raises(password_hashing.Busy):
                hash_it("right")


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities on Linux alone")
def test_password_hashing_runs_at_low_cpu_priority() -> None:
    command = [sys.executable, "-c", SHARING]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    # With equal priority each would get half.
    assert float(done.stdout) > 0.8


def test_passwords_hashed_by_djangos_pbkdf2_hasher_still_verify(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    before = make_password("right")
    settings.PASSWORD_HASHERS = ["petitions.staff.password_hashing.LimitedHasher"]

    assert check_password("right", before)
