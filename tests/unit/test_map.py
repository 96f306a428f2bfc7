"""The map in CONTRIBUTING names every module and package of `petitions/`, and nothing else."""

import re
from pathlib import Path

from django.conf import settings

_UNTOLD = {"__init__.py", "__pycache__", "apps.py"}


def _named() -> set[str]:
    """Names in the map that belong to the folder itself: `signing.py`, `mail/`."""
    written = (Path(settings.BASE_DIR) / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = written.partition("## Where a thing is in `petitions/`")[2]
    return set(re.findall(r"`(\w+(?:\.py|/))`", table))


def _there() -> set[str]:
    found = (Path(settings.BASE_DIR) / "petitions").iterdir()
    names = {f"{path.name}/" if path.is_dir() else path.name for path in found}
    return {name for name in names if name.rstrip("/") not in _UNTOLD}


def test_the_map_names_all_that_is_there_and_nothing_else() -> None:
    assert _named() == _there()
