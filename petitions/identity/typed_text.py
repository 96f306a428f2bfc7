"""Text as people type, paste and fill it in: drops what nobody sees, refuses what deceives.

Nothing here depends on which characters the interpreter's Unicode tables know: a letter that is
newer than Python is a letter.
"""

import re
import unicodedata

# Persian, Sinhala and others are written with these two; they change letters' shapes, not order.
_JOINERS = frozenset("\u200c\u200d")
# OBJECT REPLACEMENT CHARACTER, which stands for a picture that was not copied along, and dictation
# leaves behind; and the pattern of Braille without a dot.
_BLANKS = frozenset("\ufffc\u2800")
# LEFT-TO-RIGHT and RIGHT-TO-LEFT OVERRIDE reverse what is read. Embeddings and isolates only wrap:
# contact cards and phones add them when text is copied.
_OVERRIDES = frozenset("\u202d\u202e")
# The flags of England, Scotland and Wales: a black flag, a code in invisible letters, and an end.
_FLAG = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)")


def without_invisible(text: str) -> str:
    """Drop invisible characters: direction marks, zero-width spaces, soft hyphens, tags.

    Joiners stay, because spelling needs them, and so do overrides, to be refused.
    """
    if text.isascii():
        return text
    return "".join([char for char in text if not _is_invisible(char)])


def without_flags(text: str) -> str:
    """Drop the flags that are spelt in invisible letters; without those a black one would stay."""
    return _FLAG.sub("", text)


def parts_by_flag(text: str) -> list[str]:
    """Split text around such flags: every second part is a flag."""
    return _FLAG.split(text)


def has_forbidden_character(text: str) -> bool:
    """Whether a text holds control, format or private-use characters, or what is no character.

    U+FFFD counts too: it stands where bytes could not be read as UTF-8.
    """
    if text.isascii():
        return not text.isprintable()
    return any(map(_is_forbidden, text))


def is_unassigned(char: str) -> bool:
    """Whether the interpreter's tables do not know a character, which may be new; U+FFFE and the
    like, which Unicode will never assign, are none.
    """
    return unicodedata.category(char) == "Cn" and not _is_no_character(char)


def _is_invisible(char: str) -> bool:
    if char in _BLANKS:
        return True
    return unicodedata.category(char) == "Cf" and char not in _JOINERS and char not in _OVERRIDES


def _is_forbidden(char: str) -> bool:
    if char == "\ufffd" or _is_no_character(char):
        return True
    return unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs"} and char not in _JOINERS


def _is_no_character(char: str) -> bool:
    """Noncharacters: the last two of every plane, and 32 more (Unicode Standard, 23.7)."""
    code = ord(char)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
