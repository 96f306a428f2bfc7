"""Differences between two wordings, word by word, as HTML with `ins` and `del`."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import takewhile

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_WORD = re.compile(r"\S+|\s+")
# How many unchanged words and spaces are shown beside a change, counted together.
_CONTEXT = 24
# How many words or lines of both wordings are compared at most. Comparing takes up to the square of
# this number, on a public page. Longer passages are shown as one change.
_MAX_COMPARED = 4_000

# A passage before and after the change. One of them is empty if it was inserted or deleted.
Step = tuple[str, str]


@lru_cache(maxsize=64)
def differences(before: str, after: str) -> SafeString:
    """Return deletions and insertions with the words around them; empty if nothing changed.

    It works for languages with spaces between words. The text is escaped. The result is cached,
    because the public history of a text compares all of its corrections on each page.
    """
    if before == after:
        return SafeString()
    steps = list(_by_line(before, after))
    ends = (0, len(steps) - 1)
    return format_html_join(
        "", "{}", ((_shown(step, at == ends[0], at == ends[1]),) for at, step in enumerate(steps))
    )


def _by_line(before: str, after: str) -> Iterator[Step]:
    """Compare by lines, and by words within lines that differ."""
    for gone, come in _compared(before.splitlines(keepends=True), after.splitlines(keepends=True)):
        if gone == come:
            yield gone, come
        else:
            yield from _compared(_WORD.findall(gone), _WORD.findall(come))


def _compared(old: list[str], new: list[str]) -> Iterator[Step]:
    """Compare lines or words. If too many differ, the whole differing part is one step."""
    start = _common_prefix(old, new)
    end = _common_prefix(old[start:][::-1], new[start:][::-1])
    if same := "".join(old[:start]):
        yield same, same
    middle, other = old[start : len(old) - end], new[start : len(new) - end]
    if len(middle) + len(other) > _MAX_COMPARED:
        yield "".join(middle), "".join(other)
    else:
        for _tag, a, b, c, d in SequenceMatcher(None, middle, other).get_opcodes():
            yield "".join(middle[a:b]), "".join(other[c:d])
    if same := "".join(old[len(old) - end :]):
        yield same, same


def _common_prefix(old: list[str], new: list[str]) -> int:
    """Return how many words or lines at the beginning are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))


def _shown(step: Step, is_first: bool, is_last: bool) -> SafeString:
    """Return a change in full, or of an unchanged passage the words beside a change."""
    gone, come = step
    if gone != come:
        deleted = format_html("<del>{}</del>", gone) if gone else ""
        return format_html("{}{}", deleted, format_html("<ins>{}</ins>", come) if come else "")
    words = _WORD.findall(gone)
    head = [] if is_first else words[:_CONTEXT]
    tail = [] if is_last else words[max(len(head), len(words) - _CONTEXT) :]
    left_out = "… " if len(head) + len(tail) < len(words) else ""
    return format_html("{}{}{}", "".join(head), left_out, "".join(tail))
