"""Baseline WSGI applications ("floors"): the least that any program would do.

`bare` answers at once; `select_1` asks the database one question first. Both run under the
site's own gunicorn settings.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

import psycopg2

StartResponse = Callable[[str, list[tuple[str, str]]], object]

_BODY = b"Hello\n"
_HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(_BODY)))]
_local = threading.local()


def bare(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer with a constant."""
    start_response("200 OK", _HEADERS)
    return [_BODY]


def select_1(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Run `SELECT 1` over the thread's persistent connection; answer with a constant."""
    with _connection().cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return bare(environ, start_response)


def _connection() -> Any:
    if not hasattr(_local, "connection"):
        _local.connection = psycopg2.connect(os.environ["DATABASE_URL"])
        _local.connection.autocommit = True
    return _local.connection
