"""An export of any size fits into the memory of a small server."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.db import connection

from petitions.models import Petition
from tests.benchmarks import seeding


def measured(file_format: str) -> dict[str, Any]:
    """One export by a process of its own: its rows, and the peak of its memory in MB."""
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.exporting", "protect", "hand-in", file_format],
        env={**os.environ, "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}"},
        stdout=subprocess.PIPE,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.django_db(transaction=True)
def test_an_export_uses_bounded_memory_for_any_number_of_signatures(
    petition: Petition,
) -> None:
    seeding.seed(petition=petition, total=3_000)
    few = {kind: measured(kind) for kind in ("csv", "xlsx")}
    seeding.seed(petition=petition, total=20_000)
    many = {kind: measured(kind) for kind in ("csv", "xlsx")}

    for kind in ("csv", "xlsx"):
        assert few[kind]["rows"] > 2_000
        assert many[kind]["rows"] > 19_000
        assert many[kind]["memory"] < 100
        # Kept until the end, the rows of the larger one would take 20 MB more.
        assert many[kind]["memory"] < few[kind]["memory"] + 10
