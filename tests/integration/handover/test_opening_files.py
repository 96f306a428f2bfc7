"""Files of every purpose open whole and inert in pandas, in openpyxl by Excel's rules, and in a
real LibreOffice, as CSV and as XLSX.
"""

import io
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd  # type: ignore[import-untyped]
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from petitions.counting import tallies
from petitions.handover import exports, purposes
from petitions.handover.csv_file import formula_safe
from petitions.models import Export, Petition, Place, Signature
from petitions.signers.sealing import Attempt
from tests.browser.conftest import do_without
from tests.people import sign_and_confirm

HOW_TO = (
    "no LibreOffice: install it (Debian: apt-get install --no-install-recommends libreoffice-calc)"
)
HOSTILE = [
    "=1+1", "+cmd|' /C calc'!A0", "@SUM(1+1)", "-2+3", "\t=1+1", "=1;=2", "tab\tbetween",
    'Rana "R", Example', "Rana\nExample", '"=1+1"', "=cmd\n=1+1", "ليلى مثال", "李小龍", "𠮷野",
    "Siân Ŵ", "<b>&amp;", "＝1+1",
]  # fmt: skip
HOSTILE_PLACE = '=HYPERLINK("https://evil.example","Ynys Môn")'
# The column of each purpose in which the texts that others chose are.
TEXTS = {
    "hand-in": "name",
    "by-constituency": "constituency",
    "supporters": "name",
    "research": "constituency",
    "person": "name",
}
Files = Mapping[str, bytes]


def address(number: int) -> str:
    return f"p{number}@example.org"


@pytest.fixture
def files(petition: Petition, monkeypatch: pytest.MonkeyPatch) -> Files:
    """The file of each purpose in each format, by name."""
    monkeypatch.setattr(purposes, "RARE", 1)
    for number, name in enumerate(HOSTILE):
        attempt = Attempt(name=name, email=address(number), name_use="public", wants_updates=True)
        sign_and_confirm(petition, attempt)
    place = Place.objects.create(code="E14000001", name=HOSTILE_PLACE, region="E12000007")
    Signature.objects.filter(pk=Signature.objects.earliest("id").pk).update(place=place)
    tallies.rebuild(petition)
    return {
        f"{purpose}-{kind}.{kind}": exported(petition, purpose, kind)
        for purpose in TEXTS
        for kind in ("csv", "xlsx")
    }


def exported(petition: Petition, purpose: str, kind: str) -> bytes:
    export = Export(petition=petition, purpose=purpose, file_format=kind, why="a test")
    return b"".join(
        exports.stream(exports.start(export=export, actor=None, screen="test"), subject=address(0))
    )


def expected(purpose: str, name: str) -> set[str]:
    """The texts that were put in, as the file is to hold them: in CSV a formula is escaped."""
    texts = {
        "person": {HOSTILE[0]},
        "by-constituency": {HOSTILE_PLACE},
        "research": {HOSTILE_PLACE},
    }.get(purpose, set(HOSTILE))
    return {str(formula_safe(text)) for text in texts} if name.endswith("csv") else texts


def purpose_of(name: str) -> str:
    return name.rpartition("-")[0]


def test_pandas_reads_every_export_file_completely(files: Files) -> None:
    as_text: Any = {"dtype": str, "keep_default_na": False}
    for name, content in files.items():
        read = pd.read_csv if name.endswith("csv") else pd.read_excel
        frame = read(io.BytesIO(content), **as_text)
        purpose = purpose_of(name)
        columns = list(purposes.PURPOSES[purpose].columns)
        assert list(frame.columns)[: len(columns)] == columns
        assert expected(purpose, name) <= set(frame[TEXTS[purpose]]), name


def test_libreoffice_and_excel_find_every_text_and_no_formula(files: Files, tmp_path: Path) -> None:
    """All in one run of LibreOffice, which saves what it has read as workbooks."""
    opened = opened_by_libreoffice(files, tmp_path)
    assert sorted(opened) == sorted(files)
    for name, content in files.items():
        found = {"LibreOffice": opened[name]}
        if name.endswith("xlsx"):
            found["Excel"] = content
        for program, book in found.items():
            sheet = openpyxl.load_workbook(io.BytesIO(book)).worksheets[0]
            assert not formulas(sheet), (program, name)
            missing = expected(purpose_of(name), name) - texts_of(sheet, TEXTS[purpose_of(name)])
            assert not missing, (program, name)


def opened_by_libreoffice(files: Files, folder: Path) -> Files:
    """What LibreOffice made of each file: of CSV with what its dialog proposes for a byte order
    mark, commas, quotes and UTF-8 (76), for without a dialog it takes Windows' code page.
    """
    office = shutil.which("soffice")
    if office is None:
        do_without(HOW_TO)
    saved = folder / "saved"
    for name, content in files.items():
        (folder / name).write_bytes(content)
    command = [
        office, f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless",
        "--norestore", "--infilter=CSV:44,34,76,1", "--convert-to", "xlsx", "--outdir", str(saved),
        *(str(folder / name) for name in files),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    return {name: (saved / name).with_suffix(".xlsx").read_bytes() for name in files}


def formulas(sheet: Worksheet) -> list[str]:
    cells = (cell for row in sheet.iter_rows() for cell in row)
    return [str(cell.value) for cell in cells if cell.data_type == "f" or cell.hyperlink]


def texts_of(sheet: Worksheet, column: str) -> set[str]:
    header, *rows = sheet.iter_rows(values_only=True)
    number = header.index(column)
    return {str(row[number]) for row in rows}
