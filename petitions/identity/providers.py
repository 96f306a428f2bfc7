"""The rules of mail providers, as every process keeps them for a moment.

Administrators edit them in the admin; signing reads them for every address. So each process keeps
a snapshot, and reads it afresh at most every `SECONDS`: one statement then, none otherwise.
"""

import logging
import time
from collections import defaultdict

from django.db import DatabaseError, InterfaceError

from petitions.identity import email_addresses
from petitions.identity.email_addresses import Provider, Rules
from petitions.models import MailDomain

SECONDS = 2.0

logger = logging.getLogger(__name__)

# Until when the rules are taken for fresh, and the rules.
_kept: tuple[float, Rules] | None = None


def canonical(address: str) -> str:
    """The form that is equal for addresses of one mailbox, by the rules of this moment."""
    return email_addresses.canonical(address, rules())


def rules() -> Rules:
    """The rules as they were at most `SECONDS` ago.

    While the database is away, those that were known last; `DatabaseError` if none ever were.
    """
    kept = _kept
    if kept is None:
        return keep(load())
    if time.monotonic() < kept[0]:
        return kept[1]
    # Others go on with what is there while this thread reads.
    keep(kept[1])
    try:
        return keep(load())
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the rules of providers cannot be read (%s)", type(error).__name__)
        return kept[1]


def load() -> Rules:
    """The rules of now, read from the database."""
    domains: defaultdict[int, set[str]] = defaultdict(set)
    found = {}
    for row in MailDomain.objects.select_related("provider"):
        domains[row.provider_id].add(row.domain)
        found[row.provider_id] = row.provider
    return email_addresses.by_domain(
        Provider(
            canonical=provider.canonical,
            domains=frozenset(domains[pk]),
            ignores=provider.ignores,
            tags=provider.tags,
            hyphen_is_dot=provider.hyphen_is_dot,
            subdomains=provider.subdomains,
        )
        for pk, provider in found.items()
    )


def keep(fresh: Rules, seconds: float = SECONDS) -> Rules:
    """Take rules for fresh for a while."""
    global _kept  # noqa: PLW0603 - a snapshot for the process is the point
    _kept = (time.monotonic() + seconds, fresh)
    return fresh


def forget() -> None:
    """Read afresh at the next question."""
    global _kept  # noqa: PLW0603
    _kept = None
