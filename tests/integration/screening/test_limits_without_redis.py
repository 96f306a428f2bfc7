"""Rate limits while Redis is away, slow or new: everybody is challenged, and the database counts
networks.
"""

import logging
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection
from django.utils import timezone

from campaign import monitoring
from campaign.local.services import redis_server
from petitions.infra import redis as infra_redis
from petitions.infra.client_network import Sender
from petitions.models import Petition, RateCount, Signature
from petitions.screening import rate_limits
from petitions.screening.rate_limits import Act, LimitResult
from tests.integration.screening.test_limits import (
    HOME,
    HOUSEHOLD,
    of_line,
    post,
    set_limits,
    take,
)
from tests.proof import solved, task_in

__all__ = ["set_limits"]  # a fixture


class Server:
    """A Redis of this test's own, to be killed and stopped."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "r.sock"
        self.url = f"unix://{self.socket}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [redis_server(), "--port", "0", "--unixsocket", self.socket, "--save", ""],
            cwd=self.socket.parent,
            stdout=subprocess.DEVNULL,
        )
        client = redis.Redis.from_url(self.url)
        wait_until(lambda: answers(client))
        client.close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def send(self, number: int) -> None:
        self.process.send_signal(number)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    settings.REDIS_URL = server.url
    monkeypatch.setattr("petitions.infra.redis.PAUSE", 0.05)
    monkeypatch.setattr("petitions.infra.redis.TIMEOUT", 0.5)
    infra_redis.invalidate()
    yield server
    server.send(signal.SIGCONT)
    server.kill()
    infra_redis.invalidate()


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "petitions.infra.redis"]


def ask(_number: int) -> None:
    """What every caller of Redis does, without the fallback on PostgreSQL."""
    with suppress(infra_redis.Unavailable):
        infra_redis.call(lambda client: client.ping())


def state() -> str:
    """What the team is told of the limits."""
    return str(monitoring.look()["limits"]["state"])


def test_without_redis_everybody_is_challenged_and_networks_stay_rate_limited(
    server: Server,
    petition: Petition,
    set_limits: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_limits(SIGN_NETWORK="3/hour", SIGN_MAILBOX="1/hour")
    assert take() == LimitResult()
    assert state() == "ok"
    server.kill()

    challenged, refused = (LimitResult(is_refused=no, needs_challenge=True) for no in (False, True))
    # One mailbox, which is not counted: what is refused could not be given back.
    assert [take() for _ in range(5)] == [challenged] * 3 + [refused] * 2
    assert take(sender=Sender.at(ip_address("198.51.100.1"))) == challenged
    assert state() == "away"
    assert logged(caplog) == ["Redis does not answer (ConnectionError)"]

    server.start()
    wait_until(lambda: not take().needs_challenge)
    assert state() == "ok"
    assert logged(caplog)[1:] == ["Redis answers again"]


@pytest.mark.parametrize("act", list(Act))
def test_network_rate_limits_apply_although_redis_is_slow(
    server: Server, petition: Petition, set_limits: Callable[..., None], act: Act
) -> None:
    """Slower than the client waits is as good as away: whoever slows it down gains nothing."""
    set_limits(**{f"{act}_NETWORK": "5/hour"})
    server.send(signal.SIGSTOP)
    answers = [rate_limits.hit(act, sender=HOUSEHOLD).is_refused for _ in range(8)]
    assert answers == [False] * 5 + [True] * 3
    lines = [rate_limits.hit(act, sender=of_line(n)).is_refused for n in range(24)]
    assert lines == [False] * 20 + [True] * 4


@pytest.mark.django_db(transaction=True)
def test_without_redis_concurrent_requests_do_not_exceed_a_rate_limit(
    server: Server, set_limits: Callable[..., None]
) -> None:
    set_limits(SIGN_NETWORK="50/hour")
    server.kill()

    def one(number: int) -> LimitResult:
        try:
            return take(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(200)))
    assert sum(not answer.is_refused for answer in answers) == 50


def test_rate_counts_in_the_database_hide_the_network_and_expire(
    server: Server, petition: Petition
) -> None:
    server.kill()
    take()
    (count,) = RateCount.objects.all()
    assert b"192.0.2" not in bytes(count.key)
    assert len(bytes(count.key)) == len("limit:") + 16
    assert rate_limits.delete_expired_counts() == 0
    RateCount.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    assert not take().is_refused
    assert RateCount.objects.get().number == 1
    RateCount.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    assert rate_limits.delete_expired_counts() == 1


@pytest.mark.django_db
def test_a_stalled_redis_delays_only_the_first_request(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    take()
    monkeypatch.setattr("petitions.infra.redis.PAUSE", 60)
    server.send(signal.SIGSTOP)

    started = time.monotonic()
    take(1)
    assert 0.4 < time.monotonic() - started < 5
    started = time.monotonic()
    for n in range(50):
        assert take(n).needs_challenge
    # One time-out alone would take longer.
    assert time.monotonic() - started < 0.4

    assert logged(caplog) == ["Redis does not answer (TimeoutError)"]


def test_an_open_circuit_breaker_lets_one_request_through_per_pause(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.kill()
    ask(0)
    monkeypatch.setattr("petitions.infra.redis.PAUSE", 60)
    monkeypatch.setattr("petitions.infra.redis._breaker.retry_at", 0.0)
    with ThreadPoolExecutor(8) as pool:
        tried = list(pool.map(lambda _n: infra_redis._breaker.lets_through(), range(64)))
    assert tried.count(True) == 1


def test_threads_that_lose_redis_together_open_one_circuit_breaker(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(16)))
        server.kill()
        list(pool.map(ask, range(64)))
    assert len(logged(caplog)) == 1


def test_a_restarted_redis_is_used_again(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take, range(16)))
        server.kill()
        server.start()
        list(pool.map(take, range(16)))
    wait_until(lambda: not take().needs_challenge)
    assert rate_limits.state() == "ok"


def test_signing_goes_on_without_redis_once_the_challenge_is_solved(
    server: Server, petition: Petition
) -> None:
    server.kill()
    asked = post()
    assert asked.status_code == 403
    assert post(altcha=solved(task_in(asked.content.decode()))).status_code == 303
    assert Signature.objects.get().state == Signature.State.PENDING


def test_redis_failures_are_logged_without_personal_data(
    server: Server, petition: Petition, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        server.kill()
        post()
    for personal in ("amina", "Amina", HOME, "M14", "example.org"):
        assert personal not in caplog.text
