"""CSV that opens in Excel, LibreOffice and pandas as it is, and runs nothing there."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

BOM = "\ufeff"
# Prefixes by which a spreadsheet takes a cell for a formula, full-width forms included.
_FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
# Where the list separator is a semicolon (Arabic and German systems), a cell starts after it.
_BEHIND_SEMICOLON = re.compile(r'(;[ "]*)(?=[=+\-@\t\r\n＝＋－＠])')
# In lines of CSV behind a line feed, a cell that a spreadsheet may take for a formula.
_FORMULA = re.compile(r'[,\n](?:[=+\-@\t＝＋－＠]|"[=+\-@\t\r\n＝＋－＠])')


def write(
    columns: Sequence[str], batches: Iterable[Sequence[Sequence[str | int]]], note: str = ""
) -> Iterator[bytes]:
    """Yield the file in UTF-8 with a byte order mark: the header first, then a chunk a batch.

    The note is the heading of a last, empty column. It costs a byte a row, and travels with the
    rows however they are renamed, filtered or saved again; a file beside them in a ZIP archive is
    lost when they are taken out, and a comment before the header breaks programs that read CSV.
    """
    noted, empty = ((note,), ("",)) if note else ((), ())
    yield (BOM + _lines([(*columns, *noted)])).encode()
    for batch in batches:
        lines = _lines([(*row, *empty) for row in batch])
        # Most batches have none, and looking at each cell took a tenth of the time.
        if ";" in lines or _FORMULA.search(f"\n{lines}"):
            lines = _lines([(*map(formula_safe, row), *empty) for row in batch])
        yield lines.encode()


def formula_safe(cell: str | int) -> str | int:
    """Escape a cell against CSV injection (OWASP), by an apostrophe before a formula."""
    if isinstance(cell, int) or (cell[:1] not in _FORMULA_STARTS and ";" not in cell):
        return cell
    safe = f"'{cell}" if cell[:1] in _FORMULA_STARTS else cell
    return _BEHIND_SEMICOLON.sub(r"\1'", safe)


def _lines(rows: Iterable[Sequence[str | int]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
