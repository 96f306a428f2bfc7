"""Cells that a spreadsheet would run are made plain text, and nothing else is touched."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from petitions.handover.csv_file import BOM, formula_safe, write

STARTS = "=+-@\t\r\n＝＋－＠"
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=20)


@pytest.mark.parametrize("start", list(STARTS), ids=ascii)
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(start: str) -> None:
    assert formula_safe(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize(
    "cell", ["", "Amina", "أمينة", "A=B", "Anne-Marie", "O'Brien", "a@b", "'=1", "12", "x;y"]
)
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert formula_safe(cell) == cell


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ('Amina;=HYPERLINK("https://evil.example")', 'Amina;\'=HYPERLINK("https://evil.example")'),
        ("a; =1", "a; '=1"),
        ("a;b;@c", "a;b;'@c"),
    ],
)
def test_no_formula_starts_behind_a_semicolon_that_other_locales_take_for_the_next_cell(
    cell: str, safe: str
) -> None:
    assert formula_safe(cell) == safe


@given(st.text(max_size=30))
@example("=" * 5)
@example(";=;+")
@example("; \t=x")
def test_no_cell_starts_a_formula_whichever_separator_the_reader_uses(cell: str) -> None:
    for part in str(formula_safe(cell)).split(";"):
        assert not part.strip(" ").startswith(tuple(STARTS))


@given(st.text(max_size=30))
def test_making_a_cell_safe_removes_nothing(cell: str) -> None:
    safe = iter(str(formula_safe(cell)))

    assert all(char in safe for char in cell)


@given(st.tuples(cells, cells, cells, cells))
@example(("R", 'Am"ina, "x"', "Ynys Môn", "2026-01-01"))
def test_rows_read_back_as_they_were_written(row: tuple[str, ...]) -> None:
    text = b"".join(write(["a", "b", "c", "d"], [[row]], "a note")).decode("utf-8-sig")
    header, line = csv.reader(io.StringIO(text, newline=""))
    assert header == ["a", "b", "c", "d", "a note"]
    assert line == [*map(formula_safe, row), ""]


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("start", [*STARTS, ";="], ids=ascii)
def test_a_formula_among_many_rows_is_made_safe_wherever_it_is(start: str, place: int) -> None:
    hostile = ["Rana", "Leeds", "2026-01-01"]
    hostile[place] = f"{start}1+1"
    rows = [("Amina", "a, b", "c"), tuple(hostile), ("Samir", "", "d")]
    for note in ("", "a note"):
        raw = b"".join(write(["a", "b", "c"], [rows], note)).decode("utf-8-sig")
        found = list(csv.reader(io.StringIO(raw, newline="")))[2]
        assert found[:3] == [formula_safe(cell) for cell in hostile] != hostile


def test_a_number_stays_a_number_without_an_apostrophe() -> None:
    assert b"".join(write(["n"], [[(-1,)]], "note")).endswith(b"n,note\r\n-1,\r\n")


def test_without_a_note_there_is_no_column_for_it() -> None:
    assert b"".join(write(["n"], [[(-1,)]])).endswith(b"n\r\n-1\r\n")


def test_the_file_starts_with_the_byte_order_mark_by_which_excel_detects_utf8() -> None:
    assert BOM.encode() == b"\xef\xbb\xbf"
