"""The bench fails where a target is missed, be it a rate, a ratio, a wait or memory."""

import pytest

from tests.benchmarks.measures import Limit, Measure
from tests.benchmarks.table import table


def measured(**targets: float) -> Measure:
    """A measure of 50 a second beside a floor of 100."""
    measure = Measure(
        "Export", "bare COPY", lambda: 100.0, lambda: 50.0, **targets,  # type: ignore[arg-type]
    )  # fmt: skip
    for _round in range(3):
        measure.take_turns()
    return measure


@pytest.mark.parametrize(
    ("targets", "is_met"),
    [
        ({}, None),
        ({"least_ratio": 0.5}, True),
        ({"least_ratio": 0.51}, False),
        ({"least_rate": 50}, True),
        ({"least_rate": 51}, False),
        ({"least_ratio": 0.5, "least_rate": 51}, False),
    ],
)
def test_a_measure_must_meet_its_rate_and_ratio_targets(
    targets: dict[str, float], is_met: bool | None
) -> None:
    measure = measured(**targets)
    assert measure.is_met is is_met
    assert measure.missed() == (["Export: rate"] if is_met is False else [])


def test_the_median_of_the_samples_must_stay_below_a_limit() -> None:
    measure = measured(least_ratio=0.5)
    first = Limit("first row after", "s", 0.5, seen=[0.1, 0.499, 9])
    memory = Limit("memory at its peak", "MB", 100, seen=[99, 100, 100])
    measure.limits = [first, memory]
    assert measure.missed() == ["Export: memory at its peak 100 MB (target: under 100, MISSED)"]
    assert "first row after 0.5 s (target: under 0.5, met)" in table([measure])
