"""Write CSV that Excel, LibreOffice and pandas open as it is, without running a formula."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

BOM = "\ufeff"
# A cell that begins with one of these is a formula to a spreadsheet. Some are full-width forms.
_FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
# Where the list separator is a semicolon (Arabic and German systems), a cell begins after it.
_BEHIND_SEMICOLON = re.compile(r'(;[ "]*)(?=[=+\-@\t\r\n＝＋－＠])')
# A cell that a spreadsheet may take for a formula, in lines of CSV after a line feed.
_FORMULA = re.compile(r'[,\n](?:[=+\-@\t＝＋－＠]|"[=+\-@\t\r\n＝＋－＠])')


def write(
    columns: Sequence[str], batches: Iterable[Sequence[tuple[str | int, ...]]], note: str = ""
) -> Iterator[bytes]:
    """Yield the file in UTF-8 with a byte order mark: the header, then one chunk per batch.

    The note is the heading of an empty last column. It costs one byte per row, and stays with the
    rows when they are renamed, filtered or saved again. A second file in a ZIP archive would be
    lost, and a comment before the header breaks programs that read CSV.
    """
    noted, empty = ((note,), ("",)) if note else ((), ())
    yield (BOM + _lines([(*columns, *noted)])).encode()
    for batch in batches:
        lines = _lines([row + empty for row in batch])
        # Most batches have no formula, and checking each cell took a tenth of the time.
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
