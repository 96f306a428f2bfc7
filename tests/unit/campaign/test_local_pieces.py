"""The small parts of the embedded stack that need no process."""

import base64
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from campaign.local import __main__ as command
from campaign.local import install, messages, services
from campaign.local.folder import MAX_SOCKET_PATH, RINGS, Folder, StackError
from campaign.local.postgres import not_root
from campaign.local.services import Port, redis
from campaign.local.smtp import Maildir
from campaign.local.stack import Stack
from tests.deployed import variables_read

CATALOGUE = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

#, python-format
msgid "%(count)s people"
msgstr "{translation}"
"""


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    made = Folder(tmp_path).secrets()
    assert Folder(tmp_path).secrets() == made
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600
    assert len(made["SECRET_KEY"]) >= 50
    rings = [made[name] for name in RINGS]
    assert len(set(rings)) == 3
    assert all(len(base64.b64decode(ring.removeprefix("1:"))) == 32 for ring in rings)


def test_socket_paths_fit_the_length_limit_in_deep_folders(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["very-long-name"] * 20)
    assert len(str(Folder(deep).sockets / ".s.PGSQL.5432")) < MAX_SOCKET_PATH


def test_two_folders_have_different_socket_folders(tmp_path: Path) -> None:
    assert Folder(tmp_path / "a").sockets != Folder(tmp_path / "b").sockets


def test_a_socket_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(Folder, "sockets", tmp_path / "link")
    (tmp_path / "link").symlink_to(elsewhere)
    with pytest.raises(StackError, match="belongs to somebody else"):
        folder.make()


def test_cleaning_keeps_files_that_are_not_ours(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    folder.lock()
    folder.secrets()
    (tmp_path / "thesis.txt").write_text("mine")
    folder.remove()
    folder.unlock()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_port_keeps_its_number_and_stays_reserved() -> None:
    port = Port(None)
    with pytest.raises(StackError, match="PORT="):
        Port(port.number)
    first = port.take()
    first.close()
    second = port.take()
    assert second.getsockname()[1] == port.number
    second.close()
    port.close()


def test_a_closed_port_is_free() -> None:
    port = Port(None)
    port.close()
    with socket.create_server(("127.0.0.1", port.number)):
        pass


@pytest.mark.parametrize("given", ["0", "65536", "http", "-1", "8000x"])
def test_an_impossible_port_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", given)
    with pytest.raises(StackError, match="PORT should be"):
        command.wanted_port()


# What the trial sets itself, or leaves as it is for want of what it leads to.
NOT_PASSED_ON = {
    "ALLOWED_HOSTS", "BEAT_HEARTBEAT_FILE", "BIND", "DATABASE_URL", "ENVIRONMENT",
    "HSTS_INCLUDE_SUBDOMAINS", "HSTS_PRELOAD", "INDEX_KEYS", "LINK_KEYS", "LOCAL_MAILBOX",
    "MAILGUN_API_URL", "MAIL_API_KEY", "MAIL_FROM", "MAIL_PROVIDER", "MAIL_WEBHOOK_SECRET",
    "REDIS_URL", "SEALING_KEYS", "SECRET_KEY", "SITE_URL", "SMTP_HOST", "SMTP_PASSWORD",
    "SMTP_PORT", "SMTP_SECURITY", "SMTP_USER", "STATIC_ROOT",
}  # fmt: skip


def test_each_setting_is_passed_on_to_the_local_site_or_left_out_on_purpose() -> None:
    read = variables_read()
    reaching = {name for name in read if command.PASSED_ON.fullmatch(name)}
    assert read - reaching == NOT_PASSED_ON
    assert len(reaching) > 20


def test_a_command_that_finds_nothing_running_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_DIR", str(tmp_path))
    with pytest.raises(StackError, match=f"running in {tmp_path}.*\\n.*LOCAL_DIR"):
        command.manage(["check"])


def test_the_wheel_has_a_redis_server() -> None:
    server, *_options = redis(Folder(Path("/nowhere")), {}).command
    told = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    assert "Valkey server v=" in told


def test_without_the_wheel_the_machines_own_redis_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"Install Redis 6\.2 or newer"):
        services.redis_server()
    own = tmp_path / "redis-server"
    own.touch(mode=0o700)
    assert services.redis_server() == str(own)


def test_an_unknown_service_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such service"):
        Stack(tmp_path).start(only=("mysql",))


def test_mailbox_messages_are_delivered_completely_and_in_order(tmp_path: Path) -> None:
    maildir = Maildir(tmp_path)
    for number in range(20):
        maildir.deliver(f"Subject: {number}\r\n\r\n".encode())
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    subjects = [(tmp_path / "new" / name).read_text().split()[1] for name in names]
    assert subjects == [str(number) for number in range(20)]
    assert not list((tmp_path / "tmp").iterdir())


def catalogue(locale: Path, translation: str) -> Path:
    source = locale / "cy" / "LC_MESSAGES" / "django.po"
    source.parent.mkdir(parents=True)
    source.write_text(CATALOGUE.format(translation=translation))
    return source


def test_catalogues_are_compiled_when_they_change(tmp_path: Path) -> None:
    source = catalogue(tmp_path, "%(count)s o bobl")
    assert messages.compile_all(tmp_path) == 1
    assert source.with_suffix(".mo").stat().st_size > 0
    assert messages.compile_all(tmp_path) == 0


def test_a_translation_with_other_placeholders_is_refused(tmp_path: Path) -> None:
    catalogue(tmp_path, "%(cyfrif)s o bobl")
    with pytest.raises(messages.BadCatalogue, match="placeholder"):
        messages.compile_all(tmp_path)


def test_the_local_database_runs_as_nobody_instead_of_root() -> None:
    """`initdb` looks its user up, and a fresh machine may have none but root and the system's."""
    if os.geteuid() != 0:
        assert not_root() == []
        return
    command = [*not_root(), "id", "-un"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "nobody"


def test_cleaning_needs_no_installed_packages(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "secrets.env").touch()
    # -S: without what is installed.
    subprocess.run(
        [sys.executable, "-S", "-m", "campaign.local", "clean"],
        env={"LOCAL_DIR": str(tmp_path)},
        cwd=install.ROOT,
        check=True,
    )
    assert not tmp_path.exists()
