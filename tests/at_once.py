"""Run callables concurrently, each in a thread with its own database connection."""

import threading
from collections.abc import Callable

from django.db import connection, connections


def at_once(*actions: Callable[[], object]) -> list[object]:
    """What the actions return, in the order in which they end. None may fail or hang."""
    barrier, results = threading.Barrier(len(actions)), list[object]()

    def run(action: Callable[[], object]) -> None:
        connection.ensure_connection()
        barrier.wait(timeout=30)
        try:
            results.append(action())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(results) == len(actions)
    return results
