"""Empty the tables after a test with transactions of its own, without making the roles anew.

Django truncates every table then and sends `post_migrate`, whose receivers write content types,
permissions and roles once more. That takes more of the processor than most such tests. Hardly any
of them changes these rows, so they stay where they are as they were; else all is done as Django
does it.
"""

from django.core.management.color import no_style
from django.db import connection
from django.test import TransactionTestCase

# What the receivers write. No other table is named by these.
KEPT = ("django_content_type", "auth_permission", "auth_group", "auth_group_permissions")
_kept = ""


def keep_roles() -> None:
    """Remember the roles as they are, and empty only the other tables from now on."""
    global _kept  # noqa: PLW0603 - one database for each process
    _kept = contents()
    whole = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    others = [name for name in names if name not in KEPT]

    def teardown(test: TransactionTestCase) -> None:
        global _kept  # noqa: PLW0603
        if contents() == _kept:
            statements = connection.ops.sql_flush(no_style(), others)
            connection.ops.execute_sql_flush(statements)
        else:
            whole(test)
            _kept = contents()

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]


def contents() -> str:
    """A hash of all rows of the tables that are kept."""
    rows = "SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM {} t"
    hashes = ", ".join(f"({rows.format(name)})" for name in KEPT)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT concat_ws(' ', {hashes})")
        ((found,),) = cursor.fetchall()
    return str(found)
