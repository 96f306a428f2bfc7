"""Rate limits by network, mailbox, mail domain and petition.

All limits of one request are one script on Redis: one round trip, and atomic. A counter is a
sliding window: what the window before counted fades out while the present one fills. Its key is a
keyed hash, so that Redis holds nobody's address and nobody's network; another one in each window,
so that no form sent later finds in an older copy of Redis when an address was typed before; and
each ends with a window, so that no time to live tells the second of a form.

Limits of network, domain and petition are visible: first a challenge, then "too many at the
moment", without saying which. That of a mailbox is silent: anybody can type anybody's address,
and would learn that somebody else has.

While Redis is away, or slower than the client waits, PostgreSQL counts what each network does, and
everybody who signs or writes solves the challenge besides: whoever slows Redis down passes no more
than before. Nothing is counted there by mailbox, for what is refused could not be given back; mails
to a mailbox are always limited in PostgreSQL: see `petitions.mail.outbox`.
"""

import secrets
import time
from collections.abc import Collection, Sequence
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

# In seconds; the same for every limit, so that it does not tell which was hit.
RETRY_AFTER = 300
# The limit of a /48, in multiples of that of one /64.
PREFIX_FACTOR = 4
# The window of `LimitResult.from_network`, which is a fraud signal and refuses nobody here: from
# `settings.BURST_CHALLENGE` on it brings the challenge. Carriers, relays and events put hundreds of
# people behind one IP address: 300 an hour, which pass unasked, are ten in two minutes.
BURST_SECONDS = 120
_NEVER = -1
# By how much a count of what others did, too, is lowered at most: a share of it, and at least so
# many. See `_lowered`.
_LOWERED_BY = {
    "BURST": (1 / 2, 16),
    "BURST_PREFIX": (1 / 2, 16 * PREFIX_FACTOR),
    **dict.fromkeys(("NETWORK", "PREFIX", "DOMAIN"), (1 / 4, 0)),
}
# The kinds of limit that PostgreSQL counts while Redis is away.
_FALLBACK = frozenset({"NETWORK", "PREFIX"})


class Act(StrEnum):
    """The actions that are rate-limited, each separately; the prefix of the names in settings."""

    SIGN = "SIGN"
    RESEND = "RESEND"
    CODE = "CODE"
    FIND = "FIND"
    ADDRESS = "ADDRESS"  # a code to another address
    CONTACT = "CONTACT"
    FORM = "FORM"  # a form rendered again, which costs several times what signing does


class LimitResult(NamedTuple):
    """Result of the rate limits for one attempt. All of them false: within every limit."""

    is_refused: bool = False  # too many: visible to the sender, with `RETRY_AFTER`
    needs_challenge: bool = False  # many, or nobody counts: visible to the sender
    is_silenced: bool = False  # too many for a mailbox: silent, answered like any other
    from_network: int = 0  # at least so many signed from the network within `BURST_SECONDS`


class Limit(NamedTuple):
    """A rate limit: subject kind, window in seconds, hard limit, challenge threshold (-1: none)."""

    act: Act
    kind: str
    window: int
    hard_limit: int = _NEVER
    challenge_at: int = _NEVER

    @property
    def is_visible(self) -> bool:
        """Whether the sender may learn of it."""
        return self.kind != "MAILBOX"

    def key(self, subject: str, *of_window: str) -> bytes:
        """The key of a subject's counter; in Redis `of_window` is the number of the window."""
        parts = (self.act, self.kind, str(self.window), subject, *of_window)
        return b"limit:" + vault.blind_index("limit", *parts)

    def pair(self, subject: str, now: float) -> tuple[bytes, bytes]:
        """The keys of a subject's counters in Redis: of the present window, and of the one before.

        `now` is in Unix seconds.
        """
        number = int(now) // self.window
        return self.key(subject, str(number)), self.key(subject, str(number - 1))


