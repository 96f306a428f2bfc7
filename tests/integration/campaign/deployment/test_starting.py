"""Every part starts in the image as compose starts it, or says what it lacks."""

import http.client
import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.deployed import (
    PATIENCE,
    environment_of,
    example,
    files_in,
    image_command,
    image_environment,
    psql,
    run,
    running,
    service,
    start_and_wait,
    wait_for,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """An empty database of our own on the tests' server."""
    server = os.environ["DATABASE_URL"]
    name = f"deployment_{secrets.token_hex(4)}"
    psql(server, f"CREATE DATABASE {name}")
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    psql(server, f"DROP DATABASE {name} WITH (FORCE)")


def test_the_deployment_checks_are_clean_with_the_example_filled_in(app: Path) -> None:
    command = ["python", "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    run(command, app, environment_of("web"))


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-c", "import campaign.wsgi"],
        service("worker")["command"],
        service("beat")["command"],
    ],
    ids=["web", "worker", "beat"],
)
def test_each_process_refuses_to_start_without_secrets_and_names_them(
    app: Path, command: list[str]
) -> None:
    done = start_and_wait(command, app, {**image_environment(), "ENVIRONMENT": "production"})
    assert done.returncode != 0
    for name in ("SECRET_KEY", "SEALING_KEYS", "INDEX_KEYS", "LINK_KEYS"):
        assert f"{name} is missing" in done.stderr
        assert f"set it as {name}" in done.stderr or f"Set {name}" in done.stderr


def test_an_unfilled_example_configuration_is_refused(app: Path) -> None:
    unfilled = {**image_environment(), **example()}
    done = start_and_wait(["python", "-c", "import campaign.wsgi"], app, unfilled)
    assert done.returncode != 0
    assert "SEALING_KEYS is missing" in done.stderr


@pytest.mark.parametrize("level", ["loud", "20", "NOTSET"])
def test_an_invalid_log_level_is_refused_with_the_valid_ones(app: Path, level: str) -> None:
    environment = environment_of("web", LOG_LEVEL=level)
    done = start_and_wait(["python", "-c", "import campaign.wsgi"], app, environment)
    assert done.returncode != 0
    assert done.stderr.rstrip().endswith(
        "LOG_LEVEL in the environment should be one of: debug, info, warning, error."
    )


@pytest.mark.parametrize("level", ["warning", "WARNING"])
def test_the_log_level_is_case_insensitive(app: Path, level: str) -> None:
    program = "import campaign.wsgi, logging; print(logging.getLogger().level)"
    done = run(["python", "-c", program], app, environment_of("web", LOG_LEVEL=level))
    assert int(done.stdout) == logging.WARNING


def test_an_invalid_key_is_refused_without_printing_it(app: Path) -> None:
    environment = environment_of("web", SEALING_KEYS="1:bm90IDMyIGJ5dGVz")
    done = start_and_wait(["python", "-c", "import campaign.wsgi"], app, environment)
    assert done.returncode != 0
    assert "SEALING_KEYS" in done.stderr
    assert "bm90IDMyIGJ5dGVz" not in done.stderr


def test_the_image_migrates_serves_and_writes_nothing_into_itself(
    app: Path, database_url: str, tmp_path: Path
) -> None:
    port, log = free_port(), tmp_path / "web.log"
    environment = environment_of("web", DATABASE_URL=database_url, BIND=f"127.0.0.1:{port}")
    before = files_in(app)
    run(service("migrate")["command"], app, environment)
    again = run(service("migrate")["command"], app, environment)
    assert "No migrations to apply" in again.stdout
    run(["python", "manage.py", "load_campaign", "--publish"], app, environment)
    check = image_command("HEALTHCHECK")
    assert start_and_wait(check, app, environment).returncode == 1
    with running(image_command(), app, environment, log):
        wait_for(lambda: start_and_wait(check, app, environment).returncode == 0, log)
        status, page = get(port, "/", environment)
        assert status == 200
        (style,) = re.findall(r'href="(/static/css/site\.[^"]+\.css)"', page)
        assert get(port, style, environment)[0] == 200
        assert get(port, "/ar/", environment)[0] == 200
        # Without the proxy's word that TLS was spoken, nobody logs in.
        assert get(port, "/admin/login/", environment)[0] == 200
        assert get(port, "/admin/login/", environment, scheme="http")[0] == 301
    assert files_in(app) == before
    assert "ERROR" not in log.read_text()


def get(
    port: int, path: str, environment: Mapping[str, str], scheme: str = "https"
) -> tuple[int, str]:
    """Ask as the proxy asks."""
    host = urlsplit(environment["SITE_URL"]).netloc
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", path, headers={"Host": host, "X-Forwarded-Proto": scheme})
    with connection.getresponse() as response:
        status, body = response.status, response.read().decode()
    connection.close()
    return status, body


def test_the_worker_starts_and_waits_for_redis(app: Path, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    environment = environment_of("worker", REDIS_URL=f"unix://{tmp_path}/none.sock")
    with running(service("worker")["command"], app, environment, log):
        wait_for(lambda: "Cannot connect to" in log.read_text(), log)


def test_beat_is_healthy_while_it_ticks_and_unhealthy_once_it_stops(
    app: Path, tmp_path: Path
) -> None:
    log, temporary = tmp_path / "beat.log", tmp_path / "tmp"
    temporary.mkdir()
    # The folder stands for the container's /tmp; the file's place in it is the default.
    environment = environment_of(
        "beat", REDIS_URL=f"unix://{tmp_path}/none.sock", TMPDIR=str(temporary)
    )
    check = service("beat")["healthcheck"]["test"][1:]
    before = files_in(app)
    assert start_and_wait(check, app, environment).returncode == 1
    with running(service("beat")["command"], app, environment, log):
        wait_for(lambda: start_and_wait(check, app, environment).returncode == 0, log)
    assert files_in(app) == before
    (heartbeat,) = temporary.iterdir()
    for age, code in ((50, 0), (70, 1)):
        os.utime(heartbeat, (time.time() - age, time.time() - age))
        assert start_and_wait(check, app, environment).returncode == code


def test_the_heartbeat_file_of_beat_is_on_a_tmpfs_of_its_container(app: Path) -> None:
    program = "from campaign import settings; print(settings.BEAT_HEARTBEAT_FILE)"
    done = run(["python", "-c", program], app, environment_of("beat"))
    assert str(Path(done.stdout.strip()).parent) in service("beat")["tmpfs"]


def test_the_worker_knows_every_task_that_beat_sends(app: Path) -> None:
    program = (
        "from campaign.celery import app; app.loader.import_default_modules();"
        "print({e['task'] for e in app.conf.beat_schedule.values()} - set(app.tasks))"
    )
    done = run(["python", "-c", program], app, environment_of("beat"))
    assert done.stdout.strip() == "set()"
