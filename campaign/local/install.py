"""Make .venv and install locked requirements into it: `install.py [local] [dev]`.

The environment variable VENV names another folder, for another Python.

1. Make .venv if it is missing or its Python no longer runs.
2. Install the pinned uv into it, with the pip that Python bundles. pip runs from its wheel, so
   that `python -m venv` need not install it: this saves 3 s of the 20 s to a ready site.
3. Install each named lock with uv.

All installs require hashes and wheels, so nothing needs a compiler. A lock that is installed
already is skipped without starting a process. This uses only the standard library.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / (os.environ.get("VENV") or ".venv")
PYTHON = VENV / "bin" / "python"
LOCKS = ROOT / "requirements"
PIP_OPTIONS = [
    "--quiet",
    "--disable-pip-version-check",
    "--no-compile",
    "--no-deps",
    "--only-binary=:all:",
    "--require-hashes",
]


class CannotInstall(Exception):
    """Raised if installing failed. The message is for the user."""


def main(names: list[str]) -> int:
    """Install what is missing, and print a line about each step."""
    VENV.mkdir(exist_ok=True)
    try:
        # Only one `make` at a time installs into a .venv. uv's own lock there is `.lock`, so this
        # one needs another name.
        with (VENV / ".installing").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            make_venv()
            for name in ["tools", *names]:
                if not is_installed(name):
                    install(name)
    except CannotInstall as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def make_venv() -> None:
    """Make the virtual environment, unless it exists and its Python runs."""
    try:
        # The Python that it is based on may have been removed.
        if subprocess.run([PYTHON, "-c", ""], capture_output=True, check=False).returncode == 0:
            return
    except OSError:
        pass  # It does not exist.
    print(f"Making {VENV.name} with Python {sys.version.split()[0]}", flush=True)
    for old in VENV.glob(".installed-*"):
        old.unlink()
    venv.EnvBuilder(symlinks=True).create(VENV)


def is_installed(name: str) -> bool:
    """Return whether this version of the lock is installed."""
    return stamp(name).is_file() and stamp(name).read_text() == digest(name)


def stamp(name: str) -> Path:
    """Return the path of the stamp file, which holds the digest of the installed lock."""
    return VENV / f".installed-{name}"


def digest(name: str) -> str:
    return hashlib.sha256((LOCKS / f"{name}.txt").read_bytes()).hexdigest()


def install(name: str) -> None:
    """Install one lock, and write its stamp."""
    lock = LOCKS / f"{name}.txt"
    pins = lock.read_text().count("==")
    packages = "package" if pins == 1 else "packages"
    print(f"Installing {pins} locked {packages} ({name})", flush=True)
    began = time.monotonic()
    if name == "tools":
        run([PYTHON, *bundled_pip(), "install", *PIP_OPTIONS, "--requirement", lock])
    else:
        run([VENV / "bin" / "uv", "pip", "install", *uv_options(), "--requirement", lock])
    stamp(name).write_text(digest(name))
    print(f"  done in {time.monotonic() - began:.1f} s", flush=True)


def bundled_pip() -> list[Path | str]:
    """Return the arguments to run the pip that comes with Python, without installing it first.

    Linux distributions keep its wheel in another folder. If neither folder has it, ensurepip
    installs it.
    """
    import ensurepip  # Debian has it in another package than Python: see below.

    packaged = sysconfig.get_config_var("WHEEL_PKG_DIR")
    for place in (Path(ensurepip.__file__).parent / "_bundled", Path(packaged or "/nowhere")):
        for wheel in sorted(place.glob("pip-*.whl")):
            return [wheel / "pip"]
    run([PYTHON, "-m", "ensurepip"])
    return ["-m", "pip"]


def uv_options() -> list[Path | str]:
    """Return options for uv: hashes, only wheels, and the system's certificates, as pip uses."""
    options: list[Path | str] = ["--require-hashes", "--only-binary", ":all:"]
    options += ["--system-certs", "--python", PYTHON]
    return options if sys.stderr.isatty() else [*options, "--quiet"]


def run(command: list[Path | str]) -> None:
    """Run a command. Raises `CannotInstall` if it fails. Its output says why."""
    environment = dict(os.environ)
    if mirror := environment.get("PIP_INDEX_URL"):
        environment.setdefault("UV_DEFAULT_INDEX", mirror)
    if subprocess.run(command, env=environment, check=False).returncode != 0:
        raise CannotInstall("Installing failed, see above. Once that is mended, run make again.")


if __name__ == "__main__":
    try:
        import ensurepip  # noqa: F401 - to check that it exists
    except ImportError:
        sys.exit(
            f"{sys.executable} lacks venv. Install it (Debian: apt install python3-venv),"
            " and run make again."
        )
    sys.exit(main(sys.argv[1:]))
