"""Rate limits of log-ins against brute force, and the audit records of tried passwords.

Wrong passwords are counted in the database over sliding windows: for one account from one network,
for one network, and for one account from all networks. The limits are checked before anything is
hashed. After too many wrong passwords, even the right one is refused until the window ends.

The limits for one network, and for one account from all networks, do not apply in a network from
which the account's owner logged in recently. So an outsider cannot lock the owner out, nor can a
neighbour who types invented names. Five wrong passwords for the owner's name from that network do,
until the window ends or an operator unlocks the account. To prevent user enumeration, an unknown
name is counted like a known one, with as many queries and hashes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone
from limits import RateLimitItem

from petitions.crypto import vault
from petitions.infra.client_network import Sender
from petitions.models import AuditRecord, LoginFailure
from petitions.staff import audit, password_hashing, roles

Action = AuditRecord.Action
# Limits that apply in every network, even one from which the owner logged in recently.
_EVERYWHERE = frozenset({"ACCOUNT_NETWORK"})
# The limit of an IPv6 /48, in multiples of the limit of one /64.
PREFIX_FACTOR = 4


class TooMany(Exception):
    """A rate limit is exceeded; retry after `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


Refusal = TooMany | password_hashing.Busy


@dataclass(frozen=True, slots=True)
class Attempt:
    """A log-in attempt: the user name, where it came from, and the screen."""

    name: str
    sender: Sender
    screen: str

    @property
    def names(self) -> list[bytes]:
        """Return the name's blind index under each index key, the newest key first."""
        return _indexes("name", self.name)

    @property
    def networks(self) -> list[bytes]:
        return _indexes("network", self.sender.network)

    @property
    def prefixes(self) -> list[bytes]:
        return _indexes("prefix", self.sender.prefix) if self.sender.prefix else []


def check(attempt: Attempt, find_user: Callable[[], User | None]) -> User | None:
    """Return the user if the password is right, None if it is wrong, and record the attempt.

    `find_user` hashes the password. It runs in a slot and the limits are checked again there, so
    that at most `password_hashing.SLOTS` attempts pass before the first of them is counted. Raises
    `TooMany` or `password_hashing.Busy`.
    """
    account = User.objects.filter(username=attempt.name).values_list("pk", flat=True).first()
    _refuse_too_many(attempt, account)
    with password_hashing.slot():
        _refuse_too_many(attempt, account)
        user = find_user()
        with transaction.atomic():
            if user is None:
                LoginFailure.objects.create(
                    name_ix=attempt.names[0],
                    network_ix=attempt.networks[0],
                    prefix_ix=next(iter(attempt.prefixes), None),
                )
            _record(Action.PASSWORD_RIGHT if user else Action.PASSWORD_WRONG, attempt, account)
    return user


def unlock(*, person: User, actor: User | None, screen: str) -> int:
    """Delete the counted failures of an account; return how many were deleted."""
    roles.require_to_manage(actor, person)
    forgotten = LoginFailure.objects.filter(name_ix__in=_indexes("name", person.username)).delete()
    audit.record(action=Action.LOGIN_UNLOCKED, screen=screen, actor=actor, about=person)
    return forgotten[0]


def delete_old_failures() -> int:
    """Delete failures that no limit counts any more; return how many were deleted."""
    longest = max((rate.get_expiry() for rate in settings.LOGIN_LIMITS.values() if rate), default=0)
    return LoginFailure.objects.filter(created_at__lt=_ago(longest)).delete()[0]


def _refuse_too_many(attempt: Attempt, account: int | None) -> None:
    counts = _counts(attempt)
    windows = [
        rate.get_expiry()
        for name, (rate, most) in _limits().items()
        if counts[name] >= most and (name in _EVERYWHERE or not _is_known_network(attempt, account))
    ]
    if not windows:
        return
    # One refusal per window, account and network is recorded, so that they cannot fill the table.
    refusals = AuditRecord.objects.filter(
        actor_id=account, action=Action.PASSWORD_REFUSED, network_ix__in=attempt.networks
    )
    if not refusals.filter(created_at__gt=_ago(max(windows))).exists():
        _record(Action.PASSWORD_REFUSED, attempt, account)
    raise TooMany(max(windows))


def _limits() -> dict[str, tuple[RateLimitItem, int]]:
    found = {name: (rate, rate.amount) for name, rate in settings.LOGIN_LIMITS.items() if rate}
    if network := settings.LOGIN_LIMITS["NETWORK"]:
        found["PREFIX"] = (network, network.amount * PREFIX_FACTOR)
    return found


def _counts(attempt: Attempt) -> dict[str, int]:
    """Count failures by limit, in one query over the rows of this account, network and prefix."""
    name = Q(name_ix__in=attempt.names)
    network = Q(network_ix__in=attempt.networks)
    prefix = Q(prefix_ix__in=attempt.prefixes)
    of = {"ACCOUNT_NETWORK": name & network, "NETWORK": network, "ACCOUNT": name, "PREFIX": prefix}
    counted = {
        limit: Count("pk", filter=of[limit] & Q(created_at__gt=_ago(rate.get_expiry())))
        for limit, (rate, _most) in _limits().items()
    }
    return LoginFailure.objects.filter(name | network | prefix).aggregate(**counted)


def _is_known_network(attempt: Attempt, account: int | None) -> bool:
    """Return whether a log-in of the owner from this network is on record with its index."""
    return AuditRecord.objects.filter(
        actor_id=account, action=Action.PASSWORD_RIGHT, network_ix__in=attempt.networks
    ).exists()


def _record(action: AuditRecord.Action, attempt: Attempt, account: int | None) -> None:
    audit.record(
        action=action, screen=attempt.screen, actor_id=account, network_ix=attempt.networks[0]
    )


def _indexes(kind: str, value: str) -> list[bytes]:
    purpose = f"log-in {kind}"
    return [vault.blind_index(purpose, value, key_id=key_id) for key_id in settings.INDEX_KEYS]


def _ago(seconds: int) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)
