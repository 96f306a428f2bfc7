"""Score the statement and the petition as Lighthouse sees them on a phone: `make lighthouse`.

Starts the site, scores each page three times in each language, and prints the medians. Fails if
any is below 99. Performance depends on the machine: it wants one with nothing else to do.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from campaign.local.stack import Stack
from tests.conftest import SLUG

HERE = Path(__file__).parent
LIGHTHOUSE = HERE / "node_modules" / ".bin" / "lighthouse"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PAGES = tuple(
    f"{prefix}{page}" for page in ("/", f"/petitions/{SLUG}/") for prefix in ("", "/ar", "/cy")
)
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
TIMES, LEAST = 3, 99
TRIES = 3
Scores = dict[str, int]


def main() -> int:
    """How the pages do; 1 if one of them is below what they should reach."""
    folder = tempfile.TemporaryDirectory(prefix="undersigned-lighthouse-")
    with folder as name, Stack(Path(name) / "site").start() as stack:
        print(f"{'':40}" + "".join(f"{category:>16}" for category in CATEGORIES))
        scores = [_median(f"{stack.site_url}{path}", path) for path in PAGES]
    return int(min(min(page.values()) for page in scores) < LEAST)


def _median(address: str, path: str) -> Scores:
    runs = [_scores(address) for _ in range(TIMES)]
    scores = {name: statistics.median_low([run[name] for run in runs]) for name in CATEGORIES}
    print(f"{path:40}" + "".join(f"{scores[name]:16}" for name in CATEGORIES), flush=True)
    return scores


def _scores(address: str) -> Scores:
    """Hundredths of what can be reached, by category, of one visit with the mobile profile."""
    command = [
        str(LIGHTHOUSE), address, "--quiet", "--output=json", "--throttling-method=simulate",
        f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags={_flags()}",
    ]  # fmt: skip
    found = json.loads(_answer(command))["categories"]
    return {name: round(found[name]["score"] * 100) for name in CATEGORIES}


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
