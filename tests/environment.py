"""pytest plugin that makes the tests' environment before anything reads Django's settings.

pytest loads this module first (`-p tests.environment`). It starts a PostgreSQL and a Redis of its
own in a temporary folder, and puts what the settings need into the environment. Tests of the
whole site start a whole stack besides: see tests/e2e.

With `POOLER=1` there is a PgBouncer in between: `make test POOLER=1 PYTEST_ARGS=tests/integration`.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from campaign.local import messages
from campaign.local.stack import Stack
from tests.pooler import Pooler

FOLDER = Path(tempfile.mkdtemp(prefix="undersigned-tests-"))
STACK = Stack(FOLDER, environment="test")
POOLER: Pooler | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Reuse the test database behind PgBouncer, whose open connections prevent dropping it."""
    config.option.reuse_db |= POOLER is not None


def pytest_unconfigure() -> None:
    """Stop what was started, and leave nothing behind."""
    if POOLER:
        POOLER.stop()
    STACK.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)


try:
    # Django caches for the whole run the catalogues that it reads first.
    messages.compile_all()
    STACK.start(only=("postgres", "redis"))
    os.environ.update(STACK.environment)
    if os.environ.get("POOLER"):
        POOLER = Pooler(FOLDER / "pooler", STACK.folder.sockets, size=4).wait()
        os.environ |= {"DATABASE_URL": POOLER.url, "DATABASE_POOLER": "1"}
    # WhiteNoise warns of a missing folder, and here warnings are errors.
    Path(os.environ["STATIC_ROOT"]).mkdir(exist_ok=True)
except BaseException:
    pytest_unconfigure()
    raise
