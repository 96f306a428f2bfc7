"""A database that accepts and never answers: a wait that ends, and a circuit breaker.

A server that is stopped, or whose disk hangs, runs no `statement_timeout`, and its kernel goes
on to acknowledge what we send, so no TCP timeout ends the wait, either. In the web process
psycopg2 therefore waits by `wait`, its "wait callback", with a limit. Once that has passed the
breaker is open: whoever else asks gets an error at once, so that threads stay free for cached
pages, and one at a time tries again.

COPY does not work with a wait callback (psycopg2's documentation, "Coroutines"): commands and the
worker, which have time, go without.
"""

import select
import threading
import time

import psycopg2
from django.db import OperationalError
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, set_wait_callback

# Above the web's `statement_timeout`, so that a server that runs cancels by itself.
GRACE = 1.0
# How long after a silence the next may try.
PAUSE = 1.0
_EVENTS = {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}


class Breaker:
    """A circuit breaker: open while the database is silent, and one thread at a time may try."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_open = False
        self._next_try = 0.0

    def try_acquire(self, lasting: float) -> bool:
        """Whether this thread may ask the database. Of an open breaker one may every `lasting`
        seconds and a pause.
        """
        if not self._is_open:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + lasting + PAUSE
            return True

    def open(self) -> None:
        """It was silent."""
        with self._lock:
            self._is_open, self._next_try = True, time.monotonic() + PAUSE

    def close(self) -> None:
        """It has answered."""
        self._is_open = False


class Silence:
    """How long this process waits for an answer; for ever, until `limit` is called."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._breaker = Breaker()

    def limit(self, seconds: float) -> None:
        """Wait no longer than so many seconds for any answer, on all connections made later."""
        self.seconds = seconds
        set_wait_callback(self._wait)

    def lift(self) -> None:
        """Wait for ever again."""
        self.seconds = 0.0
        self._breaker.close()
        set_wait_callback(None)

    def check(self) -> None:
        """Raise `OperationalError` if the database was silent just now."""
        if not self._breaker.try_acquire(self.seconds):
            raise OperationalError("The database did not answer a moment ago.")

    def _wait(self, connection: psycopg2.extensions.connection) -> None:
        """Return once psycopg2 has its answer. It closes the connection if this raises."""
        deadline = time.monotonic() + self.seconds
        while (state := connection.poll()) != POLL_OK:
            waiting = select.poll()
            waiting.register(connection.fileno(), _EVENTS[state])
            if not waiting.poll(max(0.0, deadline - time.monotonic()) * 1000):
                self._breaker.open()
                raise psycopg2.OperationalError(
                    f"The database has not answered for {self.seconds:.0f} seconds."
                )
        self._breaker.close()


silence = Silence()
