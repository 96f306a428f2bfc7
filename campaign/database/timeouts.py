"""Database timeouts for each kind of process, generic plans, and the web's circuit breaker.

PostgreSQL's `statement_timeout` and `lock_timeout` are set as startup parameters, which cost no
round trip. A pooler would hand a connection with one process's settings to another, and PgBouncer
refuses the parameters. So with a pooler each kind of process has its own pool, whose
`connect_query` sets them: see docs/operators.md.

A server that is suspended, or whose disk hangs, enforces no `statement_timeout`. Its kernel still
acknowledges our packets, so no TCP timeout ends the wait either. In the web process, psycopg2
therefore waits in a "wait callback" with a deadline. When that passes, the breaker opens: other
requests fail at once, so that threads stay free for cached pages, and one at a time tries again.
COPY does not work with a wait callback (psycopg2's documentation, "Coroutines"). Commands and the
worker have time to wait, and have none.
"""

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import psycopg2
from django.conf import settings
from django.db import OperationalError, connection, connections
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, set_wait_callback

Kind = Literal["web", "worker", "command", "migrate"]
# For `petitions.signatures.signing_sql`: otherwise PostgreSQL plans the confirming statement anew
# each time, and a confirmation takes 1.75 instead of 1.27 ms of its CPU time, in paired runs.
_ONE_PLAN = "-c plan_cache_mode=force_generic_plan"
# Seconds beyond the web's `statement_timeout`, so that a working server cancels first.
GRACE = 1.0
# Seconds after a timeout until another thread may try.
PAUSE = 1.0
_EVENTS = {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}


class ClientTimeout:
    """The client-side timeout of this process, set by `limit`, and its circuit breaker."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock = threading.Lock()
        self._is_open = False
        self._next_try = 0.0

    def limit(self, seconds: float) -> None:
        """Set the timeout, in seconds, for all connections made later."""
        self.seconds = seconds
        set_wait_callback(self._wait)

    def remove(self) -> None:
        """Remove the timeout, and close the breaker."""
        self.seconds, self._is_open = 0.0, False
        set_wait_callback(None)

    def check(self) -> None:
        """Raise `OperationalError` while the breaker is open.

        One thread at a time may try again, `PAUSE` seconds after the last timeout.
        """
        if not self._is_open:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                raise OperationalError("The database did not answer a moment ago.")
            self._next_try = now + self.seconds + PAUSE

    def open_breaker(self) -> None:
        """Open the breaker after a timeout."""
        with self._lock:
            self._is_open, self._next_try = True, time.monotonic() + PAUSE

    def _wait(self, connection: psycopg2.extensions.connection) -> None:
        """Wait until psycopg2 has its answer. At the deadline, raise, so that it disconnects."""
        deadline = time.monotonic() + self.seconds
        while (state := connection.poll()) != POLL_OK:
            waiting = select.poll()
            waiting.register(connection.fileno(), _EVENTS[state])
            if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self.open_breaker()
                raise psycopg2.OperationalError(
                    f"The database has not answered for {self.seconds:.0f} seconds."
                )
        self._is_open = False


client_timeout = ClientTimeout()


def limit(kind: Kind) -> None:
    """Set the timeouts of this kind of process for all new connections."""
    statement, lock = settings.DATABASE_TIMEOUTS[kind]
    if kind == "web" and statement:
        client_timeout.limit(statement + GRACE)
    if settings.DATABASE_POOLER:
        return
    options = connections.databases["default"]["OPTIONS"]
    # Options of DATABASE_URL come later, so they take precedence.
    ours = f"-c statement_timeout={statement}s -c lock_timeout={lock}s {_ONE_PLAN}"
    options["options"] = f"{ours} {settings.DATABASE_OPTIONS}".strip()


@contextmanager
def limited(kind: Kind) -> Iterator[None]:
    """Run the block on a new connection with this kind's timeouts, then return to a command's."""
    connection.close()
    limit(kind)
    try:
        yield
    finally:
        connection.close()
        limit("command")
