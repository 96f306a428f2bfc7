"""What may be used once: the first to ask gets it, across all processes.

Redis decides by one atomic `SET ... NX EX`, through a client of its own that gives up after
50 ms. While Redis is away each process remembers by itself: somebody may then use a thing
once in every process, but nobody who signs is kept waiting or turned away. Keys are keyed
hashes, so that nothing that was typed or sent stands in Redis.
"""

import logging
import threading
import time
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from petitions.crypto import vault

TIMEOUT = 0.05
# How long nobody asks a Redis that did not answer.
PAUSE = 5.0
REMEMBERED = 50_000

logger = logging.getLogger(__name__)


def first(kind: str, thing: str, seconds: int) -> bool:
    """Whether nobody has used `thing` in the last `seconds`; from now on somebody has."""
    key = vault.blind_index("once", kind, thing).hex()
    # The process remembers in any case: what Redis knew may be lost with it.
    return _memory.first(key, seconds) and _first_in_redis(key, seconds)


def give_back(kind: str, thing: str) -> None:
    """Let `thing` be used after all, for what it was used for did not happen."""
    key = vault.blind_index("once", kind, thing).hex()
    _memory.give_back(key)
    if not _breaker.is_open():
        try:
            _client().delete(f"once:{key}")
        except redis.RedisError as error:
            _breaker.trip()
            logger.warning("cannot tell Redis what was not used (%s)", type(error).__name__)


def forget() -> None:
    """Forget what this process remembers, and ask Redis again."""
    _memory.clear()
    _breaker.clear()
    _client.cache_clear()


class _Memory:
    """Used keys and until when, the oldest dropped beyond a bound."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()

    def first(self, key: str, seconds: int) -> bool:
        now = time.monotonic()
        with self._lock:
            if self._until.get(key, now) > now:
                return False
            self._until.pop(key, None)
            self._until[key] = now + seconds
            while len(self._until) > REMEMBERED:
                del self._until[next(iter(self._until))]
        return True

    def give_back(self, key: str) -> None:
        with self._lock:
            self._until.pop(key, None)

    def clear(self) -> None:
        self._until.clear()


class _Breaker:
    """Remembers that Redis did not answer, so that not every signer waits for it."""

    def __init__(self) -> None:
        self._closed_until = 0.0

    def is_open(self) -> bool:
        return time.monotonic() < self._closed_until

    def trip(self) -> None:
        self._closed_until = time.monotonic() + PAUSE

    def clear(self) -> None:
        self._closed_until = 0.0


_memory = _Memory()
_breaker = _Breaker()


def _first_in_redis(key: str, seconds: int) -> bool:
    if _breaker.is_open():
        return True
    try:
        return bool(_client().set(f"once:{key}", 1, nx=True, ex=seconds))
    except redis.RedisError as error:
        _breaker.trip()
        logger.warning("cannot ask Redis what was used (%s)", type(error).__name__)
        return True


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )
