"""Names of people: one field, any script, and what must not be in it."""

import re
import unicodedata

MAX_NAME = 200
_WHITE_SPACE = re.compile(r"\s+")
_LOOKS_LIKE_A_LINK = re.compile(
    r"(?i)://|\bwww\.|\b[\w-]+\.(?:com|org|net|info|biz|ru|io|co|uk|xyz)\b/?"
)
# Arabic and Persian names are written with these two; they change letters' shapes, not order.
_JOINERS = {"\u200c", "\u200d"}


def tidy(name: str) -> str:
    """The name in one canonical Unicode form, with single spaces and none at its ends."""
    return _WHITE_SPACE.sub(" ", unicodedata.normalize("NFC", name)).strip()


def folded(name: str) -> str:
    """The form in which two spellings of one name are equal: no case, accents or spacing."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    # Accents and Arabic vowel points have a combining class; the vowel signs of Indic
    # scripts have none and stay, for without them different names would be equal.
    return "".join(
        char
        for char in letters
        if not unicodedata.combining(char)
        and unicodedata.category(char)[0] not in {"Z", "C", "P"}
    )


def has_forbidden_character(text: str) -> bool:
    """Whether a text holds control, direction-changing, private or unassigned characters.

    U+FFFD counts too: it stands where bytes could not be read as UTF-8.
    """
    return any(
        char == "\ufffd"
        or (
            unicodedata.category(char) in {"Cc", "Cf", "Co", "Cn", "Cs"}
            and char not in _JOINERS
        )
        for char in text
    )


def looks_like_a_link(text: str) -> bool:
    """Whether a name carries a web address, as spam does and names do not."""
    return bool(_LOOKS_LIKE_A_LINK.search(text))


def has_a_letter(text: str) -> bool:
    """Whether anything in the text is a letter of some script."""
    return any(unicodedata.category(char)[0] == "L" for char in text)
