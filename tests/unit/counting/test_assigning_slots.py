"""Assigning the slots of a mailbox that several signers turn out to share."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from petitions.moderation.reindex import Member, assign_slots

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def member(
    number: int,
    *,
    person: bytes = b"amina",
    home: bytes = b"M14",
    slot: int = 1,
    is_removed: bool = False,
    day: int = 0,
) -> Member:
    when = DAY + timedelta(days=day)
    return Member(UUID(int=number), person, home, slot, is_removed, when, when)


members = st.lists(
    st.builds(
        member,
        st.integers(1, 10**6),
        person=st.sampled_from([b"amina", b"bashir", b"carys", b"david"]),
        home=st.sampled_from([b"M14", b"CF10"]),
        slot=st.sampled_from([1, 2]),
        is_removed=st.booleans(),
        day=st.integers(0, 3),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
)


def test_the_later_duplicate_of_a_person_loses_its_household_slot() -> None:
    assert assign_slots([member(1, day=2), member(2, day=1)]) == {UUID(int=1): None, UUID(int=2): 1}


def test_two_people_in_one_household_both_keep_a_slot() -> None:
    slots = assign_slots([member(1), member(2, person=b"bashir", day=1)])

    assert slots == {UUID(int=1): 1, UUID(int=2): 2}


def test_a_later_signer_of_another_household_loses_their_slot() -> None:
    slots = assign_slots([member(1), member(2, person=b"carys", home=b"CF10", day=1)])

    assert slots == {UUID(int=1): 1, UUID(int=2): None}


def test_a_removed_signature_takes_no_slot_from_a_confirmed_one() -> None:
    slots = assign_slots([member(1, is_removed=True), member(2, day=1)])

    assert slots == {UUID(int=1): None, UUID(int=2): 1}


@given(members)
def test_slots_are_unique_and_held_by_at_most_two_people_of_one_household(
    met: list[Member],
) -> None:
    slots = assign_slots(met)
    kept = [one for one in met if slots[one.id]]

    assert set(slots) == {one.id for one in met}
    assert len({slots[one.id] for one in kept}) == len(kept) <= 2
    assert len({one.person for one in kept}) == len(kept)
    assert len({one.home for one in kept}) <= 1
    assert bool(kept) is bool(met)


@given(members, st.randoms())
def test_slot_assignment_does_not_depend_on_the_order_of_members(
    met: list[Member], random: st.DrawFn
) -> None:
    shuffled = sorted(met, key=lambda _one: random.random())  # type: ignore[attr-defined]

    assert assign_slots(shuffled) == assign_slots(met)


@given(members)
def test_slot_assignment_is_idempotent(met: list[Member]) -> None:
    slots = assign_slots(met)
    kept = [one._replace(slot=slot) for one in met if (slot := slots[one.id])]

    assert assign_slots(kept) == {one.id: slots[one.id] for one in kept}
