"""Export signatures of a petition for one purpose.

1. Record the export and its reason.
2. Stream the file to --output or to standard output, with progress on the terminal.
3. Add the row count and the SHA-256 digest to the record, and print them.
"""

import sys
from argparse import ArgumentParser
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.handover import encryption, exports
from petitions.handover.purposes import PURPOSES
from petitions.management.arguments import petition_of
from petitions.models import Export, Petition

# One person's data is exported only in the admin, where each look is limited and has an account.
_OFFERED = [name for name, purpose in PURPOSES.items() if not purpose.is_of_one_person]


class Command(BaseCommand):
    help = "Write a petition's confirmed signatures as CSV or XLSX; the export is recorded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="the petition's address on the site")
        parser.add_argument("--purpose", required=True, choices=_OFFERED)
        parser.add_argument("--why", default="export by command", help="kept with the record")
        parser.add_argument("--format", default="csv", choices=Export.Format.values)
        parser.add_argument(
            "--first-day", type=date.fromisoformat, help="of confirming: 2026-01-31"
        )
        parser.add_argument("--last-day", type=date.fromisoformat)
        parser.add_argument("--recipient", default="", help="an age or SSH public key")
        parser.add_argument("--output", type=Path, help="a file that does not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        export = _chosen(petition_of(options["slug"]), options)
        with closing(_opened(options["output"])) as target:
            exports.start(export=export, actor=None, screen="export_signatures")
            _write(export, target)
        self.stderr.write(f"{export.rows} rows, SHA-256 {export.sha256}")
        self.stderr.write(exports.allowance(export))


def _chosen(petition: Petition, options: dict[str, Any]) -> Export:
    export = Export(
        petition=petition,
        purpose=options["purpose"],
        file_format=options["format"],
        recipient=options["recipient"],
        first_day=options["first_day"],
        last_day=options["last_day"],
        why=options["why"],
    )
    try:
        export.clean_fields(exclude={"actor_name", "delete_by"})
        export.validate_constraints()
        if export.recipient:
            encryption.recipient_of(export.recipient)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    except encryption.NotARecipient:
        raise CommandError("--recipient is no public key of age or SSH.") from None
    return export


def _write(export: Export, target: BinaryIO) -> None:
    with tqdm(total=export.expected, unit=" rows", disable=None) as bar:
        target.writelines(exports.stream(export, progress=bar.update))
    target.flush()


def _opened(path: Path | None) -> BinaryIO:
    if path is None:
        return sys.stdout.buffer
    try:
        # Only the owner may read the file, because it lists people.
        path.touch(mode=0o600, exist_ok=False)
        return path.open("wb")
    except FileExistsError:
        raise CommandError(f"{path} exists already. Name a new file.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}).") from None
