"""Sanitises organisers' text where HTML escaping does not: images, feeds and structured data."""

import unicodedata

# XML holds no control characters, and typst shows boxes for them. Bidi overrides would reorder what
# stands beside the text.
_DROPPED = {"Cc", "Cs", "Cn"}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def legible(text: str) -> str:
    """The text on one line, without control characters, bidi overrides or unassigned codes."""
    seen = (
        char
        for char in text
        if char.isspace() or (char not in _TURNING and unicodedata.category(char) not in _DROPPED)
    )
    return " ".join("".join(seen).split())
