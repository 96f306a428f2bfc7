"""Compare all mailboxes by the providers' rules of now."""

from typing import Any

from django.core.management.base import BaseCommand

from petitions.management import comparing
from petitions.models import Reindexing


class Command(BaseCommand):
    """1. Go on with what was asked for and is not finished, whatever interrupted it.
    2. If there was nothing, go through all signers.
    Where too many turn out to share a mailbox, the later ones are held for a moderator.
    Running it again changes nothing.
    """

    help = "Give signers the indexes that the providers' rules and the first index key ask for."

    def handle(self, *args: Any, **options: Any) -> None:
        jobs = list(Reindexing.objects.unfinished()) or [comparing.everybody()]
        for job in jobs:
            comparing.compare(job)
            self.stdout.write(comparing.summary(job))
