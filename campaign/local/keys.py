"""The secrets of a local stack: generated once, stored in a file that its owner alone can read."""

import base64
import os
import secrets
from pathlib import Path

ADMINISTRATOR = "admin"
RINGS = ("SEALING_KEYS", "INDEX_KEYS", "LINK_KEYS")


def load_or_make(path: Path) -> dict[str, str]:
    """The secrets as environment variables."""
    if not path.exists():
        write_private(path, "".join(f"{name}={value}\n" for name, value in _make().items()))
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _make() -> dict[str, str]:
    rings = {name: "1:" + base64.b64encode(os.urandom(32)).decode() for name in RINGS}
    return {"SECRET_KEY": secrets.token_urlsafe(48), **rings}


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 atomically."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)
