"""Hot-row benchmark: everybody confirms one petition at once, from one place, on a slow disk.

All of its count is then in the tally of one place, whose rows every confirmation writes; and a
row stays locked until its transaction is on the disk.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.urls import reverse

from petitions.crypto import tokens
from petitions.models import UNKNOWN, Petition, Tally
from petitions.signatures import submit
from petitions.signers import sealing
from tests.benchmarks import load
from tests.benchmarks.measures import CONNECTIONS, Bench, Measure, _request

# How much longer a slow disk takes, in microseconds (`commit_delay`): PostgreSQL waits so long
# before it flushes a commit, for others to join.
SLOW_DISK = 2_000


def hot_petition(bench: Bench) -> Measure:
    """The button behind the mailed link, by signers of one place, while commits take long."""

    def value() -> float:
        before = _counted_nowhere(bench.petition)
        requests = list(_confirmations(bench))
        with _slow_disk():
            # Without a time limit, for all are counted afterwards.
            run = load.run(bench.ports["site"], requests, connections=CONNECTIONS).expect(200)
        counted = _counted_nowhere(bench.petition) - before
        if counted != len(requests):
            raise load.LoadFailed(f"{counted} of {len(requests)} confirmations were counted")
        return run.rate

    return Measure(
        title="POST of a confirmation, slow disk",
        floor_title="WSGI with SELECT 1",
        floor=lambda: bench.floor("select_1"),
        value=value,
        least_rate=500,
        note=f"all of one place; each commit takes {SLOW_DISK / 1000:.0f} ms more",
    )


def _confirmations(bench: Bench) -> Iterator[bytes]:
    once = uuid.uuid4().hex[:8]
    for number in range(bench.confirmations):
        attempt = sealing.Attempt(
            name="Carys Enghraifft",
            email=f"carys.{once}.{number}@mail{number % 500}.example.org",
            name_use="public",
        )
        signature_id = submit.store(petition=bench.petition, attempt=attempt)
        token = tokens.link(tokens.CONFIRM, signature_id, 0)
        yield _request("POST", reverse("links:confirm", args=["en", token]))


def _counted_nowhere(petition: Petition) -> int:
    tallies = Tally.objects.filter(petition=petition, place_id=UNKNOWN, kind=Tally.Kind.ONLINE)
    return sum(tallies.values_list("n", flat=True))


@contextmanager
def _slow_disk() -> Iterator[None]:
    """Delay commits on all connections of the bench's own cluster, also where one is alone."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"ALTER SYSTEM SET commit_delay = {SLOW_DISK}")
            cursor.execute("ALTER SYSTEM SET commit_siblings = 0")
            cursor.execute("SELECT pg_reload_conf()")
            yield
        finally:
            cursor.execute("ALTER SYSTEM RESET commit_delay")
            cursor.execute("ALTER SYSTEM RESET commit_siblings")
            cursor.execute("SELECT pg_reload_conf()")


MEASURES = {"hot": hot_petition}
