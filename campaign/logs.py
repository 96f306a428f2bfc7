"""Logs without people in them: route names instead of paths, no addresses, no messages of
exceptions, which may quote what somebody typed.
"""

import logging
import re
import traceback
from types import TracebackType
from typing import Any

from django.http import HttpRequest

_TOKEN_PATH = re.compile(r"/t/\S*")
_ADDRESS = re.compile(r"[^\s<>\"'(]+@[^\s<>\"')]+")
_IP = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


class Redact(logging.Filter):
    """Rewrite records that carry a request or an exception, and scrub what is left."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            route = (
                request.resolver_match.view_name
                if request.resolver_match
                else "no route"
            )
            status = getattr(record, "status_code", "-")
            record.msg, record.args = f"{request.method} {route} {status}", ()
            del record.__dict__["request"]
        elif isinstance(record.args, dict) and "exc" in record.args:
            # Celery writes the exception's own words into its line.
            record.args = {**record.args, "exc": "see the traceback", "traceback": ""}
        record.msg, record.args = scrubbed(record.getMessage()), ()
        return True


class OneLineFormatter(logging.Formatter):
    """Exceptions as their type and where they came from, never what they say."""

    def formatException(self, ei: Any) -> str:
        return trace_of(ei[0], ei[2])


def scrubbed(line: str) -> str:
    """A line without token paths, e-mail addresses and IPv4 addresses."""
    line = _TOKEN_PATH.sub("/t/…", line)
    return _IP.sub("(network)", _ADDRESS.sub("(address)", line))


def trace_of(kind: type[BaseException] | None, trace: TracebackType | None) -> str:
    """The exception's type and its frames, innermost last."""
    frames = traceback.extract_tb(trace)
    lines = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return "\n".join([kind.__name__ if kind else "no exception", *lines])
