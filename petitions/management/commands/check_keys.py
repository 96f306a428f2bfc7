"""Report what depends on each key, so that an operator knows when one may be destroyed.

1. Count signers by sealing key, and enquiries and figures under older keys.
2. Unseal every signer, and count those whose blind indexes are not under the first index key.
3. Count suppressions and rules about addresses, whose indexes cannot move to another key.
The exit code is 1 while anything in steps 1 and 2 depends on an older key. Read-only.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.moderation import reindex
from petitions.privacy import reseal


class Command(BaseCommand):
    help = "Count what is still under an older key."

    def handle(self, *args: Any, **options: Any) -> None:
        old = self._sealed() + self._others() + self._indexed()
        self._not_rotatable()
        if old:
            raise CommandError("Do not destroy an older key yet.")
        self.stdout.write("No signer needs an older sealing or index key.")

    def _sealed(self) -> int:
        first = next(iter(settings.SEALING_KEYS))
        counts = reseal.under_keys()
        for key, number in counts.items():
            note = "" if key in settings.SEALING_KEYS else " (not in SEALING_KEYS: lost)"
            self.stdout.write(f"sealing key {key}: {number:,} signers{note}")
        return sum(number for key, number in counts.items() if key != first)

    def _others(self) -> int:
        written, counted = len(reseal.enquiries_waiting()), len(reseal.figures_waiting())
        if written:
            self.stdout.write(f"another sealing key: {written:,} messages to us")
        if counted:
            self.stdout.write(f"another sealing key: figures of {counted:,} petitions")
        return written + counted

    def _indexed(self) -> int:
        first = next(iter(settings.INDEX_KEYS))
        with tqdm(total=100, unit="%", disable=None) as bar:
            found = reindex.survey(lambda fraction: bar.update(100 * fraction - bar.n))
        self.stdout.write(f"index key {first}: {found.right:,} signers")
        self.stdout.write(f"another index key, or older rules: {found.other:,} signers")
        self.stdout.write(f"cannot be opened: {found.unreadable:,} signers")
        return found.other

    def _not_rotatable(self) -> None:
        for key, number in reindex.objections_by_key().items():
            self.stdout.write(f"index key {key}: {number:,} objections, which end with it")
        number = reindex.address_rules()
        if number:
            self.stdout.write(
                f"{number:,} rules about one address end with the index key they were made under"
            )
