"""Run the test suite as pytest processes, two at a time, each with a database of its own.

    python -m tests.side_by_side [PYTEST ARGUMENTS]

Given arguments, pytest runs once with them. Otherwise two workers take one portion after the other,
the longest first, so that both processors have work to the end. What a portion said comes when it
and those before it are done. Exits with 1 if any fails.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

_STAFF = "tests/integration/staff"
# Browsers and the tests of HTTP share one stack; those of faults start their own.
PORTIONS = (
    ("tests/e2e", "tests/browser"),
    ("tests/unit", "tests/integration", f"--ignore={_STAFF}"),
    (_STAFF,),
    ("tests/fault",),
)
_WORKERS = 2
_PYTEST = (sys.executable, "-m", "pytest")


def main(arguments: list[str]) -> int:
    """Run the suite and return its exit code."""
    if arguments:
        return subprocess.call([*_PYTEST, *arguments])
    has_failed = False
    with ThreadPoolExecutor(_WORKERS) as workers:
        for done in workers.map(_run, PORTIONS):
            sys.stdout.buffer.write(done.stdout)
            sys.stdout.flush()
            has_failed |= done.returncode != 0
    return int(has_failed)


def _run(portion: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    command = [*_PYTEST, *portion]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
