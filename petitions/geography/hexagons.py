"""The positions of the 650 constituencies on a map of equal hexagons, from the shipped file.

The layout is HexJSON's `odd-r`: hexagons stand on a corner, rows are numbered from south to north,
and odd rows are shifted right by half a hexagon.
"""

import csv
from functools import cache
from math import sqrt
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).parent / "constituencies-2024.csv"
# The distance from a hexagon's centre to its corners, in units of the drawing.
SIZE = 10.0
_WIDTH, _STEP = sqrt(3) * SIZE, 1.5 * SIZE


class Hexagon(NamedTuple):
    """The centre of one constituency's hexagon, in units of the drawing from its top left."""

    x: float
    y: float


class Layout(NamedTuple):
    """The hexagons by constituency code, in reading order, and the size of the drawing."""

    hexagons: dict[str, Hexagon]
    width: float
    height: float


@cache
def layout() -> Layout:
    """Return the layout of the shipped constituencies. Those of new boundaries are not in it."""
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
    """Return the corners of a hexagon around its centre, as an SVG `points` attribute."""
    half = _WIDTH / 2
    points = (
        (0, -SIZE), (half, -SIZE / 2), (half, SIZE / 2),
        (0, SIZE), (-half, SIZE / 2), (-half, -SIZE / 2),
    )  # fmt: skip
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
