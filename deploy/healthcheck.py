"""Container health: `healthcheck.py web` or `healthcheck.py beat`; exit code 0 means well.

With the standard library alone: it runs every half minute, and starting Django each time
would cost more than the site itself while nobody visits. The worker needs none of this:
`celery inspect ping` asks it.
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
# Beat touches its file at least every ten seconds.
LONGEST_SILENCE = 60


def main(part: str) -> int:
    """Ask the named part."""
    return 0 if {"web": web_is_live, "beat": beat_is_ticking}[part]() else 1


def web_is_live() -> bool:
    """Whether `/live` answers, asked under the site's own name: it knows no other."""
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
    """Whether beat has touched its file lately. The path is the settings' own."""
    told = os.environ.get("BEAT_HEARTBEAT_FILE", "").strip()
    file = Path(told or Path(tempfile.gettempdir()) / "undersigned-beat")
    try:
        return time.time() - file.stat().st_mtime < LONGEST_SILENCE
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
