"""Fault injection: signing survives killed and stalled processes, full disks and wrong clocks.

In each, 200 people sign and 100 who have signed before confirm. Afterwards everybody who saw
success counts exactly once, every mail came, the tallies hold, nobody was shown an error but
503 with Retry-After, and no log or row holds personal data. See `tests.fault.harness`.
"""

import os
import signal
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.fault.harness import LATE, database_time, endure
from tests.fault.provider import Mood
from tests.fault.site import Site, eventually, fill

pytestmark = pytest.mark.endurance

# Seconds, longer than the interval of beat's mail sweep, so that a sweep meets the fault.
A_SWEEP = 6.0
EVERYTHING = ("web", "worker", "beat", "redis", "postgres")


# --- Processes that are killed ----------------------------------------------------------------


def test_signing_survives_killed_web_workers(site: Site) -> None:
    with endure(site, "web: a worker killed, three times") as crowd:
        for tried in (30, 80, 130):
            crowd.wait_until_tried(tried)
            os.kill(site.processes_of("web")[1], signal.SIGKILL)
        crowd.wait_until_tried()


def test_signing_survives_a_mail_worker_killed_in_mid_batch(site: Site) -> None:
    with endure(site, "mail worker killed in mid-batch") as crowd:
        with site.provider.in_mood(Mood.HOLDING):
            assert site.provider.is_holding.wait(30)
            crowd.wait_until_tried()
            site.kill_at_once(("worker",))
        site.revive("worker")


def test_signing_survives_mail_worker_children_killed_in_mid_batch(site: Site) -> None:
    with endure(site, "mail worker: one process killed in mid-batch") as crowd:
        with site.provider.in_mood(Mood.HOLDING):
            assert site.provider.is_holding.wait(30)
            for pid in site.processes_of("worker")[1:]:
                os.kill(pid, signal.SIGKILL)
        crowd.wait_until_tried()


def test_signing_survives_a_killed_beat(site: Site) -> None:
    with endure(site, "beat killed") as crowd, site.dead("beat"):
        crowd.wait_until_tried(at_least=A_SWEEP)


def test_signing_survives_a_killed_redis(site: Site) -> None:
    with endure(site, "Redis killed") as crowd, site.dead("redis"):
        crowd.wait_until_tried(at_least=A_SWEEP)


def test_signing_survives_redis_killed_in_mid_batch(site: Site) -> None:
    with endure(site, "Redis killed while a batch is sent") as crowd:
        with site.provider.in_mood(Mood.HOLDING):
            assert site.provider.is_holding.wait(30)
            with site.dead("redis"):
                crowd.wait_until_tried()
        crowd.wait_until_tried(at_least=A_SWEEP)


def test_signing_survives_a_killed_database(site: Site) -> None:
    with endure(site, "PostgreSQL killed") as crowd, site.dead("postgres"):
        crowd.wait_until_tried()


def test_signing_survives_a_killed_database_backend(site: Site) -> None:
    """PostgreSQL then breaks all its connections and recovers by itself."""
    with endure(site, "PostgreSQL: a process of a connection killed") as crowd:
        for tried in (40, 120):
            crowd.wait_until_tried(tried)
            ((pid,),) = site.sql(
                "SELECT pid FROM pg_stat_activity WHERE datname = 'undersigned'"
                " AND pid <> pg_backend_pid() ORDER BY backend_start LIMIT 1"
            )
            assert isinstance(pid, int)
            os.kill(pid, signal.SIGKILL)
            assert eventually(site.has_a_database)
        crowd.wait_until_tried()


def test_signing_survives_all_services_killed_at_once(site: Site) -> None:
    with endure(site, "everything killed at once") as crowd:
        crowd.wait_until_tried(LATE // 2)
        with site.dead(*EVERYTHING):
            pass
        crowd.wait_until_tried()


# --- Processes that stall ---------------------------------------------------------------------


def test_signing_survives_a_stalled_redis(site: Site) -> None:
    with endure(site, "Redis stalled") as crowd, site.stalled("redis"):
        crowd.wait_until_tried(at_least=A_SWEEP)


def test_signing_survives_a_stalled_mail_worker(site: Site) -> None:
    with endure(site, "mail worker stalled") as crowd, site.stalled("worker"):
        crowd.wait_until_tried(at_least=A_SWEEP)


# --- Mail servers that fail -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mood", "fault"),
    [
        (Mood.REFUSING, "SMTP refuses connections"),
        (Mood.CLOSING, "SMTP closes in mid-DATA"),
        (Mood.SAYS_421, "SMTP says 421 and closes"),
        (Mood.SAYS_450, "SMTP says 450, with the address"),
    ],
)
def test_signing_survives_temporary_refusals_of_the_mail_server(
    site: Site, mood: Mood, fault: str
) -> None:
    with endure(site, fault) as crowd, site.provider.in_mood(mood):
        crowd.wait_until_tried(at_least=A_SWEEP)