# KEYS are two counters of each limit, of the present window and of the one before; ARGV[1] holds
# for each its window in seconds, its hard limit and whether it is visible, and ARGV[2] the time by
# which the keys were chosen. The answer is what each comes to with this attempt. An attempt that is
# visibly refused counts nowhere; nor does one too many for a silent counter, so that a mailbox is
# free again an hour after somebody began to flood it. Counters end by the clock of Redis itself.
_HIT = """
local now, clock = tonumber(ARGV[2]), tonumber(redis.call('TIME')[1])
local kept = redis.call('MGET', unpack(KEYS))
local counts, values, refused, i = {}, {}, false, 0
for window, most, visible in string.gmatch(ARGV[1], '(%d+):(-?%d+):(%d)') do
  i, window, most = i + 1, tonumber(window), tonumber(most)
  local current, before = tonumber(kept[2 * i - 1] or 0), tonumber(kept[2 * i] or 0)
  local fades = 1 - (now % window) / window
  counts[i] = math.floor(before * fades) + current + 1
  if most >= 0 and counts[i] > most then
    if visible == '1' then refused = true end
  else
    values[2 * i - 1] = {current + 1, (math.floor(clock / window) + 2) * window}
  end
end
if not refused then
  for n, value in pairs(values) do
    redis.call('SET', KEYS[n], value[1])
    redis.call('EXPIREAT', KEYS[n], value[2])
  end
end
return table.concat(counts, ' ')
"""
# Takes one off a counter of each pair, of whichever window it is in; where there is none, it writes
# too (constant work).
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
    """Count one attempt against its rate limits, atomically. While Redis is away (circuit breaker)
    PostgreSQL counts its network, and the answer is the challenge. Raises `DatabaseError`.

    `address` is an e-mail address as typed. `lifted` are kinds of limits that a rule lifts: see
    `rules.Rules.lifts`. That of the mailbox never is, for it protects its owner. What is
    `already_refused`, whatever the limits say, uses up nothing of the mailbox: otherwise a
    blocked sender could lock out its owner, who is not even mailed. A random mailbox counts it
    instead (constant work).
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
    policies = [f"{one.window}:{one.hard_limit}:{int(one.is_visible)}" for one in limits]
    try:
        answer = redis.run_script(_HIT, [*chain(*pairs)], ",".join(policies), str(now))
    except redis.Unavailable:
        return _hit_in_database(limits, [limit.key(subjects[limit.kind]) for limit in limits])
    counts = [int(count) for count in answer.split()]
    keys = [key for key, _before in pairs]
    lowered = [_lowered(*one) for one in zip(counts, limits, keys, strict=True)]
    return _result(limits, counts, lowered)


def _hit_in_database(limits: Sequence[Limit], keys: Sequence[bytes]) -> LimitResult:
    """Count against the hard limits of networks in PostgreSQL; everybody is challenged. What a
    network is refused for does not count against the prefix around it.
    """
    for limit, key in zip(limits, keys, strict=True):
        is_counted = limit.kind in _FALLBACK and limit.hard_limit >= 0
        if is_counted and _count_in_database(key, limit.window) > limit.hard_limit:
            return LimitResult(is_refused=True, needs_challenge=True)
    return LimitResult(needs_challenge=True)


def _count_in_database(key: bytes, window: int) -> int:
    """Increment a counter, atomically, in a window that starts with its first attempt."""
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
    """Delete the counters of PostgreSQL whose window is over; return how many."""
    return RateCount.objects.filter(expires_at__lte=timezone.now()).delete()[0]


def refund(act: Act, *, address: str, is_counted: bool = True) -> None:
    """Refund one attempt to a mailbox; to a random one if it was not counted (constant work)."""
    mailbox = _mailbox(address, is_counted=is_counted)
    mailboxes = [limit for limit in _limits(act) if limit.kind == "MAILBOX" and mailbox]
    if keys := [*chain(*(limit.pair(mailbox, time.time()) for limit in mailboxes))]:
        # Else not refunded: one too many counts, for at most the limit's window.
        with suppress(redis.Unavailable):
            redis.run_script(_REFUND, keys)


def state() -> str:
    """Status for `/health`: "ok", or "away" while Redis is and PostgreSQL counts networks."""
    return "ok" if redis.is_available() else "away"


def _mailbox(address: str, *, is_counted: bool) -> str:
    mailbox = email_addresses.canonical(address)
    return mailbox if is_counted or not mailbox else secrets.token_hex(8)


def _lowered(count: int, limit: Limit, key: bytes) -> int:
    """A count of what others did, too, lowered by a number that nobody knows: another one in each
    window of each counter. Whoever has sent one form fewer than it takes would see, by what happens
    to their last one, that somebody else sent one from the network, or with the domain.
    """
    if limit.kind not in _LOWERED_BY:
        return count
    share, least = _LOWERED_BY[limit.kind]
    secret = vault.blind_index("limit-share", key)[0] / 256
    return max(1, count - int(max(count * share, least) * secret))


def _result(limits: Sequence[Limit], counts: Sequence[int], lowered: Sequence[int]) -> LimitResult:
    """What the counts of an attempt mean. `lowered` are those that the sender may conclude from;
    hard limits take them as they are.
    """
    refused = challenged = silenced = False
    from_network = 0
    for limit, exact, count in zip(limits, counts, lowered, strict=True):
        if 0 <= limit.hard_limit < exact:
            refused, silenced = refused or limit.is_visible, silenced or not limit.is_visible
        elif 0 <= limit.challenge_at < count:
            challenged = True
        if limit.kind == "BURST":
            from_network = max(from_network, count)
        elif limit.kind == "BURST_PREFIX":
            # One subscriber may own all of it, and take another /64 for every signing.
            from_network = max(from_network, count // PREFIX_FACTOR)
    return LimitResult(refused, challenged, silenced, from_network)


def _limits(act: Act) -> list[Limit]:
    """The rate limits in the settings: one per kind, or two where their windows differ."""
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
        of_prefix = most * PREFIX_FACTOR if most >= 0 else _NEVER
        found += [
            Limit(act, "BURST", BURST_SECONDS, challenge_at=most),
            Limit(act, "BURST_PREFIX", BURST_SECONDS, challenge_at=of_prefix),
        ]
    return found
