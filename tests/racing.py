"""Deterministic race conditions between two threads, with their locks and without them.

Nothing here hopes for an unlucky moment. The first thread is stopped at the worst one; the
second then runs until it is done, or until it waits for a lock that the first holds; only
then may the first go on. Each thread has a connection of its own.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from petitions.infra import locks
from petitions.models import Signature
from petitions.moderation import decisions
from petitions.signatures import signing_sql
from petitions.signatures.signing_sql import Prepared

PATIENCE = 20.0
_COMPARE_AND_SET = "AND s.state = %(from_state)s"
_COMPARE_MAILBOX = "AND petition_mailbox_ix = %(mailbox)s"
Action = Callable[[], Any]


@dataclass
class Race:
    """The results of two concurrent threads."""

    first: Any = None
    second: Any = None
    # Whether the second had to wait until the first was done.
    second_waited: bool = False
    _stopped: threading.Event = field(default_factory=threading.Event)
    _may_go_on: threading.Event = field(default_factory=threading.Event)


def race(
    monkeypatch: pytest.MonkeyPatch, stop: tuple[Any, str], first: Action, second: Action
) -> Race:
    """Run the second while the first is stopped, right after it called what `stop` names."""
    run = Race()
    module, name = stop
    original = getattr(module, name)
    threads: dict[str, threading.Thread] = {}

    def stopping(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if threading.current_thread() is threads["first"] and not run._stopped.is_set():
            run._stopped.set()
            assert run._may_go_on.wait(PATIENCE)
        return result

    monkeypatch.setattr(module, name, stopping)
    threads["first"] = _thread(run, "first", first)
    threads["second"] = _thread(run, "second", second)
    threads["first"].start()
    try:
        assert run._stopped.wait(PATIENCE), f"it never called {name}: {run.first!r}"
        threads["second"].start()
        run.second_waited = _waits_for_a_lock(threads["second"])
    finally:
        run._may_go_on.set()
        for thread in threads.values():
            if thread.ident:
                thread.join(PATIENCE)
    return run


def _thread(run: Race, name: str, action: Action) -> threading.Thread:
    def work() -> None:
        try:
            connection.ensure_connection()
            setattr(run, name, action())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            setattr(run, name, error)
        finally:
            connections.close_all()

    return threading.Thread(target=work, name=name)


def _waits_for_a_lock(thread: threading.Thread) -> bool:
    """Wait until the thread waits for a lock (True), or is done without (False).

    Behind a pooler nobody knows which backend serves it: of this database, nobody else waits.
    """
    deadline = time.monotonic() + PATIENCE
    while thread.is_alive():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) > 0 FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone() == (True,):
                return True
        assert time.monotonic() < deadline
        thread.join(0.01)
    return False


def without_mailbox_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the locks of mailboxes from confirming and withdrawing."""
    monkeypatch.setattr(signing_sql, "_LOCK_MAILBOX", Prepared("no_lock", "SELECT 1"))
    monkeypatch.setattr(locks, "lock_mailboxes", lambda indexes: None)


def without_compare_and_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the compare-and-set of confirming: it goes by the state that it read."""
    sql = signing_sql._CONFIRM.sql
    assert _COMPARE_AND_SET in sql
    sql = sql.replace(_COMPARE_AND_SET, "")
    for looks in ("AND s.state IN", "WHEN s.state =", "ELSE s.state END"):
        assert looks in sql
        sql = sql.replace(looks, looks.replace("s.state", "%(from_state)s"))
    # That its mailbox has no longer the index of one that waits would show it, too.
    assert _COMPARE_MAILBOX in sql
    unguarded = Prepared("move_without_a_look", sql.replace(_COMPARE_MAILBOX, ""))
    monkeypatch.setattr(signing_sql, "_CONFIRM", unguarded)


def without_row_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove `SELECT ... FOR UPDATE` from moderators' decisions."""

    def unlocked(petition_id: int, ids: Iterable[UUID]) -> list[Signature]:
        return list(Signature.objects.filter(petition=petition_id, pk__in=ids))

    monkeypatch.setattr(decisions, "_locked", unlocked)
