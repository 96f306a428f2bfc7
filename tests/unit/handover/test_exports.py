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
def test_a_csv_cell_that_starts_a_formula_is_prefixed_with_an_apostrophe(start: str) -> None:
    assert formula_safe(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize(
    "cell", ["", "Amina", "أمينة", "A=B", "Anne-Marie", "O'Brien", "a@b", "'=1", "12", "x;y"]
)
def test_harmless_csv_cells_are_unchanged(cell: str) -> None:
    assert formula_safe(cell) == cell


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ('Amina;=HYPERLINK("https://evil.example")', 'Amina;\'=HYPERLINK("https://evil.example")'),
        ("a; =1", "a; '=1"),
        ("a;b;@c", "a;b;'@c"),
    ],
)
def test_a_formula_after_a_semicolon_in_a_csv_cell_is_escaped(cell: str, safe: str) -> None:
    assert formula_safe(cell) == safe


@given(st.text(max_size=30))
@example("=" * 5)
@example(";=;+")
@example("; \t=x")
def test_no_escaped_cell_starts_a_formula_with_comma_or_semicolon_separators(cell: str) -> None:
    for part in str(formula_safe(cell)).split(";"):
        assert not part.strip(" ").startswith(tuple(STARTS))


@given(st.text(max_size=30))
def test_escaping_a_csv_cell_removes_no_characters(cell: str) -> None:
    safe = iter(str(formula_safe(cell)))

    assert all(char in safe for char in cell)


@given(st.tuples(cells, cells, cells, cells))
@example(("R", 'Am"ina, "x"', "Ynys Môn", "2026-01-01"))
def test_csv_rows_round_trip_with_formulas_escaped(row: tuple[str, ...]) -> None:
    text = b"".join(write(["a", "b", "c", "d"], [[row]], "a note")).decode("utf-8-sig")
    header, line = csv.reader(io.StringIO(text, newline=""))
    assert header == ["a", "b", "c", "d", "a note"]
    assert line == [*map(formula_safe, row), ""]


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("start", [*STARTS, ";="], ids=ascii)
def test_a_formula_in_any_column_of_a_csv_row_is_escaped(start: str, place: int) -> None:
    hostile = ["Rana", "Leeds", "2026-01-01"]
    hostile[place] = f"{start}1+1"
    rows = [("Amina", "a, b", "c"), tuple(hostile), ("Samir", "", "d")]
    for note in ("", "a note"):
        raw = b"".join(write(["a", "b", "c"], [rows], note)).decode("utf-8-sig")
        found = list(csv.reader(io.StringIO(raw, newline="")))[2]
        assert found[:3] == [formula_safe(cell) for cell in hostile] != hostile


def test_a_negative_number_in_csv_gets_no_apostrophe() -> None:
    assert b"".join(write(["n"], [[(-1,)]], "note")).endswith(b"n,note\r\n-1,\r\n")


def test_a_csv_file_without_a_note_has_no_note_column() -> None:
    assert b"".join(write(["n"], [[(-1,)]])).endswith(b"n\r\n-1\r\n")


def test_the_csv_byte_order_mark_is_that_of_utf8() -> None:
    assert BOM.encode() == b"\xef\xbb\xbf"
