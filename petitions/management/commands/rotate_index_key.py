"""Key rotation: recompute all signers' blind indexes under the first index key.

1. Refuse unless the key ring also has the older key: see docs/operators.md.
2. Rewrite the indexes of all signers and of their mails under the first key.
3. Verify the result. The exit code is 1 if a signer is still under an older key.
Signing goes on meanwhile, because look-ups try every key of the ring.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from petitions.management.commands import reindex_mailboxes


class Command(reindex_mailboxes.Command):
    help = "Write every signer's indexes under the first of INDEX_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        if len(settings.INDEX_KEYS) < 2:
            raise CommandError(
                "INDEX_KEYS holds one key. Put the new one first and keep the old one behind it, "
                "in all processes: see “Exchanging a key” in docs/operators.md."
            )
        self.reindex()
        again = self.reindex()
        if again.moved or again.unreadable:
            raise CommandError("Not all are under the first key: run it again.")
        first = next(iter(settings.INDEX_KEYS))
        self.stdout.write(f"All signers are under index key {first}.")
