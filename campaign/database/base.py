"""The differences from `django.db.backends.postgresql`. Django wants it in a module `base`."""

import select
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base

from campaign.database.silence import silence


class DatabaseWrapper(base.DatabaseWrapper):
    """Cheaper looks at the connection, plans that are kept, and no wait without an end."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Refuse at once while the database is known to be silent."""
        silence.check()
        return super().get_new_connection(conn_params)

    def create_cursor(self, name: str | None = None) -> Any:
        """The same before each statement on a connection that is kept."""
        silence.check()
        return super().create_cursor(name)

    def init_connection_state(self) -> None:
        """What is prepared is planned once. Left to itself, PostgreSQL plans a confirmation anew
        each time, taking it for too cheap to keep a plan; that is half of what one costs it.
        """
        super().init_connection_state()
        if not settings.DATABASE_POOLER:
            with self.cursor() as cursor:
                cursor.execute("SET plan_cache_mode TO force_generic_plan")

    def is_usable(self) -> bool:
        """Whether the connection is open, with nothing waiting to be read.

        Asks the operating system, where Django would send `SELECT 1` before the first query of
        each request: a fifth of what a signing costs the web process. A server that went away,
        or that says it shuts down, has sent something that nobody asked for: then the socket
        has something to read.
        """
        connection = self.connection
        if connection is None or connection.closed:
            return False
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return not poll.poll(0)
