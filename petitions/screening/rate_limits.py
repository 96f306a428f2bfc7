"""How often something may be done, by network, mailbox, domain and petition.

All limits of one request are one script on Redis: one round trip, and atomic. A counter is
a sliding window: what the window before counted fades out while the present one fills. Its
key is a keyed hash, so that Redis holds nobody's address and nobody's network.

What network, domain and petition come to may be told: first a challenge, then "too many at
the moment", without saying which. What a mailbox comes to must not be: anybody can type
anybody's address, and would learn that somebody else has.

While Redis is away or stalls, each process counts for itself. Nobody waits: the first
request that fails opens a breaker, and a thread of its own looks whether Redis is back.
"""

import hashlib
import logging
import secrets
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

import redis
from django.conf import settings
from limits.storage import MemoryStorage
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface
from redis.retry import Retry

from petitions.crypto import vault
from petitions.identity import email_addresses, providers
from petitions.screening.client_network import NOWHERE, Sender

TIMEOUT = 0.05
PAUSE = 1.0
# The same whatever struck, so that it does not tell.
RETRY_AFTER = 300
# A /48 may do as much as so many of its /64 together.
PREFIX_FACTOR = 4
# What `Taken.from_network` counts over; it is a sign among others and refuses nobody here.
BURST_SECONDS = 120

logger = logging.getLogger(__name__)


class Act(StrEnum):
    """What is counted, each for itself; the name of its settings begins with it."""

    SIGN = "SIGN"
    RESEND = "RESEND"
    CODE = "CODE"
    FIND = "FIND"
    CONTACT = "CONTACT"
    FORM = "FORM"  # a form drawn again, which costs several times what signing does


class Taken(NamedTuple):
    """What the limits say to one attempt. Calm is all of them false."""

    is_refused: bool = False  # too many: may be told, with `RETRY_AFTER`
    needs_challenge: bool = False  # many: may be told
    is_silenced: bool = False  # too many for a mailbox: must be answered like everybody's
    from_network: int = 0  # signings of the petition from the network within `BURST_SECONDS`


class Gauge(NamedTuple):
    """One counter: what it counts by, over how many seconds, what is too many and what is many
    (-1: nothing), and whether the sender may learn of it.
    """

    kind: str
    window: int
    most: int
    calm: int
    is_told: bool
    policy: str  # the same for the script
    key_of: Callable[[str], bytes]  # the key of whom it counts


class Counter(NamedTuple):
    """A gauge and the key, 16 bytes, of whom it counts."""

    gauge: Gauge
    key: bytes


# KEYS are counters; ARGV[1] holds for each its window in seconds, what is too many (-1: nothing
# is) and whether that may be told. The answer is what each comes to with this attempt. An
# attempt that is told to come back later counts nowhere; nor does one too many for a silent
# counter, so that a mailbox is free again an hour after somebody began to flood it.
_SCRIPT = b"""
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local kept = redis.call('MGET', unpack(KEYS))
local counts, values, refused, i = {}, {}, false, 0
for window, most, told in string.gmatch(ARGV[1], '(%d+):(-?%d+):(%d)') do
  i, window, most = i + 1, tonumber(window), tonumber(most)
  local slot = math.floor(now / window)
  local old, before, current = -9, 0, 0
  if kept[i] then
    local a, b, c = string.match(kept[i], '(%d+) (%d+) (%d+)')
    old, before, current = tonumber(a), tonumber(b), tonumber(c)
  end
  if old == slot - 1 then before, current = current, 0
  elseif old ~= slot then before, current = 0, 0 end
  local fades = 1 - (now % window) / window
  counts[i] = math.floor(before * fades) + current + 1
  if most >= 0 and counts[i] > most then
    if told == '1' then refused = true end
  else
    values[i] = {string.format('%d %d %d', slot, before, current + 1), 2 * window}
  end
end
if not refused then
  for n, value in pairs(values) do redis.call('SET', KEYS[n], value[1], 'EX', value[2]) end
end
return table.concat(counts, ' ')
"""
_SHA = hashlib.sha1(_SCRIPT, usedforsecurity=False).hexdigest()
# Takes one off each counter, whatever window it is in by now; where there is none, it writes too,
# for that takes as long.
_GIVE_BACK = b"""
for _, key in ipairs(KEYS) do
  local slot, before, current = string.match(redis.call('GET', key) or '', '(%d+) (%d+) (%d+)')
  if current then
    local left = math.max(current - 1, 0)
    redis.call('SET', key, string.format('%d %d %d', slot, before, left), 'KEEPTTL')
  else
    redis.call('SET', key, '0 0 0', 'EX', 1)
  end
end
"""


