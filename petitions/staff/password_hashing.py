"""Password hashing with a concurrency limit for the whole machine (a counting semaphore).

A hash keeps a processor busy for a third of a second. Without a limit, wrong passwords could occupy
every thread and processor (denial of service), and signing would take seconds.

Hashes are computed in threads of low priority (nice 10). On a busy machine such a thread gets a
tenth of the time of a thread that signs, so that moderators can still log in during an attack.
hashlib releases the GIL meanwhile. These threads do nothing else, because an unprivileged thread
cannot raise its priority again.

A slot is a lock (`flock`) on a file in the temporary folder. It is shared by all processes, holds
no transaction or connection, and is freed by the kernel when its process dies.
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
# Seconds for `Retry-After` if no slot is free.
RETRY_AFTER = 2
# Seconds that logged-in users and commands wait for a slot. Logging in never waits.
PATIENCE = 5.0
_PAUSE = 0.05
_thread = threading.local()


class Busy(Exception):
    """All slots are taken; retry after `retry_after` seconds."""

    retry_after = RETRY_AFTER


@contextmanager
def slot(*, patience: float = 0.0) -> Iterator[None]:
    """Hold a slot. Raises `Busy` if none is free within `patience` seconds. Re-entrant."""
    if getattr(_thread, "holds_slot", False):
        yield
        return
    descriptor = _wait(patience)
    _thread.holds_slot = True
    try:
        yield
    finally:
        _thread.holds_slot = False
        os.close(descriptor)


class LimitedHasher(PBKDF2PasswordHasher):
    """Django's default hasher (PBKDF2), run in a slot and at low priority."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with slot(patience=PATIENCE):
            return _threads().submit(super().encode, password, salt, iterations).result()


@cache
def _threads() -> ThreadPoolExecutor:
    """Return this process's low-priority threads, started after gunicorn's fork."""
    return ThreadPoolExecutor(SLOTS, "password-hashing", initializer=_lower_priority)


def _lower_priority() -> None:
    """Lower this thread's priority for ever; on Linux only: elsewhere it would be the process's."""
    if sys.platform == "linux":
        # A sandbox may forbid this; hashing then has the same priority as signing.
        with suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, PRIORITY)
            # The worker is pinned to one processor; hashing may use any idle one.
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
    """Lock a slot's file and return its descriptor; return None if it is locked already."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    descriptor = os.open(_file(number), flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _file(number: int) -> Path:
    """Return a slot's file, named by user and checkout so that two sites do not share slots."""
    site = f"{os.getuid()}-{zlib.crc32(str(settings.BASE_DIR).encode()):08x}"
    return Path(tempfile.gettempdir()) / f"undersigned-{site}-hash-{number}"
