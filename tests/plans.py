"""Query plans: how many rows of a table PostgreSQL really looks at."""

from typing import Any

from django.db import connection


def rows_read(sql: str, table: str) -> float:
    """How many rows of a table a query reads, those that it drops again included."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        [([explained],)] = cursor.fetchall()
    return _read(explained["Plan"], table)


def _read(plan: dict[str, Any], table: str) -> float:
    read = sum(_read(part, table) for part in plan.get("Plans", []))
    if plan.get("Relation Name") == table:
        dropped = plan.get("Rows Removed by Filter", 0) + plan.get(
            "Rows Removed by Index Recheck", 0
        )
        read += (plan["Actual Rows"] + dropped) * plan["Actual Loops"]
    return float(read)