def take(
    act: Act,
    *,
    sender: Sender = NOWHERE,
    address: str = "",
    petition: int = 0,
    lifted: Collection[str] = (),
    is_lost: bool = False,
) -> Taken:
    """Count one attempt and say what the limits make of it; whatever Redis does, at once.

    `address` is an e-mail address as typed. `lifted` are kinds of counters that a rule lifts:
    see `rules.Rules.lifts`. That of the mailbox never is, for it protects its owner. What
    `is_lost`, being refused whatever the limits say, uses up nothing of the mailbox: or whoever
    is blocked could silence its owner, who is not even mailed. It is counted by itself instead,
    so that it takes as long.
    """
    mailbox = providers.canonical(address)
    subjects = {
        "NETWORK": sender.network,
        "PREFIX": sender.prefix,
        "MAILBOX": secrets.token_hex(8) if is_lost and mailbox else mailbox,
        "DOMAIN": email_addresses.domain_of(address),
        "PETITION": str(petition),
        "BURST": sender.network and f"{petition} {sender.network}",
        "BURST_PREFIX": sender.prefix and f"{petition} {sender.prefix}",
    }
    counters = [
        Counter(gauge, gauge.key_of(subject))
        for gauge in _gauges(act)
        if (subject := subjects[gauge.kind]) and gauge.kind not in lifted
    ]
    return _verdict(counters, _shared.count(counters)) if counters else Taken()


def give_back(act: Act, *, address: str, is_counted: bool = True) -> None:
    """Take one attempt off the counters of a mailbox. What a process counted itself stays.

    Where it is not counted, being lost or one too many, nothing is taken off, in as many steps.
    """
    mailbox = providers.canonical(address)
    if not is_counted:
        mailbox = secrets.token_hex(8)
    gauges = [gauge for gauge in _gauges(act) if gauge.kind == "MAILBOX"]
    if gauges:
        _shared.give_back([Counter(gauge, gauge.key_of(mailbox)) for gauge in gauges])


def state() -> str:
    """For `/health`: "ok", or "local" while this process counts for itself."""
    return "local" if _shared.is_away else "ok"


def forget() -> None:
    """Read settings and keys anew, connect anew, and forget what this process counted itself."""
    _gauges.cache_clear()
    _shared.forget()


