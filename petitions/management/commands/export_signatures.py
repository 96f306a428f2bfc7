"""Export a petition's confirmed signatures as CSV."""

import sys
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.counting import tallies
from petitions.handover import exports
from petitions.models import Export, Petition


class Command(BaseCommand):
    """1. Log who exports what, and why.
    2. Stream the CSV to --output, or to standard output; progress on the terminal.
    3. Complete the log record with row count and SHA-256, and print them.
    """

    help = "Write a petition's confirmed signatures as CSV; the export is recorded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the petition's address on the site")
        parser.add_argument("--purpose", required=True, choices=Export.Purpose.values)
        parser.add_argument("--why", default="export by command", help="kept with the record")
        parser.add_argument("--output", type=Path, help="a file that does not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        petition = Petition.objects.filter(slug=options["slug"]).first()
        if petition is None:
            slugs = ", ".join(Petition.objects.values_list("slug", flat=True)) or "none yet"
            raise CommandError(f"There is no petition {options['slug']!r}. There are: {slugs}.")
        with closing(_opened(options["output"])) as target:
            export = exports.start(
                petition=petition,
                purpose=Export.Purpose(options["purpose"]),
                why=options["why"],
            )
            _write(export, target)
        self.stderr.write(f"{export.rows} rows, SHA-256 {export.sha256}")
        self.stderr.write(f"It holds personal data: delete every copy by {export.delete_by}.")


def _write(export: Export, target: BinaryIO) -> None:
    expected = tallies.total(export.petition_id)
    with tqdm(total=expected, unit=" rows", disable=None) as bar:
        target.writelines(exports.stream(export, bar.update))
    target.flush()


def _opened(path: Path | None) -> BinaryIO:
    if path is None:
        return sys.stdout.buffer
    try:
        # Mode 0600: it lists people.
        path.touch(mode=0o600, exist_ok=False)
        return path.open("wb")
    except FileExistsError:
        raise CommandError(f"{path} exists already. Name a new file.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}).") from None
