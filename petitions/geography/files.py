"""Published files: streamed in constant memory, and identified by their SHA-256 digest."""

import csv
import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

# Drops the byte order mark with which some spreadsheets begin.
_ENCODING = "utf-8-sig"


class UnusableFile(Exception):
    """The file cannot be imported. The message is one line for whoever gave it."""


class Table(NamedTuple):
    """An open CSV file: name, size in bytes, how many of them have been read, header and rows."""

    name: str
    size: int
    position: Callable[[], int]
    header: list[str]
    rows: Iterator[list[str]]


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with _one_line_of_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def table(path: Path) -> Iterator[Table]:
    """Open a CSV file, or the largest one in a zip: the same may lie beside it in smaller parts.

    Raises `UnusableFile`, also while rows are read.
    """
    with _one_line_of_errors(path), ExitStack() as stack:
        name, size, raw = _opened(path, stack)
        rows = csv.reader(io.TextIOWrapper(raw, encoding=_ENCODING, newline=""))
        header = [column.strip().lower() for column in next(rows, [])]
        yield Table(name, size, raw.tell, header, rows)


def _opened(path: Path, stack: ExitStack) -> tuple[str, int, IO[bytes]]:
    if not zipfile.is_zipfile(path):
        return path.name, path.stat().st_size, stack.enter_context(path.open("rb"))
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [one for one in archive.infolist() if one.filename.lower().endswith(".csv")]
    if not members:
        raise UnusableFile(f"{path.name} holds no CSV file.")
    largest = max(members, key=lambda member: member.file_size)
    raw = stack.enter_context(archive.open(largest))
    return Path(largest.filename).name, largest.file_size, raw


@contextmanager
def _one_line_of_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnusableFile(f"{path} cannot be read ({error.strerror}).") from None
    except (UnicodeDecodeError, csv.Error, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UnusableFile(f"{path.name} is damaged, or is no CSV file ({error}).") from None
