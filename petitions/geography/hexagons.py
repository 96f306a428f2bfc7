"""The map of the 650 constituencies as hexagons of one size: their places, from the shipped file.

The layout is HexJSON's `odd-r`: rows of hexagons that stand on a corner, of which every odd one is
moved half a hexagon to the right, counted from south to north.
"""

import csv
from functools import cache
from math import sqrt
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parent / "constituencies-2024.csv"
# From the middle of a hexagon to its corners, in units of the drawing.
SIZE = 10.0
_WIDTH, _STEP = sqrt(3) * SIZE, 1.5 * SIZE


class Hexagon(NamedTuple):
    """The middle of one constituency's hexagon, in units of the drawing from its top left."""

    x: float
    y: float


class Layout(NamedTuple):
    """Where every constituency is, by code, in reading order, and the size of the drawing."""

    hexagons: dict[str, Hexagon]
    width: float
    height: float


@cache
def layout() -> Layout:
    """The layout of the shipped constituencies; others, of new boundaries, have no place in it."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    cells = [(row["code"], int(row["q"]), int(row["r"])) for row in rows]
    cells.sort(key=lambda cell: (-cell[2], cell[1]))
    top, left = max(r for _code, _q, r in cells), min(q for _code, q, _r in cells)
    hexagons = {
        code: Hexagon(
            round((q - left + (r & 1) / 2 + 0.5) * _WIDTH, 1), round((top - r) * _STEP + SIZE, 1)
        )
        for code, q, r in cells
    }
    return Layout(
        hexagons,
        max(one.x for one in hexagons.values()) + _WIDTH / 2,
        max(one.y for one in hexagons.values()) + SIZE,
    )


def corners() -> str:
    """The corners of a hexagon around its middle, as an SVG `points` attribute."""
    half = _WIDTH / 2
    points = (
        (0, -SIZE), (half, -SIZE / 2), (half, SIZE / 2),
        (0, SIZE), (-half, SIZE / 2), (-half, -SIZE / 2),
    )  # fmt: skip
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
