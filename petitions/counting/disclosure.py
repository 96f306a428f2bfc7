"""The steps in which counts are published (statistical disclosure control)."""

# How far a count must have moved before its public value is renewed: the difference of two public
# values is made by at least so many people.
STEP = 25
ROUNDED_TO = 5
# Fewer than this are not published.
FEWEST = STEP


def renewed(n: int, before: int) -> int:
    """The count behind a public value from now on: unchanged until it has moved by `STEP`."""
    if abs(n - before) < STEP:
        return before
    return n if n >= FEWEST else 0


def rounded(n: int) -> int | None:
    """The publishable value of a count: the nearest multiple of `ROUNDED_TO`; None if too small."""
    if n < FEWEST:
        return None
    return (n + ROUNDED_TO // 2) // ROUNDED_TO * ROUNDED_TO
