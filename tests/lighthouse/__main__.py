"""Score the statement and the petition as Lighthouse sees them on a phone: `make lighthouse`.

Starts the site, looks at each page three times in each language, and prints the medians. Fails
if any score is below 99, or if the largest paint on a phone with slow 4G would come after 1.5 s.
Both depend on the machine: it wants one with nothing else to do.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from campaign.local.stack import Stack
from tests import SLUG

HERE = Path(__file__).parent
LIGHTHOUSE = HERE / "node_modules" / ".bin" / "lighthouse"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PAGES = tuple(
    f"{prefix}{page}" for page in ("/", f"/petitions/{SLUG}/") for prefix in ("", "/ar", "/cy")
)
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
PAINT = "largest-contentful-paint"
TIMES, LEAST, LATEST_PAINT = 3, 99, 1.5
TRIES = 3


class Seen(NamedTuple):
    """What one visit came to: hundredths of each category, and seconds to the largest paint."""

    scores: tuple[int, ...]
    paint: float


def main() -> int:
    """How the pages do; 1 if one of them does not reach what it should."""
    folder = tempfile.TemporaryDirectory(prefix="undersigned-lighthouse-")
    with folder as name, Stack(Path(name) / "site").start() as stack:
        _print("", *CATEGORIES, "largest paint")
        seen = [_median(f"{stack.site_url}{path}", path) for path in PAGES]
    is_good = all(min(page.scores) >= LEAST and page.paint < LATEST_PAINT for page in seen)
    return 0 if is_good else 1


def _median(address: str, path: str) -> Seen:
    visits = [_visit(address) for _ in range(TIMES)]
    scores = tuple(
        map(statistics.median_low, zip(*(visit.scores for visit in visits), strict=True))
    )
    paint = statistics.median_low(visit.paint for visit in visits)
    _print(path, *scores, f"{paint:.2f} s")
    return Seen(scores, paint)


def _print(name: str, *columns: object) -> None:
    print(f"{name:40}" + "".join(f"{column!s:>16}" for column in columns), flush=True)


def _visit(address: str) -> Seen:
    """One visit with the mobile profile: 150 ms, 1.6 Mbit/s, a processor a quarter as fast."""
    command = [
        str(LIGHTHOUSE), address, "--quiet", "--output=json", "--throttling-method=simulate",
        f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags={_flags()}",
    ]  # fmt: skip
    report = json.loads(_answer(command))
    scores = [round(report["categories"][name]["score"] * 100) for name in CATEGORIES]
    return Seen(tuple(scores), report["audits"][PAINT]["numericValue"] / 1000)


def _answer(command: list[str], tries: int = TRIES) -> bytes:
    ran = subprocess.run(
        command, env=_environment(), check=tries == 1, timeout=300, stdout=subprocess.PIPE
    )
    # Chromium loses the start of its trace now and then, and Lighthouse asks to run again.
    return _answer(command, tries - 1) if ran.returncode else ran.stdout


def _flags() -> str:
    # Chromium's own sandbox does not work for root.
    return "--headless=new --disable-gpu" + (" --no-sandbox" if os.geteuid() == 0 else "")


def _environment() -> dict[str, str]:
    """Our own, with the machine's browser, if it has one where Lighthouse does not look."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return {**({"CHROME_PATH": found} if found else {}), **os.environ}


if __name__ == "__main__":
    sys.exit(main())
