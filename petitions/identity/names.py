"""Personal names in any script: normalisation, comparison and validation of the one field."""

import re
import unicodedata
from difflib import SequenceMatcher

from petitions.identity.typed_text import is_unassigned

MAX_NAME = 200
# In UTF-8: 200 letters of nearly every script, 150 of the rarest. All signers are sealed at one
# length, which has room for no more.
MAX_NAME_BYTES = 600
_WHITE_SPACE = re.compile(r"\s+")
# Endings of domains that no name has behind a full stop: "Dr.Co" and "St.Lo" are names.
_ENDING = r"(?:com|org|net|info|biz|xyz|shop|online|website|(?:co|org|ac|gov|me)\.uk)"
_SITE = rf"(?:[\w-]+\.)*[\w-]{{2,}}\.{_ENDING}"
# What is plainly a link: a scheme, "www.", a site alone in the field or with a path. Of short
# domains, such as "bit.ly/abc", only in small letters, and without a full stop in the path:
# "J.Smith/M.Jones" are two people.
_LINK = re.compile(rf"(?i)\bhttps?:|://|\bwww\.|^{_SITE}$|\b{_SITE}/")
_SHORT_LINK = re.compile(r"\b[a-z\d-]+\.[a-z]{2}/[^\s.]{3,}")
_ADDRESS = re.compile(r"\S@\S+\.\w\w")
# What no name holds, though each alone is harmless here: tags, template and shell expressions,
# SQL behind a quotation mark, formulas of spreadsheets; and a site somewhere in the name.
_MARKUP = re.compile(
    r"""(?xi) <[/!?]?[a-z] | \{\{ | \{% | [$#]\{ | javascript: | &\#?\w+;
    | ['"`]\s*\)*\s*(?:;|--|\|\||or\s+\S+\s*=) | ;\s*(?:--|drop\s|select\s|delete\s)
    | \b(?:drop\s+table|union\s+(?:all\s+)?select)\b | ^[=+@-]\w+[(|]
    | ^\w+\(.*\)$ | --\s*$ | \.\./ | %[0-9a-f]{2}
    | \b(?:select|insert|delete|update)\s+(?:\*|into\b|from\b|set\b)"""
    rf"""| \b{_SITE}\b"""
)
# Fillers of Hangul and Khmer, the grapheme joiner, the stroke that only stretches an Arabic word,
# and variation selectors: Unicode calls some of them letters, yet a name made of them is none.
_NO_LETTERS = {"\u034f", "\u0640", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u3164", "\uffa0"}
_NO_LETTERS |= {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
# Letters with a stroke or without a dot, which Unicode does not take for accented ones.
_PLAIN = str.maketrans("ıłøđħ", "ilodh")
# One Arabic letter on several keyboards, and endings that the same person writes either way.
_PLAIN |= str.maketrans("کیىةہ", "كييهه")
# Combining classes of marks without which another word is written: the voicing marks of kana,
# the virama of Indic scripts, and vowels and tones from Telugu to Tibetan.
_MARKS_THAT_SPELL = {8, 9, *range(84, 133)}
# More marks on one letter than any script writes: Hebrew with its accents takes four.
_PILE = re.compile(r"m{6}")
# The least similarity (difflib) of two spellings of one name, and of how many folded letters. Names
# of ligatures fold to 3,000, for which difflib takes nine seconds of the processor, and for 100 a
# fiftieth of one.
_ALIKE, _COMPARED = 0.6, 100


def tidy(name: str) -> str:
    """Normalise a name: Unicode NFC, single spaces, and none at its ends."""
    return _WHITE_SPACE.sub(" ", unicodedata.normalize("NFC", name)).strip()


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
    beginnings = one[:_COMPARED], two[:_COMPARED]
    return SequenceMatcher(None, *beginnings, autojunk=False).ratio() >= _ALIKE


def looks_like_a_link(text: str) -> bool:
    """Whether a name plainly contains a URL; initials and titles with full stops are none."""
    plain = _plain(text)
    return bool(_LINK.search(plain) or _SHORT_LINK.search(plain))


def looks_like_an_address(text: str) -> bool:
    """Whether an e-mail address was typed, or filled in, where the name belongs."""
    return bool(_ADDRESS.search(text))


def holds_markup(text: str) -> bool:
    """Whether a name holds markup, code or a web address, as those of machines do.

    Everything that shows names escapes for itself; this is for moderators (`fraud_signals`).
    """
    return bool(_MARKUP.search(_plain(text)))


def piles_up_marks(text: str) -> bool:
    """Whether marks stand on each other until the lines around them cannot be read."""
    return bool(_PILE.search("".join(map(_kind_of, unicodedata.normalize("NFC", text)))))


def has_a_letter(text: str) -> bool:
    """Whether anything in the text is a letter of some script, or may be a new one."""
    return any(_is_letter(char) and char not in _NO_LETTERS for char in text)


def _plain(text: str) -> str:
    """Full-width forms and the like as the letters and signs that they are read as."""
    return unicodedata.normalize("NFKC", text).replace("。", ".")


def _kind_of(char: str) -> str:
    return "m" if unicodedata.combining(char) or unicodedata.category(char) == "Me" else "-"


def _spells(char: str) -> bool:
    """Whether a character tells names apart: no accent, vowel point, punctuation or picture."""
    accent = unicodedata.combining(char)
    if accent:
        return accent in _MARKS_THAT_SPELL
    counts = unicodedata.category(char)[0] in "LMN" or is_unassigned(char)
    return counts and char not in _NO_LETTERS


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] == "L" or is_unassigned(char)
