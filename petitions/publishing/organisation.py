"""The organisation that runs the site, from a TTL cache, for pages and mails."""

from django.db import DatabaseError, InterfaceError

from petitions.infra.ttl_cache import TTLCache
from petitions.models import FormerName, Organisation

_SECONDS = 5.0
_known: TTLCache[None, Organisation] = TTLCache()


def organisation() -> Organisation:
    """Return the organisation, at most five seconds old, or stale while the database is down.

    Error pages show it too, and must not fail again then.
    """
    return _known.get_or_set(None, _SECONDS, _read)


def _read() -> Organisation:
    try:
        return Organisation.load()
    except (DatabaseError, InterfaceError):
        # Cached too: otherwise each name on a page would wait for the database again.
        return _known.stale(None) or Organisation(id=1)


def former_names() -> list[FormerName]:
    """Return the former names to which people consented, the newest first."""
    return list(FormerName.objects.order_by("-pk"))


def invalidate() -> None:
    _known.invalidate()
