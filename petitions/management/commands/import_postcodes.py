"""Take in which postcode lies in which constituency, from a published file."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.geography import postcodes
from petitions.geography.files import UnusableFile


class Command(BaseCommand):
    """1. Read the file into a table of its own; progress on the terminal. What is wrong with it
       is one line, and exit code 1.
    2. Write what differs into the table that signing looks into, and record the file: one
       transaction, with what was read, so that an interruption leaves everything as it was.
    Signing goes on all the while. The same file again changes nothing.
    """

    help = "Import postcodes from ONSPD or NSPL, as zip or CSV; then run place_signatures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the zip as downloaded, or its large CSV")
        parser.add_argument("--edition", type=_month, help="2026-08, if the file's name is silent")

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(unit="B", unit_scale=True, disable=None) as bar:

            def progress(read: int, size: int) -> None:
                bar.total = size
                bar.update(read - bar.n)

            try:
                imported = postcodes.import_file(
                    options["file"], edition=options["edition"], progress=progress
                )
            except UnusableFile as error:
                raise CommandError(str(error)) from None
        self.stdout.write(
            f"Postcodes of {imported.edition:%B %Y}: {imported.rows:,}, "
            f"{imported.terminated:,} of them no longer in use. {imported.nowhere:,} lie in no "
            f"constituency. New or moved: {imported.changed:,}; gone: {imported.gone:,}."
        )


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise ArgumentTypeError("a month, such as 2026-08") from None
