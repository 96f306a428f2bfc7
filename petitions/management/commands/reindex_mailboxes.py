"""Recompute the blind indexes of all mailboxes under the alias rules of this release.

1. Reindex all signers, resuming an interrupted run.
2. If more people share a mailbox than the household rule allows, hold the later ones for a
   moderator.
Run it once every process runs the new release. Idempotent.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from petitions.models import Reindexing
from petitions.moderation import reindex
from petitions.staff.refusal import Refused


class Command(BaseCommand):
    help = "Give signers the indexes that the alias rules and the first index key ask for."

    def handle(self, *args: Any, **options: Any) -> None:
        self.reindex()

    def reindex(self) -> Reindexing:
        """Reindex and print the result. Raises `CommandError` if another process is doing so."""
        with tqdm(total=100, unit="%", disable=None) as bar:
            try:
                job = reindex.reindex_all(lambda fraction: bar.update(100 * fraction - bar.n))
            except Refused as refused:
                raise CommandError(str(refused)) from None
        self.stdout.write(
            f"Looked at {job.done:,}: {job.moved:,} changed, {job.held:,} of them held, "
            f"{job.unreadable:,} cannot be opened."
        )
        return job
