"""Accessible charts as inline SVG: no script, no inline style, axes from zero.

Positions along an axis are percentages and heights of text are in `em`, so that shapes stretch with
the page while text keeps its size. Colours come from the style sheet, by class. Text for screen
readers is in `title` and `desc`. Pages should also show the figures in a table.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from petitions.formatting.sanitising import legible

_INTERVALS = 4
# The filled share of a column's width, so that columns do not touch.
_FILLED = 0.84
# The width of a character of an axis label on the narrowest screen, as a share of the chart.
_CHARACTER = 0.026
# In em: the height of a row, and in it the positions of the text's baseline and the bar's top.
_ROW, _BASELINE, _BAR_AT = 2.75, 1.0, 1.35


@dataclass(frozen=True)
class Words:
    """A chart's id (unique on its page), accessible name and description, and its direction."""

    name: str
    title: str
    description: str
    is_rtl: bool


@dataclass(frozen=True)
class Column:
    """A value of a column chart. `start` and `width` are fractions of the whole axis."""

    start: float
    width: float
    value: float


@dataclass(frozen=True)
class Row:
    """A value of a bar chart, with its label and as formatted text."""

    label: str
    value: float
    written: str


def columns(
    words: Words,
    values: Sequence[Column],
    *,
    written: Callable[[int], str],
    ends: tuple[str, str],
) -> SafeString:
    """Return a column chart. Its time axis follows the writing direction; `ends` label its ends."""
    heights = [column.value for column in values]
    ticks = scale(min(heights, default=0), max(heights, default=0))
    labels = [written(tick) for tick in ticks]
    gutter = _CHARACTER * (max(map(len, labels)) + 1)

    def depth(value: float) -> float:
        """Return the distance of a value from the top, as a fraction of the height."""
        return (ticks[-1] - value) / (ticks[-1] - ticks[0])

    def bar(column: Column) -> dict[str, str]:
        zero, end = depth(0), depth(column.value)
        whole = column.width * (1 - gutter)
        width = whole * _FILLED
        x = gutter + column.start * (1 - gutter) + (whole - width) / 2
        return {
            "x": _percent(1 - x - width if words.is_rtl else x),
            "width": _percent(width),
            "y": _percent(min(zero, end)),
            "height": _percent(abs(zero - end)),
        }

    lines = [
        {"kind": "grid" if tick else "zero", "y": _percent(depth(tick)), "label": legible(label)}
        for tick, label in zip(ticks, labels, strict=True)
    ]
    return _render(
        "petitions/_chart_columns.html",
        words,
        ticks=lines,
        bars=[bar(column) for column in values],
        first_at=_percent(1 - gutter if words.is_rtl else gutter),
        ends=[legible(end) for end in ends],
    )


def rows(words: Words, values: Sequence[Row]) -> SafeString:
    """Return a bar chart: one bar below the other, each with its label and its value above it."""
    greatest = max((row.value for row in values), default=0) or 1

    def bar(number: int, row: Row) -> dict[str, str]:
        top, width = number * _ROW, row.value / greatest
        return {
            "label": legible(row.label),
            "written": legible(row.written),
            "baseline": f"{top + _BASELINE:g}em",
            "y": f"{top + _BAR_AT:g}em",
            "x": _percent(1 - width if words.is_rtl else 0),
            "width": _percent(width),
        }

    bars = [bar(number, row) for number, row in enumerate(values)]
    return _render("petitions/_chart_rows.html", words, bars=bars, height=f"{len(bars) * _ROW:g}em")


def scale(low: float, high: float) -> list[int]:
    """Return axis ticks: evenly spaced round numbers that enclose `low`, `high` and zero."""
    low, high = min(low, 0), max(high, 0)
    step = _nice_step((high - low) / _INTERVALS)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * n for n in range(first, max(last, first + 1) + 1)]


def _nice_step(least: float) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, 50 ... that is not less than `least`."""
    if least <= 1:
        return 1
    power = 10 ** math.floor(math.log10(least))
    return int(next(nice * power for nice in (1, 2, 5, 10) if nice * power >= least))


def _percent(part: float) -> str:
    return f"{part * 100:.2f}%"


def _render(template: str, words: Words, **shown: Any) -> SafeString:
    context = {
        "name": words.name,
        "title": legible(words.title),
        "description": legible(words.description),
        "direction": "rtl" if words.is_rtl else "ltr",
        # The start and end of lines of text.
        "start": _percent(1 if words.is_rtl else 0),
        "end": _percent(0 if words.is_rtl else 1),
        **shown,
    }
    return render_to_string(template, context)
