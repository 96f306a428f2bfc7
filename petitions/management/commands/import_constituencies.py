"""Import the constituencies of the UK from a published file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from petitions.geography import constituencies
from petitions.staff.refusal import Refused


class Command(BaseCommand):
    """1. Read the whole file. An error in it prints one line and sets exit code 1.
    2. Insert or update the constituencies in one transaction, and record the file.
    Idempotent.
    """

    help = "Import constituencies newer than those of 2024, which ship: HexJSON or the ONS table."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="HexJSON, or CSV with PCON24CD and PCON24NM")
        parser.add_argument(
            "--new-boundaries",
            action="store_true",
            help="take a file that adds constituencies and lacks known ones",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            imported = constituencies.import_file(
                options["file"], new_boundaries=options["new_boundaries"]
            )
        except Refused as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{imported.rows:,} constituencies, {imported.new:,} of them new.")
