"""Django's `migrate` with a short lock timeout and retries, so that signers never wait long.

1. Wait for each lock for at most `MIGRATE_LOCK_TIMEOUT` seconds. Signers queue behind a waiting
   migration, even if it waits for a dump, which blocks nobody else.
2. After a lock timeout, pause for `PAUSE` seconds and retry from the migration that failed. Each
   migration is its own transaction.
3. After `ATTEMPTS` attempts, say what to do.
"""

import time
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError
from psycopg2.errors import LockNotAvailable

from campaign.database import timeouts

ATTEMPTS = 30
PAUSE = 5.0


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with timeouts.limited("migrate"):
            self._try_again(*args, **options)

    def _try_again(self, *args: Any, **options: Any) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                super().handle(*args, **options)
                return
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
                self.stderr.write(f"A table is in use; trying again (attempt {attempt}).")
                time.sleep(PAUSE)
        raise CommandError(
            "A table was in use all the time, by a dump or a long command. Nothing is half done: "
            "run migrate again when that has ended. pg_locks shows which connection it is."
        )
