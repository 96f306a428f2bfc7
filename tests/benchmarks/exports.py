"""The benchmarks of exports: each purpose beside a bare COPY, its first rows and its memory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connection

from tests.benchmarks.measures import Bench, Limit, Measure

# Signatures a second, of those of a bare COPY: one million in some 14 s where COPY takes 1.2 s.
LEAST_OF_COPY = 0.085
# Of a workbook, whose million may take 60 s.
LEAST_XLSX_A_SECOND = 1_000_000 / 60
FIRST_ROW_WITHIN = 0.5
MEMORY_CSV, MEMORY_XLSX = 100, 150


def measure(bench: Bench, purpose: str, file_format: str = "csv") -> Measure:
    """All seeded signatures exported for a purpose, by a process of its own.

    The value is the number of signatures that the file is of a second, whether it has a row for
    each of them (hand-in, research), for some (supporters) or for many together (by constituency).
    """
    is_csv = file_format == "csv"
    first = Limit("first row after", "s", FIRST_ROW_WITHIN)
    peak = Limit("memory at its peak", "MB", MEMORY_CSV if is_csv else MEMORY_XLSX)

    def value() -> float:
        seen = _exported(bench, purpose, file_format)
        first.seen.append(seen["first_byte"])
        peak.seen.append(seen["memory"])
        return float(seen["signatures"] / seen["seconds"])

    return Measure(
        title=f"Export to {file_format.upper()}, {purpose}",
        floor_title="bare COPY to CSV",
        floor=_copied,
        value=value,
        least_ratio=LEAST_OF_COPY if is_csv else 0.0,
        least_rate=0.0 if is_csv else LEAST_XLSX_A_SECOND,
        limits=[first, peak],
        note=f"of {bench.rows:,} signatures",
    )


MEASURES: dict[str, Callable[[Bench], Measure]] = {
    "export": partial(measure, purpose="hand-in"),
    "export-supporters": partial(measure, purpose="supporters"),
    "export-research": partial(measure, purpose="research"),
    "export-by-constituency": partial(measure, purpose="by-constituency"),
    "export-xlsx": partial(measure, purpose="hand-in", file_format="xlsx"),
}


def _copied() -> float:
    """Signatures a second by which PostgreSQL writes the bare table."""
    started = time.perf_counter()
    with connection.cursor() as cursor, Path(os.devnull).open("wb") as nowhere:
        cursor.copy_expert("COPY petitions_signature TO STDOUT (FORMAT csv)", nowhere)
        rows: int = cursor.rowcount
    return rows / (time.perf_counter() - started)


def _exported(bench: Bench, purpose: str, file_format: str) -> dict[str, Any]:
    module = "tests.benchmarks.exporting"
    command = [sys.executable, "-m", module, bench.petition.slug, purpose, file_format]
    done = subprocess.run(
        command, env={**os.environ, **bench.environment}, stdout=subprocess.PIPE, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result
