"""Accessible charts as inline SVG: no script, no style of its own, axes from zero.

Positions along an axis are percentages and heights of text are `em`, so that shapes stretch with
the page while text keeps its size. Colours come from the style sheet, by class. Text for screen
readers is in `title` and `desc`; the same figures belong in a table beside.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from django.utils.safestring import SafeString, mark_safe

# Characters that XML forbids.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INTERVALS = 4
_NICE = (1, 2, 5, 10)
# Share of a column's width that is filled, so that two do not touch.
_FILLED = 0.84
# Width of a character of an axis label, as a share of the whole, on the narrowest screen.
_CHARACTER = 0.026
_ROW, _BASELINE, _BAR_AT, _BAR = 2.75, 1.0, 1.35, 0.8


@dataclass(frozen=True)
class Words:
    """A chart's id, accessible name and description, and whether its language is right-to-left."""

    # Unique on its page.
    name: str
    title: str
    description: str
    is_rtl: bool


@dataclass(frozen=True)
class Column:
    """A value of a column chart; start and width are fractions of the whole axis."""

    start: float
    width: float
    value: float


@dataclass(frozen=True)
class Row:
    """A value of a bar chart with its label, and formatted."""

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
    """A column chart over a time axis that runs the way of the language; `ends` label its ends."""
    svg = _svg(words, "chart chart-columns")
    plot = _add(svg, "svg", y="11%", width="100%", height="77%", overflow="visible")
    heights = [column.value for column in values]
    ticks = scale(min(heights, default=0), max(heights, default=0))
    axis = _Axis(ticks[0], ticks[-1])
    labels = [written(tick) for tick in ticks]
    gutter = _CHARACTER * (max(map(len, labels)) + 1)
    for tick in ticks:
        at = _percent(axis.at(tick))
        kind = "zero" if tick == 0 else "grid"
        _add(plot, "line", {"class": kind}, x1="0", x2="100%", y1=at, y2=at)
    for column in values:
        _add(plot, "rect", {"class": "bar"}, **_column(column, axis, gutter, words))
    for tick, label in zip(ticks, labels, strict=True):
        _start(plot, words, label, "tick", y=_percent(axis.at(tick)), dy="-.3em")
    _start(svg, words, ends[0], "tick", at=gutter, y="100%", dy="-.35em")
    _end(svg, words, ends[1], "tick", y="100%", dy="-.35em")
    return _written(svg)


def rows(words: Words, values: Sequence[Row]) -> SafeString:
    """A bar chart: one bar below the other, each with its label and its value above it."""
    svg = _svg(words, "chart chart-rows", height=f"{len(values) * _ROW:g}em")
    greatest = max((row.value for row in values), default=0) or 1
    for number, row in enumerate(values):
        top = number * _ROW
        _start(svg, words, row.label, "label", y=f"{top + _BASELINE:g}em")
        _end(svg, words, row.written, "value", y=f"{top + _BASELINE:g}em")
        width = row.value / greatest
        place = {"y": f"{top + _BAR_AT:g}em", "height": f"{_BAR:g}em"}
        _add(svg, "rect", {"class": "rail"}, x="0", width="100%", **place)
        x = 1 - width if words.is_rtl else 0
        _add(svg, "rect", {"class": "bar"}, x=_percent(x), width=_percent(width), **place)
    return _written(svg)


def scale(low: float, high: float) -> list[int]:
    """Axis ticks: round numbers from below `low` to above `high`, evenly spaced, with zero."""
    low, high = min(low, 0), max(high, 0)
    step = _nice_step((high - low) / _INTERVALS)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * n for n in range(first, max(last, first + 1) + 1)]


def _nice_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50 ... that is not less than `least`."""
    if least <= 1:
        return 1
    power = 10 ** math.floor(math.log10(least))
    return int(next(nice * power for nice in _NICE if nice * power >= least))


@dataclass(frozen=True)
class _Axis:
    low: int
    high: int

    def at(self, value: float) -> float:
        """How far below the top a value stands, as a fraction of the height."""
        return (self.high - value) / (self.high - self.low)


def _column(column: Column, axis: _Axis, gutter: float, words: Words) -> dict[str, str]:
    zero, end = axis.at(0), axis.at(column.value)
    whole = column.width * (1 - gutter)
    width = whole * _FILLED
    x = gutter + column.start * (1 - gutter) + (whole - width) / 2
    return {
        "x": _percent(1 - x - width if words.is_rtl else x),
        "width": _percent(width),
        "y": _percent(min(zero, end)),
        "height": _percent(abs(zero - end)),
    }


def _svg(words: Words, kind: str, **attributes: str) -> Element:
    names = f"{words.name}-title {words.name}-words"
    svg = Element("svg", {"class": kind, "role": "img", "aria-labelledby": names})
    svg.attrib |= {"width": "100%", "direction": "rtl" if words.is_rtl else "ltr", **attributes}
    _add(svg, "title", id=f"{words.name}-title").text = _clean(words.title)
    _add(svg, "desc", id=f"{words.name}-words").text = _clean(words.description)
    return svg


def _start(
    parent: Element, words: Words, text: str, kind: str, *, at: float = 0, **place: str
) -> None:
    """Text at the start of a line: at the right in right-to-left languages."""
    x = _percent(1 - at if words.is_rtl else at)
    _add(parent, "text", {"class": kind}, x=x, **place).text = _clean(text)


def _end(parent: Element, words: Words, text: str, kind: str, **place: str) -> None:
    x = _percent(0 if words.is_rtl else 1)
    _add(parent, "text", {"class": kind, "text-anchor": "end"}, x=x, **place).text = _clean(text)


def _add(
    parent: Element, tag: str, named: dict[str, str] | None = None, **attributes: str
) -> Element:
    return SubElement(parent, tag, {**(named or {}), **attributes})


def _percent(part: float) -> str:
    return f"{part * 100:.2f}%"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", text)


def _written(svg: Element) -> SafeString:
    # ElementTree has escaped all that is text.
    return mark_safe(tostring(svg, encoding="unicode"))  # noqa: S308
