"""XLSX as Excel reads it, and files that only one recipient opens."""

import io
import itertools
import threading
from collections.abc import Iterator

import openpyxl
import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from petitions.handover import encryption, xlsx_file
from petitions.handover.encryption import encrypted, recipient_of

HOSTILE = [
    "=1+1", '=HYPERLINK("https://evil.example")', "@SUM(A1)", "-2+3", "+44", "a&b <c> \"d\" 'e'",
    "ليلى مثال", "李小龍", "𮯰", "_x0041_", "a\x07b", " spaces ", "line\nbreak", "'=1", "</t>",
]  # fmt: skip


def opened(file: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(file))


def rows_of(file: bytes, sheet: int = 0) -> list[tuple[object, ...]]:
    return list(opened(file).worksheets[sheet].iter_rows(values_only=True))


def test_hostile_names_are_stored_in_xlsx_as_complete_text_cells() -> None:
    file = b"".join(xlsx_file.write(["name"], [[(name,) for name in HOSTILE]], "a note"))
    cells = [row[0] for row in opened(file).worksheets[0].iter_rows(min_row=2)]

    assert {cell.data_type for cell in cells} == {"s"}
    found = [unescape(str(cell.value)) for cell in cells]
    assert found == HOSTILE


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1))
@example(["\ufffe", "\x00", "_x0000_", "_x005F_x0041_"])
def test_any_text_round_trips_through_xlsx(names: list[str]) -> None:
    file = b"".join(xlsx_file.write(["name"], [[(name,) for name in names]], "a note"))
    found = [unescape(str(value or "")) for (value,) in rows_of(file)[1:]]
    assert found == [name.replace("\r\n", "\n") for name in names]


def test_xlsx_keeps_numbers_and_puts_the_note_on_its_own_sheet() -> None:
    file = b"".join(xlsx_file.write(["place", "n"], [[("Ynys Môn", 7)]], "Delete by <then>."))
    assert opened(file).sheetnames == ["Export", "About this file"]
    assert rows_of(file) == [("place", "n"), ("Ynys Môn", 7)]
    assert rows_of(file, 1) == [("Delete by <then>.",)]


def test_rows_over_the_limit_of_excel_are_in_another_sheet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(xlsx_file, "SHEET_ROWS", 5)
    batches = [[(n, n)] * 2 for n in range(5)]
    file = b"".join(xlsx_file.write(["a", "b"], batches, "a note"))

    assert opened(file).sheetnames == ["Export", "Export 2", "Export 3", "About this file"]
    assert [len(rows_of(file, sheet)) for sheet in range(3)] == [5, 5, 3]


def test_a_workbook_without_rows_opens() -> None:
    assert rows_of(b"".join(xlsx_file.write(["a"], [], "a note"))) == [("a",)]


def test_xlsx_rows_are_streamed_as_they_are_generated() -> None:
    made = []

    def batches() -> Iterator[list[tuple[str, ...]]]:
        for number in range(100):
            made.append(number)
            yield [(f"{number * n:x}" * 40,) for n in range(2_000)]

    chunks = xlsx_file.write(["a"], batches(), "a note")
    assert len(next(chunk for chunk in chunks if len(chunk) > 10_000)) > 10_000
    assert len(made) < 10


def test_only_the_recipient_opens_an_encrypted_file() -> None:
    mine, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    pieces = [bytes([n]) * 50_000 for n in range(40)]
    file = b"".join(encrypted(pieces, str(mine.to_public())))

    assert pyrage.decrypt(file, [mine]) == b"".join(pieces)
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(file, [other])


def test_the_encryption_thread_ends_if_the_reader_stops_or_the_source_fails() -> None:
    key = str(pyrage.x25519.Identity.generate().to_public())
    before = threading.active_count()
    chunks = encrypted(itertools.repeat(b"x" * 100_000), key)
    next(chunks)
    chunks.close()

    def broken() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise ConnectionError

    with pytest.raises(ConnectionError):
        b"".join(encrypted(broken(), key))
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "typed",
    ["", "age1", "age1xyz", "AGE-SECRET-KEY-1QQQ", "ssh-rsa AAAA", "me@example.org", "ssh-dss x"],
)
def test_a_text_that_is_not_a_public_key_is_refused(typed: str) -> None:
    with pytest.raises(encryption.NotARecipient):
        recipient_of(typed)


def test_a_secret_key_is_refused_and_an_ssh_public_key_accepted() -> None:
    secret = pyrage.x25519.Identity.generate()
    with pytest.raises(encryption.NotARecipient):
        recipient_of(str(secret))
    public = Ed25519PrivateKey.generate().public_key()
    ssh = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    assert isinstance(recipient_of(f" {ssh} me@here "), pyrage.ssh.Recipient)
