"""The goal shown on a petition's progress bar."""

LADDER = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000)
LEAST_FOR_A_BAR = 25


def goal_for(count: int, chosen: int | None = None) -> int:
    """Return the organiser's goal until it is reached, then the next step of the ladder."""
    if chosen and count < chosen:
        return chosen
    beyond = max(count, (chosen or 0) - 1)
    next_million = (beyond // 1_000_000 + 1) * 1_000_000
    return next((step for step in LADDER if step > beyond), next_million)
