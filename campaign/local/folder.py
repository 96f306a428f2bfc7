"""The state directory of a stack, and the file lock that lets one stack at a time use it."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from campaign.local import users
from campaign.local.errors import AlreadyRunning, StackError
from campaign.local.process import is_alive

# A killed stack's guard may need this long to stop what is left of it, in seconds.
GUARD_PATIENCE = 40.0
# How long a holder that was killed may still be there, in seconds.
DYING = 1.0
# Linux allows a socket's path 108 bytes, others 104.
LONGEST_SOCKET = 100


class Folder:
    """The paths below LOCAL_DIR, and the short folder of its sockets."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.mailbox = self.root / "mailbox"
        self.logs = self.root / "logs"
        self.processes = self.root / "processes"
        self.static = self.root / "static"
        self.postgres = self.root / "postgres"
        self.redis = self.root / "redis"
        self.secrets = self.root / "secrets.env"
        self.admin_password = self.root / "admin-password"
        self.beat_heartbeat = self.root / "beat-heartbeat"
        self.environment = self.root / "environment.json"
        self._lock: IO[str] | None = None

    @property
    def name(self) -> str:
        """A short name, unique to this folder."""
        return "undersigned-" + hashlib.sha256(str(self.root).encode()).hexdigest()[:12]

    @property
    def sockets(self) -> Path:
        """The folder for Unix sockets: their whole path must fit into 108 bytes."""
        here = Path(tempfile.gettempdir()) / self.name
        longest = here / ".s.PGSQL.5432"
        return here if len(str(longest)) < LONGEST_SOCKET else Path("/tmp") / self.name  # noqa: S108

    def make(self) -> None:
        """Make the folders, readable by their owner alone."""
        for path in (self.root, self.logs, self.processes, self.redis, self.sockets):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        state = self.sockets.lstat()
        # Root gives the folder to the user `nobody` where PostgreSQL cannot run otherwise.
        if self.sockets.is_symlink() or state.st_uid not in {os.geteuid(), users.nobody()}:
            raise StackError(
                f"{self.sockets} belongs to somebody else. Remove it, or set LOCAL_DIR"
                " to another folder."
            )
        self.sockets.chmod(0o700)

    def lock(self, patience: float = GUARD_PATIENCE) -> int:
        """Lock the folder (flock), and return the descriptor. Raises `AlreadyRunning`.

        The guard inherits it, so that the folder stays locked until what a killed stack left
        behind is gone: a new stack waits here, for up to `patience` seconds.
        """
        self._lock = (self.root / "lock").open("a+")
        began = time.monotonic()
        while not self._try_lock(self._lock):
            holder = _number_in(self._lock)
            waited = time.monotonic() - began
            if waited > patience or (waited > DYING and holder and is_alive(holder)):
                self._lock.close()
                raise AlreadyRunning(
                    f"{self.root} is in use: this checkout is already running"
                    + (f" (process {holder})." if holder else ".")
                    + " Stop it first, or set LOCAL_DIR to another folder."
                )
            time.sleep(0.2)
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        return self._lock.fileno()

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock:
            self._lock.close()
        self._lock = None

    def _try_lock(self, file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @property
    def lent(self) -> Path:
        """PostgreSQL's data directory when it must run as a user who cannot reach `root`."""
        return Path("/var/tmp") / self.name  # noqa: S108 - its users check its owner

    def remove(self) -> None:
        """Remove what a stack has made here, and nothing else: LOCAL_DIR may be any folder."""
        for path in (self.mailbox, self.logs, self.processes, self.static, self.redis):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.root.glob("postgres*"):
            shutil.rmtree(path)
        for path in (
            self.secrets,
            self.environment,
            self.admin_password,
            self.beat_heartbeat,
        ):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.lent, ignore_errors=True)
        self.remove_sockets()
        (self.root / "lock").unlink(missing_ok=True)
        with suppress(OSError):  # It holds other files.
            self.root.rmdir()

    def remove_sockets(self) -> None:
        """Remove the sockets and their folder."""
        shutil.rmtree(self.sockets, ignore_errors=True)


def _number_in(file: IO[str]) -> int:
    file.seek(0)
    digits = file.read().strip()
    return int(digits) if digits.isdecimal() else 0
