"""The environment of the tests, made before anything reads Django's settings.

pytest loads this module first (`-p tests.environment`). It starts a PostgreSQL and a Redis of its
own in a temporary folder, and puts what the settings need into the environment. Tests of the
whole site start a whole stack besides: see tests/e2e.
"""

import os
import shutil
import tempfile
from pathlib import Path

from campaign.local import messages
from campaign.local.stack import Stack

FOLDER = Path(tempfile.mkdtemp(prefix="undersigned-tests-"))
STACK = Stack(FOLDER, environment="test")


def pytest_unconfigure() -> None:
    """Stop what was started, and leave nothing behind."""
    STACK.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)


try:
    # Django keeps for the whole run what it reads first.
    messages.compile_all()
    STACK.start(only=("postgres", "redis"))
    os.environ.update(STACK.environment)
    # WhiteNoise warns of a missing folder, and here warnings are errors.
    Path(os.environ["STATIC_ROOT"]).mkdir(exist_ok=True)
except BaseException:
    pytest_unconfigure()
    raise
