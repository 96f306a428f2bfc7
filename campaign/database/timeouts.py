"""Settings of database connections: timeouts for each kind of process, the web's circuit breaker,
and one plan for each prepared statement.

PostgreSQL's `statement_timeout` and `lock_timeout` are startup parameters of the connection, which
cost no round trip. A pooler would hand a connection with one process's settings to another, and
PgBouncer refuses the parameters: there each kind has a pool, whose `connect_query` sets them. See
docs/operators.md.

A server that is stopped, or whose disk hangs, runs no `statement_timeout`, and its kernel goes
on to acknowledge what we send, so no TCP timeout ends the wait, either. In the web process
psycopg2 therefore waits by a "wait callback" with a deadline. Once that has passed the breaker
is open: other requests get an error at once, so that threads stay free for cached pages, and one
at a time tries again. COPY does not work with a wait callback (psycopg2's documentation,
"Coroutines"): commands and the worker, which have time, go without.
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
# For `petitions.signatures.signing_sql`: by itself PostgreSQL plans that of a confirmation anew
# each time, and the whole of it takes 1.75 instead of 1.27 ms of its processor, in paired runs.
_ONE_PLAN = "-c plan_cache_mode=force_generic_plan"
# Seconds above the web's `statement_timeout`, so that a server that runs cancels by itself.
GRACE = 1.0
# Seconds after a timeout until the next may try.
PAUSE = 1.0
_EVENTS = {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}


class ClientTimeout:
    """The client-side timeout of this process, and its breaker; none until `limit` is called."""

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
        """Raise `OperationalError` while the breaker is open, but for one thread, which may try,
        every so many seconds as a timeout takes.
        """
        if not self._is_open:
            return
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                raise OperationalError("The database did not answer a moment ago.")
            self._next_try = now + self.seconds + PAUSE

    def open_breaker(self) -> None:
        """Open the breaker, after a timeout."""
        with self._lock:
            self._is_open, self._next_try = True, time.monotonic() + PAUSE

    def _wait(self, connection: psycopg2.extensions.connection) -> None:
        """Wait callback: return once psycopg2 has its answer, or raise; it then disconnects."""
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
    """Set the timeouts of this kind of process for all connections made from now on."""
    statement, lock = settings.DATABASE_TIMEOUTS[kind]
    if kind == "web" and statement:
        client_timeout.limit(statement + GRACE)
    if settings.DATABASE_POOLER:
        return
    options = connections.databases["default"]["OPTIONS"]
    # What DATABASE_URL says comes later, and so prevails.
    ours = f"-c statement_timeout={statement}s -c lock_timeout={lock}s {_ONE_PLAN}"
    options["options"] = f"{ours} {settings.DATABASE_OPTIONS}".strip()


@contextmanager
def limited(kind: Kind) -> Iterator[None]:
    """Run the block with this kind's timeouts, on its own connection; then as a command again."""
    connection.close()
    limit(kind)
    try:
        yield
    finally:
        connection.close()
        limit("command")
