"""Command line of the embedded stack. `python -m campaign.local run` is `make run` without
installing. `clean` is `make clean`. `manage COMMAND` runs `manage.py` against the running stack.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from campaign.local.folder import Folder, StackError

if TYPE_CHECKING:
    from campaign.local.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
# Allow-list of variables passed on to the local site. Keys and addresses of databases and mail
# servers are not in it, because they may be exported for a real installation.
PASSED_ON = re.compile(
    r"LIMIT_\w+|MAILS_PER_\w+|NEWS_\w+|PAGE_CACHE_\w+|WEB_\w+|TRUSTED_PROXIES|LOG_LEVEL|DNS_SERVER"
    r"|\w+_LOCK_TIMEOUT"
    r"|WORKER_STATEMENT_TIMEOUT|DATABASE_CONN_MAX_AGE|DATABASE_POOLER"
    r"|BULK_DECISION_APPROVAL_FROM|REVEALS_PER_HOUR|BURST_CHALLENGE"
)


class Stopped(BaseException):
    """Raised to stop. It is a `BaseException`, so that `except Exception` does not catch it."""


def main(arguments: list[str]) -> int:
    """Run the named command and return its exit code."""
    try:
        match arguments:
            case ["run"]:
                return run()
            case ["clean"]:
                return clean()
            case ["manage", *rest]:
                return manage(rest)
    except StackError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    print("usage: python -m campaign.local run | clean | manage COMMAND ...", file=sys.stderr)
    return 2


def run() -> int:
    """Start the stack, print its URLs, and stop it on a signal."""
    from campaign.local.stack import Stack  # It needs packages that `clean` may not have.

    # Time counts from the start of `make`, so it includes installing. `date` on some systems has no
    # fractions and writes a letter instead.
    given = re.match(r"\d+(\.\d+)?", os.environ.get("UNDERSIGNED_STARTED", ""))
    began = float(given[0]) if given else time.time()
    stack = Stack(
        local_dir(),
        wanted_port(),
        environment="local",
        extra={name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)},
        report=lambda line: print(f"{time.time() - began:6.1f} s  {line}", flush=True),
    )
    stop_on_signals()
    try:
        with stack.start():
            print(
                f"""
  Site     {stack.site_url}/
  Mailbox  {stack.site_url}/mailbox/
  Admin    {stack.site_url}/admin/   user admin, password {stack.admin_password}

Ready in {time.time() - began:.1f} s. Ctrl-C stops everything; {local_dir()} keeps what you did.
""",
                flush=True,
            )
            watch(stack)
    except Stopped:
        print("\nStopped.", flush=True)
    return 0


def stop_on_signals() -> None:
    """Raise `Stopped` at the first signal, and ignore later ones, which must not interrupt it."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        # The signal may have interrupted `print`, which must not be re-entered.
        with suppress(OSError):  # The terminal may be gone.
            os.write(sys.stdout.fileno(), "\nStopping …\n".encode())
        raise Stopped

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for each in signals:
        signal.signal(each, stop)


def watch(stack: "Stack") -> None:
    """Supervise the children. Never returns: raises if one ends, or to stop."""
    parent = os.getppid()
    while True:
        time.sleep(0.3)
        stack.check()
        # make can be killed without a signal to us. If a shell started us, its end is ignored.
        if "MAKELEVEL" in os.environ and os.getppid() != parent:
            raise Stopped


def clean() -> int:
    """Remove the local database, mailbox, secrets and logs, unless they are in use."""
    folder = Folder(local_dir())
    if (folder.root / "lock").exists():
        folder.lock(patience=0)
        folder.remove()
        folder.unlock()
    print(f"{folder.root} is clean.")
    return 0


def manage(arguments: list[str]) -> int:
    """Run a `manage.py` command with the environment of the running stack."""
    folder = Folder(local_dir())
    try:
        environment = json.loads(folder.environment.read_text())
    except FileNotFoundError:
        raise StackError(
            f"Nothing is running in {folder.root}. Start it first, with: make run\n"
            "If it runs with another LOCAL_DIR, set the same here."
        ) from None
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode


def local_dir() -> Path:
    return ROOT / (os.environ.get("LOCAL_DIR") or ".local")


def wanted_port() -> int:
    """Return the TCP port in PORT. Raises `StackError`."""
    given = os.environ.get("PORT") or "8000"
    if not given.isdecimal() or not 0 < int(given) < 2**16:
        raise StackError("PORT should be a number from 1 to 65535.")
    return int(given)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
