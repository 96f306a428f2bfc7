"""The organisation that runs the site, as pages and mails name it."""

from django.db import DatabaseError, InterfaceError

from petitions.infra.ttl_cache import Kept
from petitions.models import Organisation

_SECONDS = 5.0
_known: Kept[None, Organisation] = Kept()


def organisation() -> Organisation:
    """The organisation as it was at most five seconds ago, or as last known.

    Error pages show it too, and must not fail again while the database is away.
    """
    return _known.get(None, _SECONDS, _read)


def _read() -> Organisation:
    try:
        return Organisation.load()
    except (DatabaseError, InterfaceError):
        # Kept as well: every name on a page would wait for the database anew.
        return _known.last(None) or Organisation(id=1)


def forget() -> None:
    """Read the organisation afresh next time."""
    _known.forget()
