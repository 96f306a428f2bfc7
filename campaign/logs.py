"""Log redaction: route names instead of paths, no e-mail or IP addresses, no messages of
exceptions, which may quote what somebody typed.
"""

import logging
import re
import traceback
from types import TracebackType
from typing import Any

from django.http import HttpRequest

# An invented method may hold any text.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
# gunicorn's errors about a request before Django has seen it; they go on to quote it.
_GUNICORNS = re.compile(r"(Invalid request|Error handling request)\b.*", re.DOTALL)
_TOKEN_PATH = re.compile(r"/t/\S*", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>\"(]+@[^\s<>\"')]+")
# Eight groups, or fewer around "::"; a time of day has two colons and stays.
_IPV6 = re.compile(r"(?i)(?<![\w:])(?:(?:[0-9a-f]{1,4}:){3,7}[0-9a-f:.]*|[0-9a-f:]*::[0-9a-f:.]*)")
_IPV4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


def to_stderr(level: str) -> dict[str, Any]:
    """Logging configuration of all processes: one redacted line for each record, to stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"redact": {"()": "campaign.logs.Redact"}},
        "formatters": {
            "line": {
                "()": "campaign.logs.OneLineFormatter",
                "format": "{asctime} {levelname} {name} {message}",
                "style": "{",
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["redact"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level.upper()},
    }


class Redact(logging.Filter):
    """Logging filter: rewrite records with a request or an exception, and redact the rest."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            route = request.resolver_match.view_name if request.resolver_match else "no route"
            status = getattr(record, "status_code", "-")
            method = request.method if request.method in _METHODS else "another method"
            record.msg, record.args = f"{method} {route} {status}", ()
            del record.__dict__["request"]
        elif isinstance(record.args, dict) and "exc" in record.args:
            # Celery writes the exception's own words into its line.
            record.args = {**record.args, "exc": "see the traceback", "traceback": ""}
        message = _message(record)
        if record.name.startswith("gunicorn") and (known := _GUNICORNS.match(message)):
            message = known[1]
        record.msg, record.args = scrubbed(message), ()
        # Another handler's formatter may have left the exception's words here for the next.
        record.exc_text = None
        return True


class OneLineFormatter(logging.Formatter):
    """Formatter that prints an exception's type and frames, never its message."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        return trace_of(ei[0], ei[2])


def scrubbed(line: str) -> str:
    """Redact a line: no token paths, e-mail addresses or IP addresses."""
    line = _ADDRESS.sub("(address)", _TOKEN_PATH.sub("/t/…", line))
    return _IPV4.sub("(network)", _IPV6.sub("(network)", line))


def trace_of(kind: type[BaseException] | None, trace: TracebackType | None) -> str:
    """The exception's type and its frames, innermost last."""
    frames = traceback.extract_tb(trace)
    lines = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return "\n".join([kind.__name__ if kind else "no exception", *lines])


def _message(record: logging.LogRecord) -> str:
    """The record's message, with exceptions named rather than quoted."""
    args: Any = record.args
    if isinstance(args, dict):
        record.args = {name: _unquoted(value) for name, value in args.items()}
    elif args:
        record.args = tuple(_unquoted(value) for value in args)
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - a bad log call must not fail its caller
        return f"a message that cannot be formatted: {record.msg}"


def _unquoted(value: object) -> object:
    return _Kind(type(value).__name__) if isinstance(value, BaseException) else value


class _Kind(str):
    """An exception's type, which reads the same under %s and %r."""

    __slots__ = ()
    __repr__ = str.__str__
