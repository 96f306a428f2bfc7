"""Backfill the constituency of signatures made before postcodes were imported.

1. Stop if all signatures have been looked up in the newest edition.
2. Read the UK signatures without a constituency, in batches.
3. If the postcode is known by now, set the signature's place and move its tally.
Totals do not change, and no email is sent. Resumable: run it again after an interruption.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.geography import placing
from petitions.staff.refusal import Refused


class Command(BaseCommand):
    help = "Look up again the postcodes of signatures whose constituency is not known."

    def handle(self, *args: Any, **options: Any) -> None:
        if not placing.unused_edition():
            self.stdout.write(
                "Nothing to do: everybody has been looked up in the postcodes in use, if there are "
                "any. Import others with import_postcodes first."
            )
            return
        total = placing.waiting().count()
        with tqdm(total=total, disable=None) as bar:
            try:
                result = placing.place_all(bar.update)
            except Refused as refused:
                raise CommandError(str(refused)) from None
        self.stdout.write(
            f"{result.placed:,} signatures have their constituency now. "
            f"{placing.waiting().count():,} stay without: no postcode given, or none that is known"
            f"; {result.unreadable:,} of them cannot be opened."
        )
