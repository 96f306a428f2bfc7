"""A database copy cannot be used to log in: sessions are stored under a keyed hash of their key."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from psycopg2 import sql

from campaign.sessions import SEEN, SEEN_EVERY, SessionStore
from petitions.privacy import retention

PASSWORD = "a long pass phrase of Mona's"
HOME = reverse("admin:index")


@pytest.fixture
def logged_in(client: Client, moderator: User) -> Client:
    """Mona's client after logging in by the form."""
    moderator.set_password(PASSWORD)
    moderator.save()
    sent = {"username": "mona", "password": PASSWORD}
    assert client.post(reverse("admin:login"), sent).status_code == 302
    assert is_in(client)
    return client


def is_in(browser: Client) -> bool:
    return browser.get(HOME).status_code == 200


def cookie_of(browser: Client) -> str:
    return browser.cookies[site.SESSION_COOKIE_NAME].value


def with_cookie(value: str) -> Client:
    browser = Client()
    browser.cookies[site.SESSION_COOKIE_NAME] = value
    return browser


def every_text_in_the_database() -> Iterator[str]:
    """Return the values of all columns with text or bytes, in every table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying', 'character', 'bytea', 'uuid',"
            " 'json', 'jsonb', 'ARRAY')"
        )
        for table, column in cursor.fetchall():
            cursor.execute(
                sql.SQL("SELECT {0} FROM {1} WHERE {0} IS NOT NULL").format(
                    sql.Identifier(column), sql.Identifier(table)
                )
            )
            for (value,) in cursor.fetchall():
                yield value.tobytes().hex() if isinstance(value, memoryview) else str(value)


def test_no_database_value_works_as_a_session_cookie_or_reset_token(
    logged_in: Client, moderator: User
) -> None:
    """With a log-in active and a reset of the password under way."""
    moderator.refresh_from_db()
    reset = default_token_generator.make_token(moderator)
    found = set(every_text_in_the_database())
    assert moderator.password in found
    assert Session.objects.get().pk in found

    for value in (
        value for value in found if value.isascii() and value.isprintable() and ";" not in value
    ):
        assert not is_in(with_cookie(value)), value
        assert not default_token_generator.check_token(moderator, value), value
    for secret in (cookie_of(logged_in), reset, urlsafe_base64_encode(force_bytes(reset))):
        assert not [value for value in found if secret in value]
    assert is_in(with_cookie(cookie_of(logged_in)))


def test_logging_out_invalidates_copies_of_the_session_cookie(logged_in: Client) -> None:
    kept = cookie_of(logged_in)
    logged_in.post(reverse("admin:logout"))

    assert not Session.objects.exists()
    assert not is_in(with_cookie(kept))


def test_an_expired_session_is_logged_out(logged_in: Client) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    assert not is_in(logged_in)


def test_automatic_page_refreshes_do_not_extend_the_session(logged_in: Client) -> None:
    session = logged_in.session
    session[SEEN] -= 2 * SEEN_EVERY
    session.save()
    before = Session.objects.get().expire_date

    assert logged_in.get(HOME, headers={"X-Renewal": "1"}).status_code == 200
    assert Session.objects.get().expire_date == before
    assert is_in(logged_in)
    assert Session.objects.get().expire_date > before


def test_a_session_survives_a_rotation_of_the_index_key(logged_in: Client, settings: Any) -> None:
    settings.INDEX_KEYS = {2: bytes(32), **settings.INDEX_KEYS}
    before = Session.objects.get().pk

    store = SessionStore(cookie_of(logged_in))
    store["seen"] = True
    store.save()

    assert is_in(logged_in)
    assert Session.objects.get().pk != before
    settings.INDEX_KEYS = {2: bytes(32)}
    assert is_in(logged_in)


def test_sessions_end_once_their_index_key_is_removed(logged_in: Client, settings: Any) -> None:
    settings.INDEX_KEYS = {2: bytes(32)}

    assert not is_in(logged_in)


def test_the_retention_sweep_deletes_only_expired_sessions(logged_in: Client, db: None) -> None:
    old = SessionStore()
    old.set_expiry(-1)
    old.create()

    retention.apply()

    assert Session.objects.count() == 1
    assert is_in(logged_in)
