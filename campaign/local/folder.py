"""The state directory of a stack: its paths, its secrets, and its locks.

This uses only the standard library, because `make clean` runs without installed packages.
"""

import base64
import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

# Seconds that a killed stack's guard may need to stop what is left of it.
GUARD_PATIENCE = 40.0
# Seconds for which a killed stack may still exist.
DYING_SECONDS = 1.0
# Linux allows 108 bytes for a socket's path, other systems 104.
MAX_SOCKET_PATH = 100
RINGS = ("SEALING_KEYS", "INDEX_KEYS", "LINK_KEYS")


class StackError(Exception):
    """Raised if the stack cannot start or go on. The message says why, and what to do."""


class Folder:
    """The paths below LOCAL_DIR, and the short folder of its sockets."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.mailbox = self.root / "mailbox"
        self.logs = self.root / "logs"
        self.static = self.root / "static"
        self.postgres = self.root / "postgres"
        self.redis = self.root / "redis"
        self.admin_password = self.root / "admin-password"
        self.beat_heartbeat = self.root / "beat-heartbeat"
        self.environment = self.root / "environment.json"
        self._secrets = self.root / "secrets.env"
        self._lock: IO[str] | None = None
        self._guard_lock: IO[str] | None = None

    @property
    def sockets(self) -> Path:
        """The folder for Unix sockets, with a path short enough for them."""
        name = "undersigned-" + hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        here = Path(tempfile.gettempdir()) / name
        longest = here / ".s.PGSQL.5432"
        return here if len(str(longest)) < MAX_SOCKET_PATH else Path("/tmp") / name  # noqa: S108

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis.sock"

    def make(self) -> None:
        """Make the folders, readable only by their owner."""
        for path in (self.root, self.logs, self.redis, self.sockets):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        if self.sockets.is_symlink() or self.sockets.stat().st_uid != os.geteuid():
            raise StackError(
                f"{self.sockets} belongs to somebody else. Remove it, or set LOCAL_DIR"
                " to another folder."
            )
        self.sockets.chmod(0o700)

    def lock(self, patience: float = DYING_SECONDS) -> int:
        """Lock the folder (flock); return the descriptor of a second lock for the guard to inherit.

        The guard keeps that until everything that a killed stack left behind has ended, and a new
        stack waits here until then. Raises `StackError`.
        """
        self._lock = (self.root / "lock").open("a+")
        if not _flock(self._lock, patience):
            self._lock.seek(0)
            holder = self._lock.read().strip()
            self._refuse(f" (process {holder})" if holder else "")
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        self._guard_lock = (self.root / "guard.lock").open("w")
        if not _flock(self._guard_lock, GUARD_PATIENCE):
            self._refuse(", and its guard is stopping it")
        return self._guard_lock.fileno()

    def _refuse(self, details: str) -> None:
        self.unlock()
        raise StackError(
            f"{self.root} is in use: this checkout is already running{details}."
            " Stop it first, or set LOCAL_DIR to another folder."
        )

    def unlock(self) -> None:
        for lock in (self._guard_lock, self._lock):
            if lock:
                lock.close()
        self._lock = self._guard_lock = None

    def secrets(self) -> dict[str, str]:
        """Return the stack's secrets as environment variables. They are generated once."""
        if not self._secrets.exists():
            keys = {name: "1:" + base64.b64encode(os.urandom(32)).decode() for name in RINGS}
            made = {"SECRET_KEY": secrets.token_urlsafe(48), **keys}
            write_private(self._secrets, "".join(f"{k}={v}\n" for k, v in made.items()))
        lines = self._secrets.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def remove(self) -> None:
        """Remove only what a stack has made here, because LOCAL_DIR may be any folder."""
        for path in (self.mailbox, self.logs, self.static, self.redis):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.root.glob("postgres*"):
            shutil.rmtree(path)
        self.remove_sockets()
        for path in (
            self._secrets, self.environment, self.admin_password, self.beat_heartbeat,
            self.root / "guard.lock", self.root / "lock",
        ):  # fmt: skip
            path.unlink(missing_ok=True)
        with suppress(OSError):  # The folder holds other files.
            self.root.rmdir()

    def remove_sockets(self) -> None:
        shutil.rmtree(self.sockets, ignore_errors=True)


def _flock(file: IO[str], patience: float) -> bool:
    """Return whether the file could be locked within `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        else:
            return True


def write_private(path: Path, text: str) -> None:
    """Atomically write a file that only its owner can read."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
