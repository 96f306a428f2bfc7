"""Rate limits by network, mailbox, mail domain and petition.

All limits of a request are checked by one atomic script on Redis, in one round trip. Counters are
sliding windows: the previous window's count fades out while the current one fills (but see
`Limit.pair`). A counter's key is a keyed hash, so that Redis holds no address and no network. It
differs in each window, so that nobody can send a form and find in an older copy of Redis when that
address was typed before. Counters expire at the end of a window, so that their TTL does not reveal
the second of a form.

Limits of network, domain and petition are visible: first a challenge, then "too many at the
moment", without saying which. The limit of a mailbox is silent, because anybody can type anybody's
address, and would learn that somebody else has.

While Redis is unavailable or too slow, PostgreSQL counts per network, and everybody must solve the
challenge, so that nobody gains by slowing Redis down. Nothing is counted there per mailbox, because
it could not be refunded. Mails to a mailbox are always limited in PostgreSQL: see
`petitions.mail.outbox`.
"""

import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.utils import timezone

from petitions.crypto import vault
from petitions.identity import email_addresses
from petitions.infra import redis
from petitions.infra.client_network import NOWHERE, Sender
from petitions.models import RateCount
from petitions.screening import fraud_signals

# In seconds. The same for all limits, so that it does not reveal which was hit.
RETRY_AFTER = 300
# The limit of a /48, as a multiple of the limit of a /64.
PREFIX_FACTOR = 4
# The window of `LimitResult.from_network`, a fraud signal that refuses nobody here. From
# `settings.BURST_CHALLENGE` it requires the challenge. Carriers, relays and events put hundreds of
# people behind one IP address: 300 an hour, which pass without it, are ten in two minutes.
BURST_SECONDS = 120
_NO_LIMIT = -1
# How much `_lowered` may lower a count that includes other people: a share of it, and the least
# amount.
_LOWERED_BY = {
    "BURST": (1 / 2, 16),
    "BURST_PREFIX": (1 / 2, 16 * PREFIX_FACTOR),
    **dict.fromkeys(("NETWORK", "PREFIX", "DOMAIN"), (1 / 4, 0)),
}
# The kinds of limit that PostgreSQL counts while Redis is unavailable.
_FALLBACK = frozenset({"NETWORK", "PREFIX"})


class Act(StrEnum):
    """Actions with separate rate limits. The values are prefixes of the names in settings."""

    SIGN = "SIGN"
    RESEND = "RESEND"
    CODE = "CODE"
    FIND = "FIND"
    ADDRESS = "ADDRESS"  # a code to a new address
    CONTACT = "CONTACT"
    STAFF_LINK = "STAFF_LINK"  # a link to set a staff password
    FORM = "FORM"  # rendering a form again, which costs several times as much as signing


class LimitResult(NamedTuple):
    """Result of the rate limits for one attempt. The defaults mean within every limit."""

    is_refused: bool = False  # over a visible limit: the sender may retry after `RETRY_AFTER`
    needs_challenge: bool = False  # over a challenge threshold, or Redis is unavailable
    is_silenced: bool = False  # over a mailbox's limit: the response is the same
    from_network: int = 0  # the step of signings from the network within `BURST_SECONDS`, if any


