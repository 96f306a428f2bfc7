"""Images and PDFs, typeset by typst from the templates in `typeset/`.

Text reaches a template through typst's inputs alone, where it is strings and stays text. Put into
the source instead, `#` and `[` in a title would be executed (template injection).
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import typst

_FOLDER = Path(__file__).parent / "typeset"
# Sizes in templates are points, and a picture has one pixel a point.
_PPI = 72.0


def png(template: str, words: Mapping[str, str]) -> bytes:
    """An image of one page. Raises `typst.TypstError`."""
    return _compile(template, tuple(sorted(words.items())), "png")


def pdf(template: str, words: Mapping[str, str]) -> bytes:
    """A PDF for print, tagged for screen readers. Raises `typst.TypstError`."""
    return _compile(template, tuple(sorted(words.items())), "pdf")


@lru_cache(maxsize=70)
def _compile(
    template: str, words: tuple[tuple[str, str], ...], kind: Literal["png", "pdf"]
) -> bytes:
    """Typeset again only what has changed: a picture takes a hundred times a page."""
    import typst  # lazy: a tenth of a process's memory, which only rendering needs

    return typst.compile(
        _FOLDER / template,
        root=_FOLDER,
        font_paths=_fonts(),
        format=kind,
        ppi=_PPI,
        sys_inputs=dict(words),
    )


@cache
def _fonts() -> "typst.Fonts":
    """The fonts of this folder and typst's own, read once; no system fonts.

    So output is the same everywhere, also in a container that has no fonts.
    """
    import typst  # see above

    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=True, font_paths=[_FOLDER / "fonts"]
    )
