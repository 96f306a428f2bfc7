"""A connection that is kept from one request to the next is used only while it lives."""

from contextlib import closing

import psycopg2
import pytest
from django.db import close_old_connections, connection

from tests.pooler import direct

pytestmark = pytest.mark.django_db(transaction=True)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_a_live_persistent_connection_is_reused() -> None:
    before = backend()

    assert connection.is_usable()
    assert backend() == before


@direct
def test_a_connection_terminated_by_the_server_is_replaced() -> None:
    before = backend()
    database = connection.settings_dict
    other = psycopg2.connect(host=database["HOST"], user=database["USER"], dbname=database["NAME"])
    with closing(other), other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [before])

    assert not connection.is_usable()
    # As at the start of every request.
    close_old_connections()
    assert backend() != before


def test_a_connection_that_was_closed_is_not_usable() -> None:
    backend()
    connection.connection.close()

    assert not connection.is_usable()
    connection.close()
