"""PostgreSQL's `statement_timeout` and `lock_timeout` for each kind of process, and one plan for
each prepared statement.

They are startup parameters of the connection, which cost no round trip. A pooler would hand a
connection with one process's settings to another, and PgBouncer refuses the parameters: there
each kind has a pool, whose `connect_query` sets them. See docs/operators.md.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from django.conf import settings
from django.db import connection, connections

from campaign.database.client_timeout import GRACE, client_timeout

Kind = Literal["web", "worker", "command", "migrate"]
# For `petitions.infra.prepared`: by itself PostgreSQL plans the statement of a confirmation anew
# each time, and the whole of it takes 1.75 instead of 1.27 ms of its processor, in paired runs.
_ONE_PLAN = "-c plan_cache_mode=force_generic_plan"


def limit(kind: Kind) -> None:
    """Set the timeouts of this kind of process for all connections made from now on."""
    statement, lock = settings.DATABASE_TIMEOUTS[kind]
    if kind == "web" and statement:
        client_timeout.limit(statement + GRACE)
    if settings.DATABASE_POOLER:
        return
    options = connections.databases["default"]["OPTIONS"]
    # What DATABASE_URL says comes later, and so prevails.
    ours = f"-c statement_timeout={statement}s -c lock_timeout={lock}s {_ONE_PLAN}"
    options["options"] = f"{ours} {settings.DATABASE_OPTIONS}".strip()


@contextmanager
def limited(kind: Kind) -> Iterator[None]:
    """Run the block with this kind's timeouts, on its own connection; then as a command again."""
    connection.close()
    limit(kind)
    try:
        yield
    finally:
        connection.close()
        limit("command")
