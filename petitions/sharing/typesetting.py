"""Images and PDFs, typeset by typst from the templates in `typeset/`.

Text reaches a template only through typst's inputs, where it is a string and stays text. In the
source, `#` and `[` in a title would be executed (template injection).

A semaphore lets at most two run at once in a process, so that many requests leave threads for
signing. Others do not wait: the page cache serves an older copy if it has one.
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
# Folders of system fonts on Linux and macOS.
_SYSTEM_FONTS = [
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/System/Library/Fonts"),
    Path("/Library/Fonts"),
]
# Sizes in templates are in points, and an image has one pixel per point.
_PPI = 72.0
# Half of a web process's default number of threads.
MAX_AT_ONCE = 2
_slots = threading.BoundedSemaphore(MAX_AT_ONCE)


class Busy(Exception):
    """The maximum number of renderings is running. Trying again in a moment helps."""


def png(template: str, words: Mapping[str, str]) -> bytes:
    """Render an image of one page. Raises `typst.TypstError` or `Busy`."""
    return _compile(template, tuple(sorted(words.items())), "png")


def pdf(template: str, words: Mapping[str, str]) -> bytes:
    """Render a PDF for print, tagged for screen readers. Raises `typst.TypstError` or `Busy`."""
    return _compile(template, tuple(sorted(words.items())), "pdf")


@lru_cache(maxsize=70)
def _compile(
    template: str, words: tuple[tuple[str, str], ...], kind: Literal["png", "pdf"]
) -> bytes:
    """Typeset, and cache the result: an image takes a hundred times as long as a page."""
    import typst  # lazy: a tenth of a process's memory, which only rendering needs

    with _slot():
        return typst.compile(
            _FOLDER / template,
            root=_FOLDER,
            font_paths=_fonts(),
            format=kind,
            ppi=_PPI,
            sys_inputs=dict(words),
        )


@contextmanager
def _slot() -> Iterator[None]:
    """Hold one place of the semaphore. Raises `Busy` if all are taken."""
    if not _slots.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        _slots.release()


@cache
def _fonts() -> "typst.Fonts":
    """Return the fonts of this folder, the system's and typst's own, in this order; read once.

    The templates name the first and the last, so that the site's languages look the same
    everywhere. System fonts are for letters that those lack, such as Chinese and Amharic in a
    title. `include_system_fonts` would prefer them to ours if both have the same name.
    """
    import typst  # see above

    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=True,
        font_paths=[_FOLDER / "fonts", *filter(Path.is_dir, _SYSTEM_FONTS)],
    )
