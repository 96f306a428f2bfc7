"""Database session store that keeps only a keyed hash of the session key.

The cookie holds the random session key. Its row is found by a blind index under `INDEX_KEYS`. So
nobody can log in with a copy of the table, with or without `SECRET_KEY`.

A login ends after `SESSION_COOKIE_AGE` seconds without a request, and after `SESSION_LASTS` seconds
in any case.
"""

import time
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from petitions.crypto import vault

SINCE, SEEN = "logged-in-at", "seen-at"
# Seconds between two writes of a session that is in use.
SEEN_EVERY = 60


def note_login(request: HttpRequest, **_kwargs: Any) -> None:
    """Store the time of the login in the session. A `user_logged_in` receiver."""
    request.session[SINCE] = request.session[SEEN] = int(time.time())


def end_or_prolong(session: SessionBase, *, is_in_use: bool = True) -> None:
    """End a login older than `SESSION_LASTS`; otherwise prolong it, at most once a minute.

    Saving a session sets its expiry, and the cookie's, to `SESSION_COOKIE_AGE` from now. Pass
    `is_in_use=False` for a page that refreshes itself, because nobody may be looking at it.
    """
    if SINCE not in session:
        return
    now = int(time.time())
    if now - session[SINCE] > settings.SESSION_LASTS:
        session.flush()
    elif is_in_use and now - session.get(SEEN, 0) > SEEN_EVERY:
        session[SEEN] = now


def hashes(session_key: str) -> list[str]:
    """Return the hashes under which a session may be stored, one per index key, newest first."""
    return [
        vault.blind_index("session", session_key, key_id=key_id).hex()
        for key_id in settings.INDEX_KEYS
    ]


class SessionStore(db.SessionStore):
    """Django's database session store, with a hash of the session key in place of the key.

    The inherited asynchronous methods would store the key itself, but nothing calls them.
    """

    def _get_session_from_db(self) -> Session | None:
        key = self.session_key
        row = key and _rows(key).filter(expire_date__gt=timezone.now()).first()
        if not row:
            self._session_key = None
        return row or None

    def exists(self, session_key: str) -> bool:
        return _rows(session_key).exists()

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        row = super().create_model_instance(data)
        row.session_key = hashes(row.session_key)[0]
        return row

    def save(self, must_create: bool = False) -> None:
        if self.session_key and not must_create:
            _rehash(self.session_key)
        super().save(must_create)

    def delete(self, session_key: str | None = None) -> None:
        if key := session_key or self.session_key:
            _rows(key).delete()


def _rows(session_key: str) -> QuerySet[Session]:
    return Session.objects.filter(session_key__in=hashes(session_key))


def _rehash(session_key: str) -> None:
    """Move a session's row to the newest index key (rotation), where saving will find it."""
    newest, *older = hashes(session_key)
    if older:
        Session.objects.filter(session_key__in=older).update(session_key=newest)
