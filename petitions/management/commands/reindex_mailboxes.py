"""Recompute the blind indexes of all mailboxes under the alias rules of this release."""

from typing import Any

from django.core.management.base import BaseCommand

from petitions.management import comparing


class Command(BaseCommand):
    """1. Reindex all signers, resuming an interrupted run.
    2. Where more turn out to share a mailbox than the household rule allows, hold the later ones
       for a moderator.
    Run it when every process has the new release. Idempotent.
    """

    help = "Give signers the indexes that the alias rules and the first index key ask for."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(comparing.summary(comparing.compare()))
