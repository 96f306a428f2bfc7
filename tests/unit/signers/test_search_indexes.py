"""The blind indexes of the search by name and postcode: what they tell without the keys."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from petitions.signers import sealing
from petitions.signers.sealing import SearchIndexes

PERSON = {"name": "Amina Example", "postcode": "M145RX"}
# Of one group, and of two others.
FIRST, SAME, OTHER, LAST = (UUID(int=n) for n in (0, 2**116 - 1, 2**116, 2**128 - 1))


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.INDEX_KEYS = {1: b"1" * 32, 2: b"2" * 32}


def of(signature_id: UUID, **changes: Any) -> SearchIndexes:
    return sealing.search_indexes(1, signature_id, PERSON, **changes)


def test_search_indexes_of_one_person_differ_by_signature_group() -> None:
    """Else how often each occurs would tell the commonest; and who signed under a victim's name."""
    assert of(FIRST) == of(SAME)
    for one, other in zip(of(FIRST), of(OTHER), strict=True):
        assert one != other


def test_random_ids_are_spread_evenly_over_the_signature_groups() -> None:
    groups = {of(uuid4()).name for _ in range(2_000)}
    # By chance, some 430 of 2,000 share one of the 4,096 with another.
    assert len(groups) > 1_400


def test_search_indexes_differ_by_pending_state_and_petition() -> None:
    others = [of(FIRST, is_pending=True), sealing.search_indexes(2, FIRST, PERSON)]
    assert all(not set(of(FIRST)) & set(one) for one in others)


def test_the_postcode_index_without_a_postcode_differs_by_signature() -> None:
    nowhere = {**PERSON, "postcode": ""}
    one, other = (sealing.search_indexes(1, pk, nowhere).postcode for pk in (FIRST, SAME))
    assert one != other


@pytest.mark.parametrize("signature_id", [FIRST, SAME, OTHER, LAST])
@pytest.mark.parametrize("is_pending", [False, True])
@pytest.mark.parametrize("key_id", [1, 2])
def test_a_search_computes_the_indexes_of_every_group_and_key(
    signature_id: UUID, is_pending: bool, key_id: int
) -> None:
    stored = of(signature_id, is_pending=is_pending, key_id=key_id)
    assert stored.name in sealing.indexes_of_name(1, "amina EXAMPLE")
    assert stored.postcode in sealing.indexes_of_postcode(1, "M145RX")


def test_the_search_index_format_is_unchanged() -> None:
    assert of(FIRST) == (-1189671570334955441, -7502052783600634924)
    assert of(LAST) == (3828705144155966903, 5290438420665595547)