class Limit(NamedTuple):
    """A rate limit: window in seconds, hard limit and challenge threshold (-1: none)."""

    act: Act
    kind: str
    window: int
    hard_limit: int = _NO_LIMIT
    challenge_at: int = _NO_LIMIT

    @property
    def is_visible(self) -> bool:
        """Return whether the sender may learn of the limit."""
        return self.kind != "MAILBOX"

    @property
    def is_raised(self) -> bool:
        """Return whether `_raised` raises the limit by a secret number."""
        return self.act is Act.SIGN and not self.is_visible and self.hard_limit >= 0

    def key(self, subject: str, *of_window: str) -> bytes:
        """Return the key of a subject's counter. In Redis `of_window` is the window's number."""
        parts = (self.act, self.kind, str(self.window), subject, *of_window)
        return b"limit:" + vault.blind_index("limit", *parts)

    def pair(self, subject: str, now: float) -> tuple[bytes, bytes]:
        """Return the Redis keys of a subject's counters in the current and the previous window.

        `now` is in Unix seconds. A raised limit has no previous window: while its count faded,
        forms would be refused and taken in turns, which would tell both windows' secret numbers.
        """
        number = int(now) // self.window
        before = "none" if self.is_raised else str(number - 1)
        return self.key(subject, str(number)), self.key(subject, before)

    def peak(self, subject: str, now: float) -> bytes:
        """Return the Redis key of the greatest count of a subject in the current window."""
        return self.key(subject, str(int(now) // self.window), "peak")


# KEYS holds three numbers per limit: the counters of the current and the previous window, and the
# greatest count in the current window, which does not fade: see `_lowered`. ARGV[1] holds per limit
# its window in seconds, its hard limit and whether it is visible. ARGV[2] is the time of the keys.
# The result is each limit's count with this attempt, and then the greatest of each. A visible
# refusal counts nowhere. A silent counter at its limit does not rise, so that a mailbox is free
# again an hour after somebody began to flood it. Counters expire by the clock of Redis.
_HIT = """
local now, clock = tonumber(ARGV[2]), tonumber(redis.call('TIME')[1])
local kept = redis.call('MGET', unpack(KEYS))
local counts, peaks, values, refused, i = {}, {}, {}, false, 0
for window, most, visible in string.gmatch(ARGV[1], '(%d+):(-?%d+):(%d)') do
  i, window, most = i + 1, tonumber(window), tonumber(most)
  local current, before = tonumber(kept[3 * i - 2] or 0), tonumber(kept[3 * i - 1] or 0)
  local fades = 1 - (now % window) / window
  counts[i] = math.floor(before * fades) + current + 1
  peaks[i] = math.max(counts[i], tonumber(kept[3 * i] or 0))
  if most >= 0 and counts[i] > most then
    if visible == '1' then refused = true end
  else
    local over = (math.floor(clock / window) + 2) * window
    values[3 * i - 2] = {current + 1, over}
    if visible == '1' then values[3 * i] = {peaks[i], over} end
  end
end
if not refused then
  for n, value in pairs(values) do
    redis.call('SET', KEYS[n], value[1])
    redis.call('EXPIREAT', KEYS[n], value[2])
  end
end
return table.concat(counts, ' ') .. ' ' .. table.concat(peaks, ' ')
"""
# Decrement one counter of each pair. If there is none, write a counter too (constant work).
_REFUND = """
for n = 1, #KEYS, 2 do
  local key, count = KEYS[n], redis.call('GET', KEYS[n])
  local before = redis.call('GET', KEYS[n + 1])
  if before and tonumber(count or 0) == 0 then key, count = KEYS[n + 1], before end
  if count then
    redis.call('SET', key, math.max(tonumber(count) - 1, 0), 'KEEPTTL')
  else
    redis.call('SET', key, 0, 'EX', 1)
  end
end
"""


def hit(
    act: Act,
    *,
    sender: Sender = NOWHERE,
    address: str = "",
    petition: int = 0,
    lifted: Collection[str] = (),
    already_refused: bool = False,
) -> LimitResult:
    """Count an attempt against its rate limits, atomically. Raises `DatabaseError`.

    While Redis is unavailable PostgreSQL counts the network, and the challenge is required.
    `address` is an e-mail address as typed. `lifted` are the kinds of limit that a rule lifts
    (`rules.Rules.lifts`), but never the mailbox's, which protects its owner. An `already_refused`
    attempt counts for a random mailbox instead of its own (constant work): otherwise a blocked
    sender could lock out an owner who gets no mail.
    """
    subjects = {
        "NETWORK": sender.network,
        "PREFIX": sender.prefix,
        "MAILBOX": _mailbox(address, is_counted=not already_refused),
        "DOMAIN": email_addresses.domain_of(address),
        "PETITION": str(petition),
        "BURST": sender.network and f"{petition} {sender.network}",
        "BURST_PREFIX": sender.prefix and f"{petition} {sender.prefix}",
    }
    limits = [one for one in _limits(act) if subjects[one.kind] and one.kind not in lifted]
    if not limits:
        return LimitResult()
    now = time.time()
    pairs = [limit.pair(subjects[limit.kind], now) for limit in limits]
    limits = [_raised(limit, key) for limit, (key, _before) in zip(limits, pairs, strict=True)]
    peaks = [limit.peak(subjects[limit.kind], now) for limit in limits]
    keys = [(*pair, peak) for pair, peak in zip(pairs, peaks, strict=True)]
    policies = [f"{one.window}:{one.hard_limit}:{int(one.is_visible)}" for one in limits]
    try:
        answer = redis.run_script(_HIT, [*chain(*keys)], ",".join(policies), str(now))
    except redis.Unavailable:
        return _hit_in_database(limits, [limit.key(subjects[limit.kind]) for limit in limits])
    numbers = [int(number) for number in answer.split()]
    counts, greatest = numbers[: len(limits)], numbers[len(limits) :]
    currents = [key for key, _before in pairs]
    counted = list(zip(greatest, limits, currents, strict=True))
    lowered = [_lowered(*one, one[1].challenge_at + 1) for one in counted]
    return _result(limits, counts, lowered)._replace(from_network=_step_of_burst(counted))


def _hit_in_database(limits: Sequence[Limit], keys: Sequence[bytes]) -> LimitResult:
    """Count against the hard limits of networks in PostgreSQL, and require the challenge.

    An attempt refused by its network's limit does not count for the prefix around it.
    """
    for limit, key in zip(limits, keys, strict=True):
        is_counted = limit.kind in _FALLBACK and limit.hard_limit >= 0
        if is_counted and _count_in_database(key, limit.window) > limit.hard_limit:
            return LimitResult(is_refused=True, needs_challenge=True)
    return LimitResult(needs_challenge=True)


def _count_in_database(key: bytes, window: int) -> int:
    """Increment a counter atomically, in a window that starts with its first attempt."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO petitions_ratecount AS known (key, number, expires_at)
            VALUES (%s, 1, now() + make_interval(secs => %s))
            ON CONFLICT (key) DO UPDATE SET
                number = CASE WHEN known.expires_at > now() THEN known.number + 1 ELSE 1 END,
                expires_at = CASE WHEN known.expires_at > now()
                    THEN known.expires_at ELSE EXCLUDED.expires_at END
            RETURNING number
            """,
            [key, window],
        )
        return int(cursor.fetchone()[0])


def delete_expired_counts() -> int:
    """Delete the counters in PostgreSQL whose window is over. Return how many."""
    return RateCount.objects.filter(expires_at__lte=timezone.now()).delete()[0]


def refund(act: Act, *, address: str, is_counted: bool = True) -> None:
    """Refund an attempt to its mailbox, or to a random one if not counted (constant work)."""
    mailbox = _mailbox(address, is_counted=is_counted)
    mailboxes = [limit for limit in _limits(act) if limit.kind == "MAILBOX" and mailbox]
    if keys := [*chain(*(limit.pair(mailbox, time.time()) for limit in mailboxes))]:
        # Without Redis one attempt too many counts, until the limit's window ends.
        with suppress(redis.Unavailable):
            redis.run_script(_REFUND, keys)


def state() -> str:
    """Return the status for `/health`: "ok", or "away" while Redis is unavailable."""
    return "ok" if redis.is_available() else "away"


def _mailbox(address: str, *, is_counted: bool) -> str:
    mailbox = email_addresses.canonical(address)
    return mailbox if is_counted or not mailbox else secrets.token_hex(8)


def _raised(limit: Limit, key: bytes) -> Limit:
    """Raise the silent limit of signing by a secret number, up to a third, that differs by counter
    and window.

    Moderators see which forms were refused. With an exact limit, one of them could send as many
    forms for an address, and see by the one too many that somebody else has sent one. Of other
    acts nobody sees a refusal, and a stranger is promised five codes to an address a day.
    """
    if not limit.is_raised:
        return limit
    secret = vault.blind_index("limit-raise", key)[0] % (limit.hard_limit // 3 + 1)
    return limit._replace(hard_limit=limit.hard_limit + secret)


def _lowered(count: int, limit: Limit, key: bytes, threshold: int) -> int:
    """Lower a count by a secret number, which differs by counter, window and `threshold`.

    With exact counts, somebody who sends one form fewer than the threshold could see whether
    another person has sent one from the network, or with the domain. `count` is the greatest of the
    window. If it could fall, they could pass the threshold twice in one window: by the first time
    they would know the secret number, and by the second whether there was another form. So they
    could by two thresholds with one secret number.
    """
    if limit.kind not in _LOWERED_BY:
        return count
    share, least = _LOWERED_BY[limit.kind]
    secret = vault.blind_index("limit-share", key, str(threshold))[0] / 256
    return max(1, count - int(max(count * share, least) * secret))


def _step_of_burst(counted: Iterable[tuple[int, Limit, bytes]]) -> int:
    """Return the greatest step of the burst signal that a network has reached, or 0.

    One subscriber may own the whole prefix, and use another /64 for every signing.
    """
    factors = {"BURST": 1, "BURST_PREFIX": PREFIX_FACTOR}
    reached = (
        step
        for count, limit, key in counted
        if (factor := factors.get(limit.kind))
        for step in fraud_signals.BURST_STEPS
        if _lowered(count, limit, key, step * factor) >= step * factor
    )
    return max(reached, default=0)


def _result(limits: Sequence[Limit], counts: Sequence[int], lowered: Sequence[int]) -> LimitResult:
    """Return the result for an attempt's counts. Hard limits use the exact `counts`, challenge
    thresholds the `lowered` ones.
    """
    refused = challenged = silenced = False
    for limit, exact, count in zip(limits, counts, lowered, strict=True):
        if 0 <= limit.hard_limit < exact:
            refused, silenced = refused or limit.is_visible, silenced or not limit.is_visible
        elif 0 <= limit.challenge_at < count:
            challenged = True
    return LimitResult(refused, challenged, silenced)


def _limits(act: Act) -> list[Limit]:
    """Return the rate limits in the settings: one per kind, or two if their windows differ."""
    found = []
    for kind in ("NETWORK", "PREFIX", "MAILBOX", "DOMAIN", "PETITION"):
        setting, factor = ("NETWORK", PREFIX_FACTOR) if kind == "PREFIX" else (kind, 1)
        windows: dict[int, dict[str, int]] = {}
        for field, name in (
            ("hard_limit", f"{act}_{setting}"),
            ("challenge_at", f"{act}_{setting}_CHALLENGE"),
        ):
            if rate := settings.LIMITS.get(name):
                windows.setdefault(rate.get_expiry(), {})[field] = rate.amount * factor
        found += [Limit(act, kind, window, **numbers) for window, numbers in windows.items()]
    if act is Act.SIGN:
        most = settings.BURST_CHALLENGE - 1
        of_prefix = most * PREFIX_FACTOR if most >= 0 else _NO_LIMIT
        found += [
            Limit(act, "BURST", BURST_SECONDS, challenge_at=most),
            Limit(act, "BURST_PREFIX", BURST_SECONDS, challenge_at=of_prefix),
        ]
    return found
