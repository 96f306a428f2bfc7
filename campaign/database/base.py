"""The one difference from `django.db.backends.postgresql`. Django wants it in a module `base`."""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Asks the operating system, not the server, whether a connection is still open.

    Django sends `SELECT 1` before the first query of each request; a fifth of what a signing
    costs the web process. A server that went away, or that says it shuts down, has sent
    something that nobody asked for: then the socket has something to read.
    """

    def is_usable(self) -> bool:
        """Whether the connection is open, with nothing waiting to be read."""
        connection = self.connection
        if connection is None or connection.closed:
            return False
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return not poll.poll(0)
