"""Password hashing under a concurrency limit over the whole machine (a counting semaphore).

A hash keeps a processor busy for a third of a second. Without a limit, whoever sends wrong
passwords takes every thread and every processor (denial of service), and signing waits for seconds.

It is computed in a thread of low priority (nice 10): on a machine that has no time to spare it gets
a tenth of what a thread that signs gets, so that moderators still log in during an attack. hashlib
holds no GIL meanwhile. These threads do nothing else, for without privileges a thread cannot raise
its priority again.

A slot is a lock (`flock`) on a file in the temporary folder. It counts over all processes, holds no
transaction and no connection, and the kernel frees it when its process dies.
"""

import fcntl
import os
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

SLOTS = 2
PRIORITY = 10
# Seconds for `Retry-After`, where no slot is free.
RETRY_AFTER = 2
# Seconds that somebody who is logged in, or a command, waits for a slot. Logging in never waits.
PATIENCE = 5.0
_PAUSE = 0.05
_thread = threading.local()


class Busy(Exception):
    """All slots are taken. Trying again in a moment helps."""

    retry_after = RETRY_AFTER


@contextmanager
def slot(*, patience: float = 0.0) -> Iterator[None]:
    """Hold one of the slots. Raises `Busy` if none is free within `patience` seconds.

    Re-entrant: a thread that holds one already keeps it.
    """
    if getattr(_thread, "holds_one", False):
        yield
        return
    descriptor = _wait(patience)
    _thread.holds_one = True
    try:
        yield
    finally:
        _thread.holds_one = False
        os.close(descriptor)


class LimitedHasher(PBKDF2PasswordHasher):
    """Django's default hasher (PBKDF2), in a slot and at low priority, wherever it is called."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with slot(patience=PATIENCE):
            return _threads().submit(super().encode, password, salt, iterations).result()


@cache
def _threads() -> ThreadPoolExecutor:
    """This process's threads of low priority; begun at the first hash, after gunicorn's fork."""
    return ThreadPoolExecutor(SLOTS, "password-hashing", initializer=_lower_priority)


def _lower_priority() -> None:
    """Lower the priority of this thread for ever, on Linux: elsewhere it would be its process."""
    if sys.platform == "linux":
        # A sandbox may forbid it: then hashes are as urgent as signing.
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, PRIORITY)
            # The worker is pinned to one processor; a hash may use any that has nothing else to do.
            os.sched_setaffinity(thread, range(os.cpu_count() or 1))


def _wait(patience: float) -> int:
    deadline = time.monotonic() + patience
    while True:
        for number in range(SLOTS):
            if (descriptor := _take(number)) is not None:
                return descriptor
        if time.monotonic() >= deadline:
            raise Busy
        time.sleep(_PAUSE)


def _take(number: int) -> int | None:
    """The descriptor of a slot's locked file; None if somebody else holds it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(_file(number), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _file(number: int) -> Path:
    """A lock file by user and checkout: two sites on one machine do not share slots."""
    site = f"{os.getuid()}-{zlib.crc32(str(settings.BASE_DIR).encode()):08x}"
    return Path(tempfile.gettempdir()) / f"undersigned-{site}-hash-{number}"
