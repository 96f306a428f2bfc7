"""The goal moves on once it is reached, and back without a word when the count falls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petitions.counting.goals import LADDER, goal_for

counts = st.integers(0, 70_000_000)


@pytest.mark.parametrize(
    ("count", "goal"),
    [
        (0, 100),
        (99, 100),
        (100, 250),
        (249, 250),
        (9_999, 10_000),
        (10_000, 25_000),
        (499_999, 500_000),
        (500_000, 1_000_000),
        (1_000_000, 2_000_000),
        (6_103_056, 7_000_000),
    ],
)
def test_reaching_a_goal_raises_it_to_the_next_step(count: int, goal: int) -> None:
    assert goal_for(count) == goal


@pytest.mark.parametrize(
    ("count", "goal"), [(0, 300), (299, 300), (300, 500), (301, 500), (500, 1_000)]
)
def test_the_organisers_goal_is_used_until_it_is_reached(count: int, goal: int) -> None:
    assert goal_for(count, 300) == goal


def test_a_goal_above_the_steps_rises_to_the_next_million() -> None:
    assert goal_for(3_000_000, 3_000_000) == 4_000_000


@given(counts, st.none() | st.integers(1, 70_000_000))
def test_the_goal_is_always_above_the_count(count: int, chosen: int | None) -> None:
    assert goal_for(count, chosen) > count


@given(counts, counts, st.none() | st.integers(1, 70_000_000))
def test_removing_signatures_never_raises_the_goal(
    count: int, fewer: int, chosen: int | None
) -> None:
    low, high = sorted((count, fewer))
    # An organiser's own goal may be far above the ladder's step that follows it.
    if chosen is None or high < chosen or low >= chosen:
        assert goal_for(low, chosen) <= goal_for(high, chosen)


def test_the_goal_steps_are_ascending_and_unique() -> None:
    assert list(LADDER) == sorted(set(LADDER))
