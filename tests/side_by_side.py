"""Run the test suite as pytest processes, two at a time, each with a database of its own.

    python -m tests.side_by_side [PYTEST ARGUMENTS]

Given arguments, pytest runs once with them. Otherwise two workers take one portion after the other,
the longest first, so that both processors have work to the end. Each line of output has the name of
its portion before it, and each portion ends with its slowest tests. The last lines tell again, of
each portion, its outcome and what failed. Exits with 1 if any portion fails.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

_STAFF = "tests/integration/staff"
# Browsers and the tests of HTTP share one stack; those of faults start their own.
PORTIONS = {
    "browser": ("tests/e2e", "tests/browser"),
    "database": ("tests/unit", "tests/integration", f"--ignore={_STAFF}"),
    "staff": (_STAFF,),
    "faults": ("tests/fault",),
}
_WORKERS = 2
# The beginnings of lines of pytest's summary.
_UNHAPPY = ("FAILED ", "ERROR ")
_PYTEST = (sys.executable, "-m", "pytest")


def main(arguments: list[str]) -> int:
    """Run the suite and return its exit code."""
    if arguments:
        return subprocess.call([*_PYTEST, *arguments])
    with ThreadPoolExecutor(_WORKERS) as workers:
        results = list(workers.map(_run, PORTIONS))
    for name, (_code, summary) in zip(PORTIONS, results, strict=True):
        sys.stdout.writelines(f"{name:8} {line}" for line in summary)
    return int(any(code for code, _summary in results))


def _run(name: str) -> tuple[int, list[str]]:
    """Run a portion, passing on its output line by line; return its exit code and summary."""
    command = [*_PYTEST, "--durations=15", *PORTIONS[name]]
    summary, line = [], ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            sys.stdout.write(f"{name:8} {line}")
            sys.stdout.flush()
            if line.startswith(_UNHAPPY):
                summary.append(line)
    return process.returncode, [*summary, line]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
