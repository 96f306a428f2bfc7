"""Give signatures their constituency that were made before postcodes were imported."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.counting import tallies
from petitions.geography import placing
from petitions.infra.leases import alone


class Command(BaseCommand):
    """1. Look at every signature from the UK whose constituency is not known, in batches.
    2. Where its postcode is known by now, it counts there, and its tally moves with it.
    Totals stay as they are, and no email is sent. An interruption costs nothing: run it again.
    """

    help = "Look up again the postcodes of signatures whose constituency is not known."

    def handle(self, *args: Any, **options: Any) -> None:
        total = placing.waiting().count()
        with alone("place signatures") as is_alone, tqdm(total=total, disable=None) as bar:
            if not is_alone:
                raise CommandError("Signatures are being placed at this moment already.")
            try:
                result = placing.place_all(bar.update)
            except tallies.TallyBroken:
                raise CommandError(
                    "A count is lower than its signatures: run check_tallies --repair, then this."
                ) from None
        self.stdout.write(
            f"{result.placed:,} signatures have their constituency now. "
            f"{placing.waiting().count():,} stay without: no postcode given, or none that is known"
            f"; {result.unreadable:,} of them cannot be opened."
        )
