"""Write XLSX as a stream: each batch is sent at once, and nothing is written to disk.

openpyxl and XlsxWriter first write each sheet to a temporary file, even in their modes of constant
memory. That file would hold the signers' names in clear, in a folder that is memory in a container,
and the first byte would be sent after the last row. A list of texts and numbers needs little of the
format (ECMA-376). Tests read it with openpyxl and LibreOffice.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape

Cells = Sequence[str | int]

# Excel's limit of rows in a sheet. Further rows go into another sheet, under the same header.
SHEET_ROWS = 1_048_576
_NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_HEAD = (
    f'{_XML}<worksheet xmlns="{_NAMESPACE}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" state="frozen"/></sheetView></sheetViews>'
    '<cols><col min="1" max="40" width="28" customWidth="1"/></cols><sheetData>'
)
_TAIL = "</sheetData></worksheet>"
# Characters that XML does not allow, and Excel's escapes of them, which a name may hold by chance.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_SPECIAL = re.compile(f"[&<>]|{_FORBIDDEN.pattern}")


def write(
    columns: Sequence[str], batches: Iterable[Sequence[Cells]], note: str = ""
) -> Iterator[bytes]:
    """Yield the workbook: the rows, in several sheets if there are many, and a sheet with the note.

    Every string is stored as text, and so never as a formula, whatever it begins with.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        names: list[str] = []
        for sheet in _sheets(columns, batches):
            names.append(f"Export {len(names) + 1}" if names else "Export")
            with archive.open(_path(len(names)), "w", force_zip64=True) as part:
                for text in sheet:
                    part.write(text.encode())
                    yield sink.taken()
        if note:
            names.append("About this file")
            archive.writestr(_path(len(names)), f"{_HEAD}{_row([note])}{_TAIL}")
        for path, xml in _frame(names).items():
            archive.writestr(path, _XML + xml)
    yield sink.taken()


def _sheets(columns: Cells, batches: Iterable[Sequence[Cells]]) -> Iterator[Iterator[str]]:
    """Yield for each sheet an iterator of its XML. Exhaust it before taking the next one."""
    pending = iter(batches)
    batch: Sequence[Cells] | None = next(pending, ())

    def sheet() -> Iterator[str]:
        nonlocal batch
        yield _HEAD + _row(columns)
        left = SHEET_ROWS - 1
        while batch is not None and len(batch) <= left:
            yield "".join(map(_row, batch))
            left -= len(batch)
            batch = next(pending, None)
        yield _TAIL

    while batch is not None:
        yield sheet()


def _row(cells: Cells) -> str:
    return f"<row>{''.join(map(_cell, cells))}</row>"


def _cell(value: str | int) -> str:
    if isinstance(value, int):
        return f"<c><v>{value}</v></c>"
    text = _escaped(value) if _SPECIAL.search(value) else value
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _escaped(text: str) -> str:
    return escape(_FORBIDDEN.sub(lambda found: f"_x{ord(found[0]):04X}_", text))


def _path(number: int) -> str:
    return f"xl/worksheets/sheet{number}.xml"


def _frame(names: Sequence[str]) -> dict[str, str]:
    """Return the parts that list the sheets. Written last, when their number is known."""
    numbers = range(1, len(names) + 1)
    sheets = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>'
        for n, name in zip(numbers, names, strict=True)
    )
    types = "".join(
        f'<Override PartName="/{_path(n)}" ContentType="{_TYPE}.worksheet+xml"/>' for n in numbers
    )
    relations = "".join(_relation(n, "worksheet", f"worksheets/sheet{n}.xml") for n in numbers)
    package = "http://schemas.openxmlformats.org/package/2006"
    return {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="xml" ContentType="application/xml"/><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
        f'PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>{types}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f"{_relation(1, 'officeDocument', 'xl/workbook.xml')}</Relationships>",
        "xl/workbook.xml": f'<workbook xmlns="{_NAMESPACE}" xmlns:r="{_RELATIONS}">'
        f"<sheets>{sheets}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f"{relations}</Relationships>",
    }


def _relation(number: int, kind: str, target: str) -> str:
    return f'<Relationship Id="rId{number}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'


class _Sink(io.RawIOBase):
    """A write-only file that is not seekable. `taken` returns and removes what was written."""

    def __init__(self) -> None:
        super().__init__()
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken
