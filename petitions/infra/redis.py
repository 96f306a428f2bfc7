"""The Redis client of the web processes, with time-outs of 50 ms and a circuit breaker.

Every submitted form uses Redis. An outage or stall costs a signer at most one time-out: the first
failure opens the breaker, and `call` then raises `Unavailable` at once for `PAUSE` seconds. After
that one caller probes Redis (half-open), while the others still get `Unavailable`.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT = 0.05
PAUSE = 1.0

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Unavailable(Exception):
    """Redis is down, or did not respond in time. Trying again soon may help."""


class _Breaker:
    """A circuit breaker, which is open from a failure until a probe succeeds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.retry_at: float | None = None

    def lets_through(self) -> bool:
        """Return whether this caller may try. An open breaker allows one probe per `PAUSE`."""
        retry_at = self.retry_at
        if retry_at is None:
            return True
        with self._lock:
            now = time.monotonic()
            is_due = self.retry_at is None or now >= self.retry_at
            if is_due and self.retry_at is not None:
                self.retry_at = now + PAUSE
            return is_due

    def open(self, error: Exception) -> None:
        with self._lock:
            is_news, self.retry_at = self.retry_at is None, time.monotonic() + PAUSE
        if is_news:
            logger.warning("Redis does not answer (%s)", type(error).__name__)

    def close(self) -> None:
        if self.retry_at is not None:
            self.retry_at = None
            logger.warning("Redis answers again")


_breaker = _Breaker()


def call(work: Callable[[redis.Redis], T]) -> T:
    """Call `work` with the client, and return its result. Raises `Unavailable`."""
    if not _breaker.lets_through():
        raise Unavailable
    try:
        answer = work(_client())
    except redis.RedisError as error:
        _breaker.open(error)
        raise Unavailable from None
    _breaker.close()
    return answer


def run_script(source: str, keys: Sequence[bytes], *args: str) -> Any:
    """Run a Lua script by EVALSHA, and return its result. Raises `Unavailable`."""
    return call(lambda client: client.register_script(source)(list(keys), list(args)))


def is_available() -> bool:
    """Return whether the breaker is closed, because the last call succeeded."""
    return _breaker.retry_at is None


def invalidate() -> None:
    """Close the breaker, and reconnect at the next call."""
    _breaker.retry_at = None
    _client.cache_clear()


@cache
def _client() -> redis.Redis:
    # No retries, because those of redis-py would make a signer wait for seconds.
    return redis.Redis.from_url(
        settings.REDIS_URL,
        protocol=2,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )
