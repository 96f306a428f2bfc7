"""Prepared statements: planned once per connection, and sent as plain SQL behind a pooler."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from petitions.counting import tallies
from petitions.models import Petition
from petitions.signatures import signing_sql
from petitions.signatures.signing_sql import Prepared
from tests.people import AMINA, sign_and_confirm
from tests.pooler import direct

pytestmark = pytest.mark.django_db(transaction=True)

SUM = Prepared("sum_of_two", "SELECT %(a)s::int + %(b)s::int + %(a)s::int")


def ask(a: int, b: int) -> int:
    with connection.cursor() as cursor:
        signing_sql.run(cursor, {"a": a, "b": b}, SUM)
        return int(cursor.fetchone()[0])


@direct
def test_a_prepared_statement_is_prepared_once_per_connection() -> None:
    connection.close()
    with CaptureQueriesContext(connection) as queries:
        assert [ask(1, 2), ask(3, 4)] == [4, 10]
    prepared = [query["sql"] for query in queries if query["sql"].startswith("PREPARE")]
    assert len(prepared) == 1

    connection.close()
    assert ask(5, 6) == 16


@direct
def test_signing_and_confirming_always_use_the_generic_plan(petition: Petition) -> None:
    connection.close()
    for number in range(7):
        sign_and_confirm(petition, replace(AMINA, email=f"rana{number}@example.org"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, generic_plans, custom_plans FROM pg_prepared_statements")
        plans = {name: (generic, custom) for name, generic, custom in cursor.fetchall()}
    assert plans["sign"] == plans["confirm"] == (7, 0)


def test_a_statement_is_prepared_on_the_connection_that_runs_it() -> None:
    assert ask(1, 2) == 4
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            signing_sql.run(cursor, {"a": 2, "b": 3}, SUM)
            assert cursor.fetchone() == (7,)
    finally:
        other.close()


def test_the_cursor_holds_the_last_statements_result() -> None:
    other = Prepared("other_number", "SELECT %(a)s::int")
    with connection.cursor() as cursor:
        signing_sql.run(cursor, {"a": 7, "b": 1}, SUM, other)
        assert cursor.fetchone() == (7,)


def test_no_statement_is_prepared_behind_a_connection_pooler(
    petition: Petition, settings: Settings
) -> None:
    settings.DATABASE_POOLER = True
    with CaptureQueriesContext(connection) as queries:
        sign_and_confirm(petition)

    assert tallies.total(petition.pk) == 1
    assert not [q["sql"] for q in queries if "PREPARE" in q["sql"] or "EXECUTE" in q["sql"]]
