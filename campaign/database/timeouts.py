"""How long each kind of process lets PostgreSQL work at a statement, and wait for a lock.

They go with the connection, as startup parameters, which cost no round trip. A pooler would give
a connection that one process has set so to another, and PgBouncer refuses the parameters: there
each kind has a pool, whose `connect_query` sets them. See docs/operators.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from django.conf import settings
from django.db import connection, connections

from campaign.database.silence import GRACE, silence

Kind = Literal["web", "worker", "command", "migrate"]


def limit(kind: Kind) -> None:
    """Give the timeouts of this kind of process to all connections that are made from now on."""
    statement, lock = settings.DATABASE_TIMEOUTS[kind]
    if kind == "web" and statement:
        silence.limit(statement + GRACE)
    if settings.DATABASE_POOLER:
        return
    options = connections.databases["default"]["OPTIONS"]
    # What DATABASE_URL says comes later, and so prevails.
    ours = f"-c statement_timeout={statement}s -c lock_timeout={lock}s"
    options["options"] = f"{ours} {settings.DATABASE_OPTIONS}".strip()


@contextmanager
def limited(kind: Kind) -> Iterator[None]:
    """The block as this kind of process, on a connection of its own; then as a command again."""
    connection.close()
    limit(kind)
    try:
        yield
    finally:
        connection.close()
        limit("command")
