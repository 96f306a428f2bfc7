"""Typed and pasted text: drop invisible characters, and detect deceptive ones.

Characters that are newer than the interpreter's Unicode tables are accepted.
"""

import re
import unicodedata

# Persian, Sinhala and others need these two. They change the shapes of letters, not their order.
_JOINERS = frozenset("\u200c\u200d")
# OBJECT REPLACEMENT CHARACTER, which dictation and copied pictures leave behind, and the Braille
# pattern without dots.
_BLANKS = frozenset("\ufffc\u2800")
# LEFT-TO-RIGHT and RIGHT-TO-LEFT OVERRIDE reverse the text. Embeddings and isolates are harmless:
# contact cards and phones add them to copied text.
_OVERRIDES = frozenset("\u202d\u202e")
# The flags of England, Scotland and Wales: a black flag, invisible letters, and an end mark.
_FLAG = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)")


def without_invisible(text: str) -> str:
    """Drop invisible characters: direction marks, zero-width spaces, soft hyphens, tags.

    Joiners stay, because spelling needs them. Overrides stay, so that they can be refused.
    """
    if text.isascii():
        return text
    return "".join([char for char in text if not _is_invisible(char)])


def without_flags(text: str) -> str:
    """Drop the flags with invisible letters. Without the letters a black flag would remain."""
    return _FLAG.sub("", text)


def parts_by_flag(text: str) -> list[str]:
    """Split text around such flags. Every second part is a flag."""
    return _FLAG.split(text)


def has_forbidden_character(text: str) -> bool:
    """Return whether a text has control, format or private-use characters, or noncharacters.

    U+FFFD is forbidden too: it replaces bytes that are not UTF-8.
    """
    if text.isascii():
        return not text.isprintable()
    return any(map(_is_forbidden, text))


def is_unassigned(char: str) -> bool:
    """Return whether a character is unknown to the interpreter's tables, and so may be new.

    Noncharacters such as U+FFFE are excluded, because Unicode will never assign them.
    """
    return unicodedata.category(char) == "Cn" and not _is_noncharacter(char)


def _is_invisible(char: str) -> bool:
    if char in _BLANKS:
        return True
    return unicodedata.category(char) == "Cf" and char not in _JOINERS and char not in _OVERRIDES


def _is_forbidden(char: str) -> bool:
    if char == "\ufffd" or _is_noncharacter(char):
        return True
    return unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs"} and char not in _JOINERS


def _is_noncharacter(char: str) -> bool:
    """Match noncharacters: the last two of every plane, and 32 more (Unicode Standard, 23.7)."""
    code = ord(char)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
