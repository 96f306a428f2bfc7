"""What `make` installs, and what it says when it cannot."""

import re
import subprocess
import tarfile
from hashlib import sha256
from pathlib import Path

import pytest

from campaign.local import install

PINNED = re.compile(r"[a-z0-9-]+==\S+( ; .+)?( \\\n +--hash=sha256:[0-9a-f]{64})+")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    locks, venv = tmp_path / "requirements", tmp_path / ".venv"
    locks.mkdir()
    venv.mkdir()
    (locks / "local.txt").write_text("one==1 \\\n    --hash=sha256:aa\ntwo==2 \\\n")
    monkeypatch.setattr(install, "LOCKS", locks)
    monkeypatch.setattr(install, "VENV", venv)
    return tmp_path


def test_a_lock_file_counts_as_installed_until_it_changes(project: Path) -> None:
    assert not install.is_installed("local")
    install.stamp("local").write_text(install.digest("local"))
    assert install.is_installed("local")
    (project / "requirements" / "local.txt").write_text("one==2 \\\n")
    assert not install.is_installed("local")


def test_the_installer_prints_the_number_of_packages(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "run", lambda _command: None)
    install.install("local")
    assert "Installing 2 locked packages (local)\n" in capsys.readouterr().out


def test_a_package_without_a_wheel_is_refused_not_built(tmp_path: Path) -> None:
    packed, lock = tmp_path / "late-0.1.tar.gz", tmp_path / "late.txt"
    (tmp_path / "late-0.1").mkdir()
    (tmp_path / "late-0.1" / "setup.py").write_text("import setuptools\n\nsetuptools.setup()\n")
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(tmp_path / "late-0.1", "late-0.1")
    lock.write_text(f"late==0.1 --hash=sha256:{sha256(packed.read_bytes()).hexdigest()}\n")
    uv = [install.VENV / "bin" / "uv", "pip", "install", *install.uv_options()]

    tried = subprocess.run(
        [*uv, "--no-index", "--find-links", tmp_path, "--target", tmp_path, "--requirement", lock],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert tried.returncode != 0
    assert "building from source is disabled" in tried.stderr


def test_an_installation_error_explains_how_to_retry() -> None:
    with pytest.raises(install.CannotInstall, match=r"see above.*run make again"):
        install.run(["false"])


def test_every_lock_file_pins_versions_and_hashes_and_contains_no_urls() -> None:
    locks = sorted((install.ROOT / "requirements").glob("*.txt"))
    assert [lock.stem for lock in locks] == ["dev", "local", "production", "tools"]
    for lock in locks:
        text = lock.read_text()
        pins = re.findall(r"^[a-z0-9].*(?:\n .*)*", text, re.MULTILINE)
        assert pins
        for pin in pins:
            assert PINNED.fullmatch(pin), (lock, pin)
        assert not re.search(r"https?:|file:|/tmp|find-links|index-url", text), lock


def test_locks_agree_on_versions() -> None:
    # A package may have one version for some Pythons and another for the rest; where it is needed
    # at all may differ, for the tests need more.
    versions: dict[str, set[frozenset[str]]] = {}
    for name in ("production", "local", "dev"):
        text = (install.ROOT / "requirements" / f"{name}.txt").read_text()
        here: dict[str, set[str]] = {}
        for package, pin in re.findall(r"^([a-z0-9-]+)==([^\\\n;]+)", text, re.MULTILINE):
            here.setdefault(package, set()).add(pin.strip())
        for package, pins in here.items():
            versions.setdefault(package, set()).add(frozenset(pins))
    assert not {package for package, found in versions.items() if len(found) > 1}
