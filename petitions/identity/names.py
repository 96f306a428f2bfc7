"""Personal names in any script: normalisation, comparison and validation of the one field."""

import re
import unicodedata
from difflib import SequenceMatcher

MAX_NAME = 200
# In UTF-8: 200 letters of nearly every script, 150 of the rarest. All signers are sealed at one
# length, which has room for no more.
MAX_NAME_BYTES = 600
_WHITE_SPACE = re.compile(r"\s+")
_LOOKS_LIKE_A_LINK = re.compile(
    r"(?i)://|\bwww\.|\b[\w-]+\.(?:(?:com|org|net|info|biz|ru|io|co|uk|xyz)\b|\w{2,}/)"
)
# Arabic and Persian names are written with these two; they change letters' shapes, not order.
_JOINERS = {"\u200c", "\u200d"}
# Fillers of Hangul and Khmer, the grapheme joiner, the stroke that only stretches an Arabic word,
# and variation selectors: Unicode calls some of them letters, yet a name made of them is none.
_NO_LETTERS = {"\u034f", "\u0640", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u3164", "\uffa0"}
_NO_LETTERS |= {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
# Letters with a stroke or without a dot, which Unicode does not take for accented ones.
_PLAIN = str.maketrans("ıłøđħ", "ilodh")
# One Arabic letter on several keyboards, and endings that the same person writes either way.
_PLAIN |= str.maketrans("کیىةہ", "كييهه")
# Bidirectional marks that phones put around what is copied in a right-to-left text: invisible,
# unintended, and without effect on order.
_PASTED_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u061c"))
# Combining classes of marks without which another word is written: the voicing marks of kana,
# the virama of Indic scripts, and vowels and tones from Telugu to Tibetan.
_MARKS_THAT_SPELL = {8, 9, *range(84, 133)}
# The least similarity (difflib) of two spellings of one name.
_ALIKE = 0.6


def tidy(name: str) -> str:
    """Normalise a name: Unicode NFC, single spaces, and none at its ends."""
    return _WHITE_SPACE.sub(" ", unicodedata.normalize("NFC", name)).strip()


def without_pasted_marks(text: str) -> str:
    """Strip the bidirectional marks that come along when Arabic text is copied."""
    return text.translate(_PASTED_MARKS)


def folded(name: str) -> str:
    """Fold a name for comparison: without case, accents, punctuation or spacing."""
    letters = unicodedata.normalize("NFKD", name).casefold().translate(_PLAIN)
    return "".join([char for char in letters if _spells(char)])


def is_spelling_of(name: str, other: str) -> bool:
    """Whether two names may be spellings of one: most letters are the same, in order, or one
    holds the other, as when a second name is added.
    """
    one, two = folded(name), folded(other)
    if one in two or two in one:
        return True
    return SequenceMatcher(None, one, two, autojunk=False).ratio() >= _ALIKE


def has_forbidden_character(text: str) -> bool:
    """Whether a text holds control, direction-changing, private or unassigned characters.

    U+FFFD counts too: it stands where bytes could not be read as UTF-8.
    """
    if text.isascii():
        return not text.isprintable()
    return any(
        char == "\ufffd"
        or (unicodedata.category(char) in {"Cc", "Cf", "Co", "Cn", "Cs"} and char not in _JOINERS)
        for char in text
    )


def looks_like_a_link(text: str) -> bool:
    """Whether a name contains a URL or host name, as spam does and names do not."""
    return bool(_LOOKS_LIKE_A_LINK.search(text))


def has_a_letter(text: str) -> bool:
    """Whether anything in the text is a letter of some script."""
    return any(unicodedata.category(char)[0] == "L" and char not in _NO_LETTERS for char in text)


def _spells(char: str) -> bool:
    """Whether a character tells names apart: no accent, vowel point, punctuation or picture."""
    accent = unicodedata.combining(char)
    if accent:
        return accent in _MARKS_THAT_SPELL
    return unicodedata.category(char)[0] in "LMN" and char not in _NO_LETTERS
