"""Key rotation: re-encrypt signers, enquiries, figures and authenticators under the first key.

1. Count the signers sealed under an older key.
2. Re-encrypt everything under the first key, in batches, with progress on the terminal.
3. If anything is left, report it with exit code 1. Resumable: run it again.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.privacy import reseal
from petitions.staff import second_factor


class Command(BaseCommand):
    help = "Seal every signer and every message to us under the first of SEALING_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        with tqdm(total=reseal.waiting(), unit=" signers", disable=None) as bar:
            result = reseal.reseal(bar.update)
        written, counted = reseal.reseal_enquiries(), reseal.reseal_figures()
        authenticators = second_factor.reseal()
        self.stdout.write(f"Sealed anew: {result.done:,}. Messages to us: {written.done:,}.")
        if left := result.left + written.left + counted.left + authenticators:
            raise CommandError(
                f"{left:,} are left under another key: run it again. What is left then "
                "cannot be opened, because its key is not in SEALING_KEYS."
            )
