"""Personal names in any script: normalisation, comparison and validation."""

import re
import unicodedata
from difflib import SequenceMatcher

from petitions.identity.typed_text import is_unassigned

MAX_NAME = 200
# In UTF-8: 200 letters of nearly every script, 150 of the rarest. `sealing.SEALED_BYTES`, the one
# length of all sealed signers, has no room for more.
MAX_NAME_BYTES = 600
_WHITE_SPACE = re.compile(r"\s+")
# Endings of domains that follow a full stop in no name. "Dr.Co" and "St.Lo" are names.
_ENDING = r"(?:com|org|net|info|biz|xyz|shop|online|website|(?:co|org|ac|gov|me)\.uk)"
_SITE = rf"(?:[\w-]+\.)*[\w-]{{2,}}\.{_ENDING}"
# Links: a scheme, "www.", a site alone in the field or with a path. Short ones such as "bit.ly/abc"
# only in lower case and without a full stop in the path: "J.Smith/M.Jones" are two people.
_LINK = re.compile(rf"(?i)\bhttps?:|://|\bwww\.|^{_SITE}$|\b{_SITE}/")
_SHORT_LINK = re.compile(r"\b[a-z\d-]+\.[a-z]{2}/[^\s.]{3,}")
_ADDRESS = re.compile(r"\S@\S+\.\w\w")
# Text that no name contains (harmless here): tags, template and shell expressions, SQL after a
# quotation mark, spreadsheet formulas, and a site anywhere in the name.
_MARKUP = re.compile(
    r"""(?xi) <[/!?]?[a-z] | \{\{ | \{% | [$#]\{ | javascript: | &\#?\w+;
    | ['"`]\s*\)*\s*(?:;|--|\|\||or\s+\S+\s*=) | ;\s*(?:--|drop\s|select\s|delete\s)
    | \b(?:drop\s+table|union\s+(?:all\s+)?select)\b | ^[=+@-]\w+[(|]
    | ^\w+\(.*\)$ | --\s*$ | \.\./ | %[0-9a-f]{2}
    | \b(?:select|insert|delete|update)\s+(?:\*|into\b|from\b|set\b)"""
    rf"""| \b{_SITE}\b"""
)
# Hangul and Khmer fillers, the grapheme joiner, the stroke that stretches an Arabic word, and
# variation selectors. Unicode calls some of them letters, but they do not make a name.
_NO_LETTERS = {"\u034f", "\u0640", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u3164", "\uffa0"}
_NO_LETTERS |= {chr(code) for code in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))}
# Letters with a stroke or without a dot, which Unicode does not decompose.
_PLAIN = str.maketrans("ıłøđħ", "ilodh")
# Arabic letters that differ by keyboard, and endings that the same person writes either way.
_PLAIN |= str.maketrans("کیىةہ", "كييهه")
# Combining classes of marks that change the word: the voicing marks of kana, the virama of Indic
# scripts, and vowels and tones from Telugu to Tibetan.
_MARKS_THAT_SPELL = {8, 9, *range(84, 133)}
# More marks on one letter than any script has: Hebrew with its accents has four.
_PILE = re.compile(r"m{6}")
# The least similarity (difflib) of two spellings of a name, in so many first letters. Names of
# ligatures fold to 3,000 letters, for which difflib takes 9 s; 100 letters take 0.02 s.
_MIN_SIMILARITY, _MAX_COMPARED = 0.6, 100


def tidy(name: str) -> str:
    """Normalise a name: Unicode NFC, single spaces, and no spaces at its ends."""
    return _WHITE_SPACE.sub(" ", unicodedata.normalize("NFC", name)).strip()


def folded(name: str) -> str:
    """Fold a name for comparison: without case, accents, punctuation and spaces."""
    letters = unicodedata.normalize("NFKD", name).casefold().translate(_PLAIN)
    return "".join([char for char in letters if _is_compared(char)])


def is_spelling_of(name: str, other: str) -> bool:
    """Return whether two names may be spellings of the same one.

    Most letters are equal and in the same order, or one contains the other, as when a second name
    is added.
    """
    one, two = folded(name), folded(other)
    if one in two or two in one:
        return True
    beginnings = one[:_MAX_COMPARED], two[:_MAX_COMPARED]
    return SequenceMatcher(None, *beginnings, autojunk=False).ratio() >= _MIN_SIMILARITY


def looks_like_a_link(text: str) -> bool:
    """Return whether a name clearly contains a URL. Initials and titles with full stops do not."""
    plain = _plain(text)
    return bool(_LINK.search(plain) or _SHORT_LINK.search(plain))


def looks_like_an_address(text: str) -> bool:
    """Return whether an e-mail address was typed, or autofilled, as the name."""
    return bool(_ADDRESS.search(text))


def holds_markup(text: str) -> bool:
    """Return whether a name contains markup, code or a web address, as bots write them.

    This is a fraud signal, not a protection: whatever shows names escapes them.
    """
    return bool(_MARKUP.search(_plain(text)))


def piles_up_marks(text: str) -> bool:
    """Return whether marks are stacked so high that they cover the lines around them."""
    return bool(_PILE.search("".join(map(_mark_or_dash, unicodedata.normalize("NFC", text)))))


def has_a_letter(text: str) -> bool:
    """Return whether the text has a letter of any script, or an unassigned character."""
    return any(_is_letter(char) and char not in _NO_LETTERS for char in text)


def _plain(text: str) -> str:
    """Replace full-width forms and similar ones by the letters and signs they stand for."""
    return unicodedata.normalize("NFKC", text).replace("。", ".")


def _mark_or_dash(char: str) -> str:
    return "m" if unicodedata.combining(char) or unicodedata.category(char) == "Me" else "-"


def _is_compared(char: str) -> bool:
    """Return whether a character distinguishes names, unlike accents, punctuation and pictures."""
    accent = unicodedata.combining(char)
    if accent:
        return accent in _MARKS_THAT_SPELL
    counts = unicodedata.category(char)[0] in "LMN" or is_unassigned(char)
    return counts and char not in _NO_LETTERS


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] == "L" or is_unassigned(char)
