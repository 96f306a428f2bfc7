"""Small tables as CSV and XLSX files that no spreadsheet runs as formulas (CSV injection)."""

import csv
import io
from collections.abc import Iterable, Sequence

from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell

from petitions.handover.exports import BOM, formula_safe

Row = Sequence[str | int]
_TEXT = "s"
# What a sheet's name may not have, and how long it may be, by Excel's rules.
_NOT_IN_A_SHEET_NAME = str.maketrans("", "", r"[]:*?/\\")
_LONGEST_SHEET_NAME = 31


def csv_file(header: Row, rows: Iterable[Row]) -> bytes:
    """A CSV file in UTF-8, with the byte order mark that Excel needs for Arabic."""
    text = io.StringIO()
    for row in (header, *rows):
        safe = [formula_safe(cell) if isinstance(cell, str) else cell for cell in row]
        csv.writer(text).writerow(safe)
    return (BOM + text.getvalue()).encode()


def xlsx_file(title: str, header: Row, rows: Iterable[Row]) -> bytes:
    """An XLSX workbook of one sheet; text is stored as text, though it begins like a formula."""
    book, out = Workbook(write_only=True), io.BytesIO()
    sheet = book.create_sheet(title.translate(_NOT_IN_A_SHEET_NAME)[:_LONGEST_SHEET_NAME])

    def cell(value: str | int) -> Cell:
        written = WriteOnlyCell(sheet, value)
        if isinstance(value, str):
            written.data_type = _TEXT
        return written

    for row in (header, *rows):
        sheet.append([cell(value) for value in row])
    book.save(out)
    return out.getvalue()
