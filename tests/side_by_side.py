"""Run the test suite as two pytest processes side by side, each with a database of its own.

    python -m tests.side_by_side [PYTEST ARGUMENTS]

Given arguments, pytest runs once with them. The tests with browsers and whole stacks wait much,
those of the database calculate: on two cores both together take little longer than one of them.
The output of the second comes after that of the first. Exits with 1 if either fails.
"""

import subprocess
import sys
import tempfile

# The longest walk through the admin calculates too, but makes the halves equally long.
_LONGEST = "tests/integration/staff/test_membership.py"
HALVES = (
    ("tests/unit", "tests/integration", f"--ignore={_LONGEST}"),
    ("tests/e2e", "tests/browser", "tests/fault", _LONGEST),
)
_PYTEST = (sys.executable, "-m", "pytest")


def main(arguments: list[str]) -> int:
    """Run the suite and return its exit code."""
    if arguments:
        return subprocess.call([*_PYTEST, *arguments])
    first, second = HALVES
    with tempfile.TemporaryFile() as said:
        beside = subprocess.Popen([*_PYTEST, *second], stdout=said, stderr=subprocess.STDOUT)
        code = subprocess.call([*_PYTEST, *first])
        code = beside.wait() or code
        said.seek(0)
        sys.stdout.flush()
        sys.stdout.buffer.write(said.read())
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