def _verdict(counters: list[Counter], counts: list[int]) -> Taken:
    refused = challenged = silenced = False
    from_network = 0
    for (gauge, _unused), count in zip(counters, counts, strict=True):
        if 0 <= gauge.most < count:
            refused, silenced = refused or gauge.is_told, silenced or not gauge.is_told
        elif 0 <= gauge.calm < count:
            challenged = True
        elif gauge.kind == "BURST":
            from_network = max(from_network, count)
        elif gauge.kind == "BURST_PREFIX":
            # One line may own all of it, and take another /64 for every signing.
            from_network = max(from_network, count // PREFIX_FACTOR)
    return Taken(refused, challenged, silenced, from_network)


@cache
def _gauges(act: Act) -> tuple[Gauge, ...]:
    """The counters that the settings ask for: one, or two where their windows differ."""
    found = []
    for kind in ("NETWORK", "PREFIX", "MAILBOX", "DOMAIN", "PETITION"):
        told, factor = ("NETWORK", PREFIX_FACTOR) if kind == "PREFIX" else (kind, 1)
        windows: dict[int, dict[str, int]] = {}
        for field, name in (("most", f"{act}_{told}"), ("calm", f"{act}_{told}_CHALLENGE")):
            if rate := settings.LIMITS.get(name):
                windows.setdefault(rate.get_expiry(), {})[field] = rate.amount * factor
        found += [_gauge(act, kind, window, **numbers) for window, numbers in windows.items()]
    if act is Act.SIGN:
        found += [_gauge(act, kind, BURST_SECONDS) for kind in ("BURST", "BURST_PREFIX")]
    return tuple(found)


def _gauge(act: Act, kind: str, window: int, most: int = -1, calm: int = -1) -> Gauge:
    is_told = kind != "MAILBOX"
    policy = f"{window}:{most}:{int(is_told)}"
    key_of = vault.indexer("limit", act, kind, str(window))
    return Gauge(kind, window, most, calm, is_told, policy, key_of)


class _Shared:
    """The counters on Redis, with a breaker, and those of this process behind it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begin again, with new connections."""
        self.is_away = False
        self._threads = threading.local()
        self._local: _Local | None = None

    def count(self, counters: list[Counter]) -> list[int]:
        """What each counter comes to with this attempt."""
        if not self.is_away:
            try:
                return self._on_redis(counters)
            except redis.RedisError as error:
                self._leave(error)
        return self._in_this_process().count(counters)

    def give_back(self, counters: list[Counter]) -> None:
        """Take one off each counter, unless Redis is away: then it may count one too many."""
        if not self.is_away:
            keys = _keys(counters)
            try:
                _ask(self._connection(), "EVAL", _GIVE_BACK, len(keys), *keys)
            except redis.RedisError as error:
                self._leave(error)

    def _on_redis(self, counters: list[Counter]) -> list[int]:
        connection = self._connection()
        keys = _keys(counters)
        policy = ",".join([counter.gauge.policy for counter in counters])
        try:
            answer = _ask(connection, "EVALSHA", _SHA, len(keys), *keys, policy)
        except redis.exceptions.NoScriptError:
            answer = _ask(connection, "EVAL", _SCRIPT, len(keys), *keys, policy)
        return [int(count) for count in answer.split()]

    def _connection(self) -> ConnectionInterface:
        """This thread's own: a client and its pool cost more than all that the limits do."""
        connection: ConnectionInterface | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = _connect()
            self._threads.connection = connection
        return connection

    def _in_this_process(self) -> "_Local":
        with self._lock:
            self._local = self._local or _Local()
            return self._local

    def _leave(self, error: redis.RedisError) -> None:
        with self._lock:
            if self.is_away:
                return
            self.is_away = True
            # Every connection of before may be dead, and would open the breaker again.
            self._threads = threads = threading.local()
        logger.warning("limits are counted by each process: Redis (%s)", type(error).__name__)
        looking = threading.Thread(target=self._return, args=[threads], daemon=True, name="limits")
        looking.start()

    def _return(self, threads: threading.local) -> None:
        """Wait until Redis answers, then count there again."""
        while self._threads is threads and not _answers():
            time.sleep(PAUSE)
        with self._lock:
            if self._threads is not threads:
                return
            self.is_away, self._local = False, None
        logger.warning("limits are counted on Redis again")


def _keys(counters: list[Counter]) -> list[bytes]:
    return [b"limit:" + counter.key for counter in counters]


def _connect() -> ConnectionInterface:
    # No retry: redis-py's own would make a signer wait for seconds.
    pool = redis.ConnectionPool.from_url(
        settings.REDIS_URL,
        protocol=2,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )
    connection = pool.make_connection()
    connection.connect()  # type: ignore[no-untyped-call]
    return connection


def _ask(connection: ConnectionInterface, *command: Any) -> Any:
    connection.send_command(*command, check_health=False)  # type: ignore[no-untyped-call]
    return connection.read_response()


def _answers() -> bool:
    try:
        connection = _connect()
        _ask(connection, "PING")
        connection.disconnect()  # type: ignore[no-untyped-call]
    except redis.RedisError:
        return False
    return True


class _Local:
    """The same counters in this process's memory, by the same rules."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._lock = threading.Lock()

    def count(self, counters: list[Counter]) -> list[int]:
        with self._lock:
            counts = [self._would_be(counter) for counter in counters]
            if not _verdict(counters, counts).is_refused:
                self._keep(zip(counters, counts, strict=True))
            return counts

    def _would_be(self, counter: Counter) -> int:
        window = counter.gauge.window
        before, left, current, _left = self._storage.get_sliding_window(counter.key.hex(), window)
        return int(before * left / window) + current + 1

    def _keep(self, counted: Iterable[tuple[Counter, int]]) -> None:
        for (gauge, key), count in counted:
            if gauge.most < 0 or count <= gauge.most:
                self._storage.acquire_sliding_window_entry(key.hex(), sys.maxsize, gauge.window)


_shared = _Shared()
