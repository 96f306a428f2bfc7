"""Organisers' words where markup does not guard them: pictures, feeds and machines' data."""

import unicodedata

# XML holds no control characters, and typst shows boxes for them. Direction overrides would turn
# around what stands beside the words.
_DROPPED = {"Cc", "Cs", "Cn"}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def legible(text: str) -> str:
    """The text on one line, without characters that nobody can see and some formats refuse."""
    seen = (
        char
        for char in text
        if char.isspace() or (char not in _TURNING and unicodedata.category(char) not in _DROPPED)
    )
    return " ".join("".join(seen).split())
