"""Import the constituency of each postcode from a published file.

1. Load the file into a temporary table, with progress on the terminal. An error in it prints one
   line and sets exit code 1.
2. Write the differences to the live table, and record the file.
It is one transaction, so an interruption changes nothing. Signing goes on meanwhile. Idempotent.
"""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.geography import postcodes
from petitions.staff.refusal import Refused


class Command(BaseCommand):
    help = "Import postcodes from ONSPD or NSPL, as zip or CSV; then run place_signatures."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the zip as downloaded, or its large CSV")
        parser.add_argument("--edition", type=_month, help="2026-08, if the file's name is silent")
        parser.add_argument(
            "--accept",
            action="append",
            default=[],
            type=postcodes.Doubt,
            choices=list(postcodes.Doubt),
            help="import although it is older than what is in use, of a month to come, loses the"
            " constituency of many postcodes, or moves many to another",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(unit="B", unit_scale=True, disable=None) as bar:

            def progress(read: int, size: int) -> None:
                bar.total = size
                bar.update(read - bar.n)

            try:
                imported = postcodes.import_file(
                    options["file"],
                    edition=options["edition"],
                    accepted=options["accept"],
                    progress=progress,
                )
            except Refused as error:
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
