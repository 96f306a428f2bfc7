"""Rate limits of log-ins against brute force, and the audit records of passwords tried.

Wrong passwords are counted in the database over sliding windows: for one account from one network,
for one network, and for one account from everywhere. They are counted before anything is hashed, so
a right password after too many wrong ones does not get in until the window ends.

The limits for one account from everywhere, and for one network, spare an account in a network from
which its owner logged in lately: no outsider, and nobody who shares their network and types made-up
names, can lock them out. Whoever types their own name there five times can, until the window ends
or an operator unlocks the account. Against user enumeration, an unknown name is counted as a known
one is, and takes as many queries and hashes.
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
# Limits that hold in every network, also in one from which the owner logged in lately.
_EVERYWHERE = frozenset({"ACCOUNT_NETWORK"})
# A /48 of IPv6 may fail as often as so many of its /64 together.
PREFIX_FACTOR = 4


class TooMany(Exception):
    """A rate limit is exceeded. Trying again after `retry_after` seconds helps."""

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


Refusal = TooMany | password_hashing.Busy


@dataclass(frozen=True, slots=True)
class Attempt:
    """A log-in attempt: for which user name, from where, on which screen."""

    name: str
    sender: Sender
    screen: str

    @property
    def names(self) -> list[bytes]:
        """The name's blind index under each index key, the newest first; so with the networks."""
        return _indexes("name", self.name)

    @property
    def networks(self) -> list[bytes]:
        return _indexes("network", self.sender.network)

    @property
    def prefixes(self) -> list[bytes]:
        return _indexes("prefix", self.sender.prefix) if self.sender.prefix else []


def check(attempt: Attempt, find_user: Callable[[], User | None]) -> User | None:
    """The user if the password is right, None if it is wrong.

    Raises `TooMany` or `password_hashing.Busy`. `find_user` hashes. It runs in a slot, so that no
    more than `password_hashing.SLOTS` pass the second check of the limits before the first of them
    is counted.
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
    """Delete the counted failures of an account; return how many there were."""
    roles.require_to_manage(actor, person)
    forgotten = LoginFailure.objects.filter(name_ix__in=_indexes("name", person.username)).delete()
    audit.record(action=Action.LOGIN_UNLOCKED, screen=screen, actor=actor, about=person)
    return forgotten[0]


def delete_old_failures() -> int:
    """Retention: delete failures that no limit counts any more; return how many."""
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
    # One a window, account and network is on record: refusals must not fill the table.
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
    """Failures by limit; one query over the rows of this account, network and prefix."""
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
    """Whether the account's owner logged in from this network, while its index is retained."""
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
