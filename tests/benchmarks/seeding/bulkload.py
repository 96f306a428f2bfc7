"""Bulk load: drop indexes and foreign keys, and rebuild them after.

Building an index of a million rows costs a fifth of adding to it a million times.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from django.db import connection, transaction


class _Constraint(NamedTuple):
    table: str
    name: str
    definition: str


class _Index(NamedTuple):
    name: str
    definition: str


@contextmanager
def without_indexes(tables: Sequence[str]) -> Iterator[None]:
    """Drop all indexes and constraints but primary keys and checks; recreate them at the end.

    Definitions are read from PostgreSQL's own catalogue. It is one transaction, so that a
    failure leaves everything as it was; other users of the tables wait for its end.
    """
    with transaction.atomic():
        _execute("SET CONSTRAINTS ALL IMMEDIATE")
        constraints = _constraints(tables)
        for constraint in constraints:
            _execute(f"ALTER TABLE {constraint.table} DROP CONSTRAINT {constraint.name}")
        indexes = _indexes(tables)
        for index in indexes:
            _execute(f"DROP INDEX {index.name}")
        yield
        # Sorted in memory, and not in files; as before when the transaction ends.
        _execute("SET LOCAL maintenance_work_mem = '256MB'")
        for index in indexes:
            _execute(index.definition)
        for table, name, definition in constraints:
            _execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")


def _constraints(tables: Sequence[str]) -> list[_Constraint]:
    """Foreign keys and unique constraints; not the primary key, which others refer to."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
            FROM pg_constraint
            WHERE conrelid = ANY (%s::regclass[]) AND contype IN ('f', 'u')
            """,
            [list(tables)],
        )
        return [_Constraint(*row) for row in cursor.fetchall()]


def _indexes(tables: Sequence[str]) -> list[_Index]:
    """Indexes that no constraint owns; the constraints' own ones are gone by now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
            FROM pg_index
            WHERE indrelid = ANY (%s::regclass[]) AND NOT indisprimary
            """,
            [list(tables)],
        )
        return [_Index(*row) for row in cursor.fetchall()]


def _execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
