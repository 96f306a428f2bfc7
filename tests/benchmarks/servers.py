"""Any WSGI application under the site's own gunicorn settings, on a free port."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from campaign.local.services import HOST, Port

_PATIENCE = 60.0
_ROOT = Path(__file__).resolve().parents[2]


class DidNotStart(Exception):
    """A server ended, or did not answer in time; the message has the end of its log."""


@contextmanager
def serving(application: str, environment: Mapping[str, str], log: Path) -> Iterator[int]:
    """Serve an application with gunicorn inside the block; yields its port."""
    port = Port(None)
    # Freed for gunicorn, whose workers each listen (SO_REUSEPORT), as on a server.
    port.take().close()
    command = [
        sys.executable, "-m", "gunicorn", "--config", "python:campaign.gunicorn_conf",
        "--no-control-socket", application,
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env={**os.environ, **environment, "BIND": f"{HOST}:{port.number}"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_it_answers(process, port.number, log)
        yield port.number
    finally:
        process.terminate()
        process.wait()


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise DidNotStart("\n".join(log.read_text(errors="replace").splitlines()[-15:]))
        time.sleep(0.1)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/live")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
