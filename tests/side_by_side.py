"""Run the test suite as pytest processes, two at a time, each with a database of its own.

    python -m tests.side_by_side [PYTEST ARGUMENTS]

Given arguments, pytest runs once with them. Otherwise two workers take one portion after the other,
the longest first, so that both processors have work to the end. Each line of output has the name of
its portion before it, and each portion ends with its slowest tests. The last lines tell again, of
each portion, its outcome and what failed.

If at most `_MAX_RERUN` tests failed, they run once more with the machine to themselves:
some measure time, or wait for browsers and processes that the other portion slows down. Exits with
1 if one of them fails again, or if more failed.
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
# Prefixes of the lines about failed tests in pytest's summary.
_FAILURES = ("FAILED tests/", "ERROR tests/")
_TESTS_FAILED = 1
_MAX_RERUN = 3
_PYTEST = (sys.executable, "-m", "pytest")


def main(arguments: list[str]) -> int:
    """Run the suite and return its exit code."""
    if arguments:
        return subprocess.call([*_PYTEST, *arguments])
    with ThreadPoolExecutor(_WORKERS) as workers:
        results = dict(zip(PORTIONS, workers.map(_run, PORTIONS), strict=True))
    for name, (_code, summary) in results.items():
        sys.stdout.writelines(f"{name:8} {line}" for line in summary)
    failed = {name: code for name, (code, _summary) in results.items() if code}
    number = sum(len(results[name][1]) - 1 for name in failed)
    if set(failed.values()) == {_TESTS_FAILED} and number <= _MAX_RERUN:
        sys.stdout.write(f"{number} failed. Run again, alone:\n")
        return int(any(_run(name, "--last-failed")[0] for name in failed))
    return int(bool(failed))


def _run(name: str, *arguments: str) -> tuple[int, list[str]]:
    """Run a portion, passing on its output line by line.

    Returns its exit code, and its lines about failed tests followed by its last line.
    """
    cache = f"cache_dir=.pytest_cache/{name}"
    command = [*_PYTEST, "--durations=15", "-o", cache, *arguments, *PORTIONS[name]]
    summary, line = [], ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            sys.stdout.write(f"{name:8} {line}")
            sys.stdout.flush()
            if line.startswith(_FAILURES):
                summary.append(line)
    return process.returncode, [*summary, line]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
