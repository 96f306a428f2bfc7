"""The benchmarks of exports: each purpose beside a bare COPY, its first rows and its memory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from django.db import connection

from tests.benchmarks.measures import Bench, Measure

# Signatures a second, of those of a bare COPY: one million in some 14 s where COPY takes 1.2 s.
LEAST_OF_COPY = 0.085
# Of a workbook, whose million may take 60 s.
LEAST_XLSX_A_SECOND = 1_000_000 / 60
FIRST_ROW_WITHIN = 0.5
MEMORY_CSV, MEMORY_XLSX = 100, 150


@dataclass(slots=True)
class ExportMeasure(Measure):
    """A measure that is met only if the first row and the memory are, too."""

    most_memory: float = MEMORY_CSV
    seen: list[dict[str, Any]] = field(default_factory=list)

    def median_of(self, key: str) -> float:
        """The median of a figure of `tests.benchmarks.exporting` over the rounds."""
        return median(float(one[key]) for one in self.seen)

    @property
    def is_met(self) -> bool | None:
        """Whether rate, first row and memory reach their targets."""
        rate = median(self.ratios) >= self.least_ratio and median(self.values) >= self.least_rate
        first = self.median_of("first_byte") < FIRST_ROW_WITHIN
        return rate and first and self.median_of("memory") < self.most_memory


def measure(bench: Bench, purpose: str, file_format: str = "csv") -> Measure:
    """All seeded signatures exported for a purpose, by a process of its own.

    The value is the number of signatures that the file is of a second, whether it has a row for
    each of them (hand-in, research), for some (supporters) or for many together (by constituency).
    """
    is_csv = file_format == "csv"
    seen: list[dict[str, Any]] = []

    def value() -> float:
        seen.append(_exported(bench, purpose, file_format))
        return float(seen[-1]["signatures"] / seen[-1]["seconds"])

    def note(_measure: Measure) -> str:
        return (
            f"{seen[-1]['rows']:,} rows of {seen[-1]['signatures']:,} signatures;"
            f" first row after {made.median_of('first_byte'):.2f} s (target: {FIRST_ROW_WITHIN});"
            f" memory {made.median_of('memory'):.0f} MB at its peak,"
            f" {made.median_of('memory_before'):.0f} before (target: {made.most_memory:.0f})"
        )

    made = ExportMeasure(
        title=f"Export to {file_format.upper()}, {purpose}",
        floor_title="bare COPY to CSV",
        floor=_copied,
        value=value,
        least_ratio=LEAST_OF_COPY if is_csv else 0.0,
        least_rate=0.0 if is_csv else LEAST_XLSX_A_SECOND,
        note=note,
        most_memory=MEMORY_CSV if is_csv else MEMORY_XLSX,
        seen=seen,
    )
    return made


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
