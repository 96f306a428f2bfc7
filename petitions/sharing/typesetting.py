"""Images and PDFs, typeset by typst from the templates in `typeset/`.

Text reaches a template through typst's inputs alone, where it is strings and stays text. Put into
the source instead, `#` and `[` in a title would be executed (template injection).

At most two are typeset at once in a process (a semaphore), so that whoever asks for many leaves
threads for signing. Nobody waits: the page cache serves the copy from before, where it has one.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import typst

_FOLDER = Path(__file__).parent / "typeset"
# Where Linux and macOS keep fonts for everybody.
_OF_THE_MACHINE = [
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
]
# Sizes in templates are points, and a picture has one pixel a point.
_PPI = 72.0
# Half of a web process's threads, as it has them by default.
AT_ONCE = 2
_free = threading.BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """As many as may be are being typeset. Trying again in a moment helps."""


def png(template: str, words: Mapping[str, str]) -> bytes:
    """An image of one page. Raises `typst.TypstError` or `Busy`."""
    return _compile(template, tuple(sorted(words.items())), "png")


def pdf(template: str, words: Mapping[str, str]) -> bytes:
    """A PDF for print, tagged for screen readers. Raises `typst.TypstError` or `Busy`."""
    return _compile(template, tuple(sorted(words.items())), "pdf")


@lru_cache(maxsize=70)
def _compile(
    template: str, words: tuple[tuple[str, str], ...], kind: Literal["png", "pdf"]
) -> bytes:
    """Typeset again only what has changed: a picture takes a hundred times a page."""
    import typst  # lazy: a tenth of a process's memory, which only rendering needs

    with _turn():
        return typst.compile(
            _FOLDER / template,
            root=_FOLDER,
            font_paths=_fonts(),
            format=kind,
            ppi=_PPI,
            sys_inputs=dict(words),
        )


@contextmanager
def _turn() -> Iterator[None]:
    """Hold one of the turns. Raises `Busy` if all are taken."""
    if not _free.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        _free.release()


@cache
def _fonts() -> "typst.Fonts":
    """The fonts of this folder, then the machine's, and typst's own; read once.

    The templates name the first and the last, so that the site's languages look the same
    everywhere. The machine's stand in for letters that those lack, such as Chinese and Amharic in a
    title. `include_system_fonts` would put them before ours where both have the same name.
    """
    import typst  # see above

    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=True,
        font_paths=[_FOLDER / "fonts", *filter(Path.is_dir, _OF_THE_MACHINE)],
    )
