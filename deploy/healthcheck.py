"""Container health check: `healthcheck.py web` or `healthcheck.py beat`. Exit code 0 means healthy.

It uses only the standard library. It runs every half minute, and starting Django each time would
cost more than an idle site. The worker is checked by `celery inspect ping` instead.
"""

# ruff: noqa: INP001 - a script of the image, not part of a package

import http.client
import os
import sys
import tempfile
import time
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 4
# Seconds. Beat touches its file at least every ten.
MAX_AGE = 60


def main(part: str) -> int:
    """Check the named part, and return the exit code."""
    return 0 if {"web": web_is_live, "beat": beat_is_ticking}[part]() else 1


def web_is_live() -> bool:
    """Return whether `/live` answers. The request has the site's host name, or it is refused."""
    port = int(os.environ.get("BIND", "127.0.0.1:8000").rpartition(":")[2])
    host = urlsplit(os.environ.get("SITE_URL", "")).netloc
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/live", headers={"Host": host} if host else {})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def beat_is_ticking() -> bool:
    """Return whether beat has touched its heartbeat file lately. The path is as in the settings."""
    told = os.environ.get("BEAT_HEARTBEAT_FILE", "").strip()
    file = Path(told or Path(tempfile.gettempdir()) / "undersigned-beat")
    try:
        return time.time() - file.stat().st_mtime < MAX_AGE
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
