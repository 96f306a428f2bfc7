"""Admin of a petition's figures: tables that sort, a map of constituencies, CSV and XLSX."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern
from django.views.decorators.http import require_safe

from petitions.admin.acting import need
from petitions.admin.base import WithPages
from petitions.counting import figure_tables, figures
from petitions.counting.figure_tables import Report, Seat, Table
from petitions.geography import hexagons
from petitions.handover import csv_file, xlsx_file
from petitions.models import Petition

# The number of shades of the map, without that for zero.
_SHADES = 5
_LABEL_HEIGHT = 72
_FORMATS = {
    "csv": ("text/csv; charset=utf-8", csv_file.write),
    "xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        xlsx_file.write,
    ),
}


class Shade(NamedTuple):
    """A shade of the map and its range of counts. Level 0 stands for no signatures."""

    level: int
    least: int
    most: int


class PetitionFigures(WithPages):
    """Mixin for the petition admin with the pages of its figures."""

    def get_urls(self) -> list[URLPattern]:
        file = "<int:pk>/figures/<slug:name>.<str:extension>"
        return [
            self.route("<int:pk>/figures/", require_safe(self.figures_view), "figures"),
            self.route(file, download, "figures_file"),
            *super().get_urls(),
        ]

    def figures_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show all tables. `?sort=` names a column of the constituencies; "-" reverses it."""
        petition, report = _find(request, pk)
        context = {
            "title": "Figures",
            "subtitle": petition,
            "petition": petition,
            "report": report,
            "next_count": figures.next_count(),
        }
        if report:
            context |= {"total": f"{report.total:,}"} | _map(report.seats)
            context |= _tables(report, request.GET.get("sort", ""))
        return self.page(request, "admin/petitions/petition/figures.html", context)


@require_safe
def download(request: HttpRequest, pk: int, name: str, extension: str) -> HttpResponse:
    """Return a table as a file. Its name has the time of the count."""
    petition, report = _find(request, pk)
    table = report.table(name) if report else None
    if report is None or table is None or extension not in _FORMATS:
        raise Http404
    content_type, write = _FORMATS[extension]
    file = f"{petition.slug}-{name}-{report.counted_at:%Y-%m-%d-%H%M}.{extension}"
    disposition = {"Content-Disposition": f'attachment; filename="{file}"'}
    content = b"".join(write(table.header, [table.rows]))
    return HttpResponse(content, content_type=content_type, headers=disposition)


def _find(request: HttpRequest, pk: int) -> tuple[Petition, Report | None]:
    need(request, "petitions.view_figures")
    petition = get_object_or_404(Petition.objects.titled(), pk=pk)
    return petition, figure_tables.report(petition)


def _tables(report: Report, sort: str) -> dict[str, Any]:
    """Return the sorted constituencies with links to sort by each column, and the other tables."""
    first, *others = report.tables
    columns = list(first.header)
    by, is_reversed = sort.removeprefix("-"), sort.startswith("-")
    if by not in columns:
        by, is_reversed = "rank", False
    number = columns.index(by)
    rows = sorted(first.rows, key=lambda row: row[number], reverse=is_reversed)
    heads = [
        {
            "label": name,
            "sort": f"-{name}" if name == by and not is_reversed else name,
            "aria": ("descending" if is_reversed else "ascending") if name == by else "",
        }
        for name in columns
    ]
    return {
        "heads": heads,
        "constituencies": _written(replace(first, rows=rows)),
        "others": [_written(table) for table in others],
    }


def _written(table: Table) -> Table:
    """Return the table with its numbers formatted as text, such as "5,148"."""
    rows = [
        tuple(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) for row in table.rows
    ]
    return replace(table, rows=rows)


def _map(seats: Sequence[Seat]) -> dict[str, Any]:
    """Return the map's key and, in `drawn`, code, shade, x, y, name and number of its hexagons.

    They are in reading order. Numbers are text: the template would need 20 ms to localise 650.
    """
    shades = _shades([seat.n for seat in seats if seat.n])
    by_code, layout = {seat.code: seat for seat in seats}, hexagons.layout()
    drawn = [
        (code, str(_level(seat.n, shades)), str(at.x), str(at.y), seat.name, _number(seat))
        for code, at in layout.hexagons.items()
        if (seat := by_code.get(code))
    ]
    # Above the map, name and number of the hexagon under the pointer are shown.
    box = f"0 -{_LABEL_HEIGHT} {layout.width:.0f} {layout.height + _LABEL_HEIGHT:.0f}"
    return {"drawn": drawn, "shades": shades, "box": box, "corners": hexagons.corners()}


def _number(seat: Seat) -> str:
    return f"{seat.n:,}, rank {seat.rank}"


def _shades(counts: Sequence[int]) -> list[Shade]:
    """Return up to `_SHADES` ranges of counts with about equally many constituencies each."""
    ranked, ranges = sorted(counts), list[Shade]()
    for level in range(1, _SHADES + 1):
        part = ranked[len(ranked) * (level - 1) // _SHADES : len(ranked) * level // _SHADES]
        least = max(part[0], ranges[-1].most + 1 if ranges else 0) if part else 0
        # Equal counts must have the same shade.
        if part and part[-1] >= least:
            ranges.append(Shade(level, least, part[-1]))
    return ranges


def _level(n: int, shades: Sequence[Shade]) -> int:
    return next((shade.level for shade in shades if shade.least <= n <= shade.most), 0)
