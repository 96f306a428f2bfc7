"""`/health` says so when the site takes no signature, sends no mail, or deletes nothing any more.

Each fault is real; where only waiting would show it, the recorded times are made older.
"""

import http.client
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fault.harness import endure
from tests.fault.provider import HOST, Mood
from tests.fault.site import Site, eventually, fill
from tests.fault.test_faults import may_mount  # noqa: F401 - a fixture

pytestmark = pytest.mark.endurance


def status(site: Site) -> str:
    """The status of `/health`, which its HTTP status code must match."""
    connection = http.client.HTTPConnection(HOST, site.port, timeout=30)
    try:
        connection.request("GET", "/health")
        with connection.getresponse() as response:
            word = str(json.loads(response.read())["status"])
            assert response.status == (200 if word == "ok" else 503)
            return word
    finally:
        connection.close()


def is_well(site: Site) -> bool:
    return status(site) == "ok"


def is_degraded(site: Site) -> bool:
    return status(site) == "degraded"


@contextmanager
def degraded(site: Site) -> Iterator[None]:
    """Assert that `/health` is ok before, degraded inside the block, and ok again afterwards."""
    assert eventually(lambda: is_well(site), 60)
    yield
    assert eventually(lambda: is_well(site), 120)


@pytest.mark.usefixtures("may_mount")
def test_health_is_degraded_by_a_full_disk(site: Site) -> None:
    with degraded(site), site.small_disk(256) as disk, site.tables_on(disk):
        with endure(site, "ENOSPC under the whole database") as crowd:
            ballast = fill(disk)
            crowd.wait_until_tried()
            assert eventually(lambda: is_degraded(site))
            ballast.unlink()
        assert eventually(lambda: is_well(site))
        assert b"No space left on device" in site.logs()


def let_two_minutes_pass(site: Site) -> None:
    site.sql("UPDATE petitions_lease SET succeeded_at = succeeded_at - interval '2 min'")


def test_health_is_degraded_by_a_killed_beat(site: Site) -> None:
    with degraded(site), site.dead("beat"):
        let_two_minutes_pass(site)
        assert eventually(lambda: is_degraded(site))


def test_health_is_degraded_by_a_stalled_beat(site: Site) -> None:
    with degraded(site), site.stalled("beat"):
        let_two_minutes_pass(site)
        assert eventually(lambda: is_degraded(site))


def test_health_is_degraded_by_a_stalled_mail_worker(site: Site) -> None:
    with degraded(site):
        with site.stalled("worker"):
            let_two_minutes_pass(site)
            assert eventually(lambda: is_degraded(site))
        site.send_signal("worker", signal.SIGCONT)


@pytest.mark.parametrize("mood", [Mood.SAYS_550, Mood.SAYS_450])
def test_health_is_degraded_by_a_mail_server_that_refuses_most_mail(site: Site, mood: Mood) -> None:
    for_good = mood is Mood.SAYS_550
    with (
        endure(site, f"{mood.name} and health", refused_for_good=for_good) as crowd,
        site.provider.in_mood(mood),
    ):
        crowd.wait_until_tried(at_least=6.0)
        assert eventually(lambda: is_degraded(site))


def test_health_is_degraded_by_a_mail_server_that_refuses_connections(site: Site) -> None:
    with endure(site, "REFUSING and health") as crowd, site.provider.in_mood(Mood.REFUSING):
        crowd.wait_until_tried(at_least=6.0)
        site.sql(
            "UPDATE petitions_mail SET created_at = created_at - interval '3 min'"
            " WHERE state = 'queued'"
        )
        assert eventually(lambda: is_degraded(site))