def test_signing_survives_a_mail_server_that_stalls_beyond_the_timeout(site: Site) -> None:
    with endure(site, "SMTP stalls") as crowd, site.provider.in_mood(Mood.STALLING):
        crowd.wait_until_tried(at_least=25.0)


def test_signing_again_works_after_permanent_refusals_of_the_mail_server(site: Site) -> None:
    """A permanent refusal (5xx) is not retried: they sign again once their mailbox exists."""
    fault = "SMTP says 550, with the address"
    with (
        endure(site, fault, refused_for_good=True) as crowd,
        site.provider.in_mood(Mood.SAYS_550),
    ):
        crowd.wait_until_tried(at_least=A_SWEEP)


# --- A disk that is full ----------------------------------------------------------------------


@pytest.fixture
def may_mount() -> None:
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("only root may mount the small file system that is to be full")


TABLES = ("petitions_signature", "petitions_signer", "petitions_mail")


@pytest.mark.usefixtures("may_mount")
def test_signing_survives_a_full_disk_under_the_tables(site: Site) -> None:
    with site.small_disk(4) as disk:
        site.sql(
            f"CREATE TABLESPACE small LOCATION '{disk}'",
            *(f"ALTER TABLE {table} SET TABLESPACE small" for table in TABLES),
        )
        try:
            with endure(site, "ENOSPC where the tables are") as crowd:
                ballast = fill(disk)
                crowd.wait_until_tried()
                ballast.unlink()
            assert b"No space left on device" in site.logs()
        finally:
            site.sql(
                *(f"ALTER TABLE {table} SET TABLESPACE pg_default" for table in TABLES),
                "DROP TABLESPACE small",
            )


@pytest.mark.usefixtures("may_mount")
def test_signing_survives_a_full_disk_under_the_write_ahead_log(site: Site) -> None:
    """PostgreSQL shuts down rather than lose a commit; it starts again with free space."""
    with (
        site.small_disk(64) as disk,
        site.write_ahead_log_on(disk),
        endure(site, "ENOSPC where the write-ahead log is") as crowd,
    ):
        ballast = fill(disk)
        assert eventually(site.exhaust_write_ahead_log)
        crowd.wait_until_tried()
        ballast.unlink()
        site.revive_database()


# --- Second workers and beats -----------------------------------------------------------------


def test_two_mail_workers_and_two_beats_send_every_mail_once(site: Site) -> None:
    fault = "two mail workers and two beats"
    with endure(site, fault) as crowd, site.beside("worker-2", "beat-2"):
        crowd.wait_until_tried(at_least=A_SWEEP)
    assert max(site.provider.message_ids().values()) == 1


# --- Clocks -----------------------------------------------------------------------------------

HOUR = 3600


@pytest.fixture(scope="module")
def libfaketime() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        how_to = "no libfaketime: install it (Debian: apt-get install libfaketime)"
        assert not os.environ.get("CI"), how_to
        pytest.skip(how_to)
    return found[0]


@pytest.fixture(scope="module")
def clock(
    site: Site, libfaketime: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A libfaketime file whose offset is added to the clock of all parts (PostgreSQL, web, worker
    and beat) together, as on one machine.
    """
    file = tmp_path_factory.mktemp("clock") / "clock"
    file.write_text("+0\n")
    environment = {
        "LD_PRELOAD": str(libfaketime),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "PYTHONPATH": str(Path(__file__).parent / "under_faketime"),
        # The kernel never sets back the monotonic clock.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
    shared = Path("/dev/shm")
    before = set(shared.glob("*faketime_*"))
    try:
        with site.under(**environment):
            yield file
    finally:
        for left in set(shared.glob("*faketime_*")) - before:
            left.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("jump", "fault"),
    [(HOUR, "the clock jumps an hour ahead"), (0, "the clock jumps an hour back")],
)
def test_signing_survives_a_clock_jump_of_an_hour(
    site: Site, clock: Path, jump: int, fault: str
) -> None:
    """From an hour off to right, and from right to an hour off."""
    clock.write_text(f"{HOUR - jump:+d}\n")
    assert eventually(lambda: _is_off_by(site, HOUR - jump))
    # A page that was asked for an hour later says that it is old.
    with endure(site, fault, also_shown={HTTPStatus.GONE}) as crowd:
        clock.write_text(f"{jump:+d}\n")
        crowd.wait_until_tried(at_least=A_SWEEP)
    assert _is_off_by(site, jump)


def _is_off_by(site: Site, seconds: int) -> bool:
    return abs(database_time(site) - time.time() - seconds) < 60
