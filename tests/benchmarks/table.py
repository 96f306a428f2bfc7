"""The table of results, as text."""

from collections.abc import Sequence
from statistics import median

from tests.benchmarks.measures import Measure

_HEAD = ("measure", "per second", "floor", "per second", "ratio", "least-most", "target")


def table(measures: Sequence[Measure]) -> str:
    """Medians of the rounds, with the least and the most in brackets; notes below."""
    lines = [_HEAD, *map(_cells, measures)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
    rows = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) for line in lines
    ]
    rows.insert(1, "  ".join("-" * width for width in widths))
    notes = [
        f"{one.title}: {'; '.join(told)}"
        for one in measures
        if (told := [*filter(None, [one.note]), *map(str, one.limits)])
    ]
    return "\n".join([*(row.rstrip() for row in rows), "", *notes])


def _cells(measure: Measure) -> tuple[str, ...]:
    ratios = measure.ratios
    return (
        measure.title,
        _spread(measure.values),
        measure.floor_title,
        _spread(measure.floors),
        f"{median(ratios):.2f}",
        f"{min(ratios):.2f}-{max(ratios):.2f}",
        _target(measure),
    )


def _spread(rates: Sequence[float]) -> str:
    return f"{median(rates):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})"


def _target(measure: Measure) -> str:
    if measure.is_met is None:
        return ""
    asked = f"{measure.least_rate:,.0f}/s" if measure.least_rate else f"{measure.least_ratio:.2f}"
    return f"{asked} {'met' if measure.is_met else 'MISSED'}"
