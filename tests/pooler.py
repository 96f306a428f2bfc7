"""A real PgBouncer in front of the tests' PostgreSQL, set up as docs/operators.md says."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connections

from campaign.local.postgres import not_root
from tests.deployed import OPERATORS

# For tests of what only a connection to PostgreSQL itself has, in a run with `POOLER=1`.
direct = pytest.mark.skipif("POOLER" in os.environ, reason="behind a pooler it is otherwise")
HOW_TO = "no PgBouncer: install it (Debian: apt-get install pgbouncer)"
PORT = 6432
# Who may connect, and to where, differs from docs/operators.md; all else is read from there.
_INI = """
[databases]
* = host={server} user=undersigned connect_query='{connect_query}'
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = {pool_mode}
default_pool_size = {size}
max_client_conn = {max_client_conn}
logfile = {folder}/pgbouncer.log
"""


def documented() -> dict[str, str]:
    """What docs/operators.md has for PgBouncer, with the pool of the worker, whose time-outs suit
    a busy machine.
    """
    block = OPERATORS.read_text().partition("```\n[databases]")[2].partition("```")[0]
    ini = ConfigParser()
    ini.read_string(f"[databases]{block}")
    said = re.search("connect_query='([^']+)'", ini["databases"]["undersigned_worker"])
    assert said
    return {"connect_query": said[1], **ini["pgbouncer"]}


def program() -> str | None:
    """Where PgBouncer is; Debian's daemons are not on everybody's PATH."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def skip_without() -> None:
    """Skip the test where there is no PgBouncer; in CI that fails it."""
    if program() is None:
        assert not os.environ.get("CI"), HOW_TO
        pytest.skip(HOW_TO)


class Pooler:
    """PgBouncer with so many connections to the server, given out by the transaction."""

    def __init__(self, folder: Path, server: Path, *, size: int) -> None:
        assert program(), HOW_TO
        folder.mkdir(exist_ok=True)
        self.folder = folder
        ini = folder / "pgbouncer.ini"
        told = {"server": server, "folder": folder, "port": PORT, "size": size}
        ini.write_text(_INI.format(**told, **documented()))
        # It refuses to be root, as PostgreSQL does; and it ends with us, however we end.
        prefix = not_root()
        with_us = ["setpriv", "--pdeathsig", "TERM", "--"]
        self.process = subprocess.Popen(
            [*prefix, *with_us, str(program()), "--quiet", str(ini)], start_new_session=True
        )

    @property
    def url(self) -> str:
        """Of the site's database, behind it."""
        return f"postgres://undersigned@{quote(str(self.folder), safe='')}:{PORT}/undersigned"

    def wait(self) -> "Pooler":
        """Return once it takes connections."""
        path, deadline = str(self.folder / f".s.PGSQL.{PORT}"), time.monotonic() + 20
        with socket.socket(socket.AF_UNIX) as probe:
            # The file is there a moment before anybody listens.
            while probe.connect_ex(path):
                assert self.process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
        return self

    def stop(self) -> None:
        """End it at once, with all its connections."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


@contextmanager
def in_between(pooler: Pooler) -> Iterator[None]:
    """Django's connections go through the pooler, with what settings say of such."""
    told = connections.databases["default"]
    before = {**told}
    connections.close_all()
    options = {name: value for name, value in told["OPTIONS"].items() if name != "options"}
    told |= {"HOST": str(pooler.folder), "PORT": str(PORT), "OPTIONS": options}
    try:
        yield
    finally:
        connections.close_all()
        told.clear()
        told.update(before)
