"""Log redaction: route names instead of paths, no email or IP addresses, and no messages of
exceptions, because they may quote what somebody typed.
"""

import logging
import re
import traceback
from types import TracebackType
from typing import Any

from django.http import HttpRequest

# A made-up method can contain any text.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})
# gunicorn's errors about a request that Django has not seen. They go on to quote the request.
_GUNICORNS = re.compile(r"(Invalid request|Error handling request)\b.*", re.DOTALL)
_TOKEN_PATH = re.compile(r"/t/\S*", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s<>\"(]+@[^\s<>\"')]+")
# Eight groups, or fewer around "::". A time of day has two colons and is not matched.
_IPV6 = re.compile(r"(?i)(?<![\w:])(?:(?:[0-9a-f]{1,4}:){3,7}[0-9a-f:.]*|[0-9a-f:]*::[0-9a-f:.]*)")
_IPV4 = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


def to_stderr(level: str) -> dict[str, Any]:
    """Return the logging configuration of all processes: one redacted line a record, to stderr."""
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
    """Logging filter that rewrites records with a request or an exception, and redacts others."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest):
            route = request.resolver_match.view_name if request.resolver_match else "no route"
            status = getattr(record, "status_code", "-")
            method = request.method if request.method in _METHODS else "another method"
            record.msg, record.args = f"{method} {route} {status}", ()
            del record.__dict__["request"]
        elif isinstance(record.args, dict) and "exc" in record.args:
            # Celery would write the exception's message into its line.
            record.args = {**record.args, "exc": "see the traceback", "traceback": ""}
        message = _message(record)
        if record.name.startswith("gunicorn") and (known := _GUNICORNS.match(message)):
            message = known[1]
        record.msg, record.args = scrubbed(message), ()
        # Another handler's formatter may have cached the exception's message here.
        record.exc_text = None
        return True


class OneLineFormatter(logging.Formatter):
    """Formatter that writes an exception's type and frames, never its message."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        return trace_of(ei[0], ei[2])


def scrubbed(line: str) -> str:
    """Redact token paths, email addresses and IP addresses in a line."""
    line = _ADDRESS.sub("(address)", _TOKEN_PATH.sub("/t/…", line))
    return _IPV4.sub("(network)", _IPV6.sub("(network)", line))


def trace_of(kind: type[BaseException] | None, trace: TracebackType | None) -> str:
    """Return the exception's type and its frames, innermost last."""
    frames = traceback.extract_tb(trace)
    lines = [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return "\n".join([kind.__name__ if kind else "no exception", *lines])


def _message(record: logging.LogRecord) -> str:
    """Return the record's message, with the types of exceptions in place of their messages."""
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
    """The name of an exception's type, formatted the same by %s and %r."""

    __slots__ = ()
    __repr__ = str.__str__
