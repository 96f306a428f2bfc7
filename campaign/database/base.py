"""The backend's `DatabaseWrapper`, in a module named as Django requires."""

import select
from typing import Any

from django.db.backends.postgresql import base

from campaign.database.timeouts import client_timeout


class DatabaseWrapper(base.DatabaseWrapper):
    """Cheaper health checks of connections, and a circuit breaker."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Raise `OperationalError` at once while the circuit breaker is open."""
        client_timeout.check()
        return super().get_new_connection(conn_params)

    def create_cursor(self, name: str | None = None) -> Any:
        """Do the same before each statement on a persistent connection."""
        client_timeout.check()
        return super().create_cursor(name)

    def is_usable(self) -> bool:
        """Return whether a persistent connection is open, with nothing waiting to be read.

        This polls the socket. Django would send `SELECT 1` before the first query of each request:
        with that a signing took 11 % longer, and a confirmation 12 %. A server that has gone or is
        shutting down has closed the connection or sent a message, so the socket is readable.
        """
        connection = self.connection
        if connection is None or connection.closed:
            return False
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return not poll.poll(0)
