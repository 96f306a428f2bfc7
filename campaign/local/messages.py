"""Compile the message catalogues: `python -m campaign.local.messages`.

It uses Babel, so that no machine needs gettext. Compiled catalogues are not committed.
"""

import sys
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

LOCALE = Path(__file__).resolve().parents[2] / "locale"


class BadCatalogue(Exception):
    """Raised if a catalogue cannot be read, or a translation has other placeholders."""


def compile_all(locale: Path = LOCALE) -> int:
    """Compile the catalogues that have changed; return how many."""
    changed = [path for path in sorted(locale.glob("*/LC_MESSAGES/*.po")) if _is_stale(path)]
    for path in changed:
        _compile(path)
    return len(changed)


def _is_stale(source: Path) -> bool:
    target = source.with_suffix(".mo")
    return not target.exists() or target.stat().st_mtime <= source.stat().st_mtime


def _compile(source: Path) -> None:
    try:
        with source.open("rb") as file:
            catalogue = read_po(file, locale=source.parts[-3], abort_invalid=True)
    except (PoFileError, ValueError) as error:
        raise BadCatalogue(f"{source}: {error}") from error
    for message, problems in catalogue.check():
        raise BadCatalogue(f"{source}:{message.lineno}: {problems[0]}")
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    # Another stack of this checkout may be reading or writing the file at this moment.
    draft = source.with_suffix(".mo.new")
    draft.write_bytes(compiled.getvalue())
    draft.replace(source.with_suffix(".mo"))


if __name__ == "__main__":
    try:
        compile_all()
    except BadCatalogue as error:
        sys.exit(str(error))
