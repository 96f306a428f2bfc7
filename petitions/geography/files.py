"""Readers of published CSV and zip files, which stream in constant memory, and their digests."""

import csv
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple

from petitions.staff.refusal import Refused

# A line of the published tables has about 400 characters. A very long one would fill the memory.
_LONGEST_LINE = 10_000
# Bounds against zip bombs. The published tables have 1.3 GB, and their zips a seventh of that.
_MAX_BYTES = 8 << 30
_MAX_RATIO = 50
_RATIO_CHECKED_ABOVE = 100 << 20
_SEPARATORS = ",;\t|"
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# The first bytes of other archives and of compressed files: gzip, bzip2, xz, Zstandard, 7z, RAR.
_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")
# Titles, blank lines and "sep=;" may come before the header.
_LINES_ABOVE = 20
_UNPACK_FIRST = (
    "{} is packed in a way that cannot be read here, or has a password. Unpack it first, and give "
    "the CSV file from it."
)


class Table(NamedTuple):
    """An open CSV file. `size` and `position()` are in bytes, and the header is in lower case.
    `rows` yields the rows that are not blank, each with its line number.
    """

    name: str
    size: int
    position: Callable[[], int]
    header: list[str]
    rows: Iterator[tuple[int, list[str]]]


def digest(path: Path) -> str:
    """Return a file's SHA-256 digest in hexadecimal."""
    with _errors_as_refusals(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def small(path: Path, most: int) -> bytes:
    """Return the contents of a file of at most `most` bytes. Raises `Refused`."""
    with _errors_as_refusals(path), path.open("rb") as file:
        contents = file.read(most + 1)
    if len(contents) > most:
        raise Refused(f"{path.name} is larger than {most:,} bytes: it is another file.")
    return contents


@contextmanager
def table(path: Path) -> Iterator[Table]:
    """Open a CSV file, or the largest one in a zip, which may also hold the same in smaller parts.

    Values are separated by commas, semicolons, tabs or bars, and are not stripped. The text is
    UTF-8, or UTF-16 with a byte order mark. The header is the first line with more than one title.
    Raises `Refused`, also while rows are read.
    """
    with _errors_as_refusals(path), ExitStack() as stack:
        name, size, raw = _opened(path, stack)
        raw.seek(0)
        mark = raw.read(2)
        raw.seek(0)
        # "utf-8-sig" drops the byte order mark that some spreadsheet programs write.
        encoding = "utf-16" if mark in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
        text = stack.enter_context(io.TextIOWrapper(raw, encoding=encoding, newline=""))
        lines = _lines(text, name)
        number, separator, header = _header(lines)
        rows = enumerate(csv.reader(lines, delimiter=separator), number + 1)
        yield Table(
            name, size, raw.tell, header, (row for row in rows if any(map(str.strip, row[1])))
        )


def _header(lines: Iterator[str]) -> tuple[int, str, list[str]]:
    """Return the header's line number, its separator and its titles, or [] without a header."""
    for number, line in enumerate(islice(lines, _LINES_ABOVE), 1):
        if "\0" in line:
            raise UnicodeError  # UTF-16 without a byte order mark, or UTF-32
        separator = max(_SEPARATORS, key=line.count)
        titles = next(csv.reader([line], delimiter=separator), [])
        header = [title.strip().lower() for title in titles]
        if sum(map(bool, header)) > 1:
            return number, separator, header
    return 0, ",", []


def _opened(path: Path, stack: ExitStack) -> tuple[str, int, IO[bytes]]:
    if not zipfile.is_zipfile(path):
        file = stack.enter_context(path.open("rb"))
        start = file.read(6)
        if start.startswith(b"PK"):
            raise Refused(f"{path.name} breaks off: download it again.")
        if start.startswith(_ARCHIVES):
            raise Refused(_UNPACK_FIRST.format(path.name))
        return path.name, path.stat().st_size, file
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [one for one in archive.infolist() if one.filename.lower().endswith(".csv")]
    if not members:
        raise Refused(
            f"{path.name} holds no CSV file. Unpack it, or save the table in it as “CSV UTF-8 "
            "(comma delimited)”, and give that."
        )
    largest = max(members, key=lambda member: member.file_size)
    is_bomb = largest.file_size > _MAX_RATIO * max(largest.compress_size, 1)
    if largest.file_size > _MAX_BYTES or (is_bomb and largest.file_size > _RATIO_CHECKED_ABOVE):
        raise Refused(
            f"{path.name} would unpack to {largest.file_size:,} bytes: it is no published table."
        )
    # Windows packs large files with Deflate64. The lowest flag bit means that there is a password.
    if largest.compress_type not in _METHODS or largest.flag_bits & 1:
        raise Refused(_UNPACK_FIRST.format(path.name))
    raw = stack.enter_context(archive.open(largest))
    return Path(largest.filename).name, largest.file_size, raw


def _lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    """Yield the lines. Refuse one that is too long, or whose quotes do not close on it."""
    for number, line in enumerate(iter(lambda: text.readline(_LONGEST_LINE), ""), 1):
        if len(line) == _LONGEST_LINE:
            raise Refused(
                f"Line {number:,} of {name} is longer than {_LONGEST_LINE:,} characters: it is no "
                "published table."
            )
        if line.count('"') % 2:
            raise breaks_off(name, number)
        yield line


def breaks_off(name: str, number: int) -> Refused:
    """Return the error for a line that has too few values, or an incomplete one."""
    return Refused(
        f"{name} breaks off in line {number:,}. Download it again; or if that line is a note and "
        "no row of the table, delete it."
    )


@contextmanager
def _errors_as_refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}).") from None
    except UnicodeError:
        raise Refused(
            f"{path.name} is not text in UTF-8. Open it in the program that it comes from, and "
            "save it as “CSV UTF-8 (comma delimited)”."
        ) from None
    except (csv.Error, zipfile.BadZipFile, zlib.error, EOFError):
        raise Refused(f"{path.name} is damaged: download it again.") from None
