"""Sealed values open only for their row, and blind indexes reveal only equality."""

import hmac
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pytest_django import Settings

from petitions.crypto import vault

ROW = UUID("5b8dbb1c-7f7c-4c6b-9df1-3f3c2b8de001")
OTHER_ROW = UUID("5b8dbb1c-7f7c-4c6b-9df1-3f3c2b8de002")
NEW_KEY, OLD_KEY = b"n" * 32, b"o" * 32
SMALLEST = 2 + 12 + vault.BUCKET + 16

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def seal(value: dict[str, Any], row_id: UUID = ROW) -> bytes:
    return vault.seal(value, table="signer", row_id=row_id)


def unseal(sealed: bytes | memoryview, row_id: UUID = ROW) -> dict[str, object]:
    return vault.unseal(sealed, table="signer", row_id=row_id)


@given(st.dictionaries(st.text(), json_values, max_size=5))
@example({"name": "أمينة\u200d مثال", "email": "𐍈@example.org", "postcode": ""})
def test_what_was_sealed_is_read_back_whatever_it_holds(value: dict[str, Any]) -> None:
    assert unseal(seal(value)) == value


def test_a_value_as_the_database_driver_hands_it_over_opens() -> None:
    assert unseal(memoryview(seal({"name": "Amina"}))) == {"name": "Amina"}


def test_a_name_of_three_letters_and_one_of_sixty_give_the_same_length() -> None:
    assert len(seal({"name": "Ann"})) == len(seal({"name": "A" * 60})) == SMALLEST


@given(st.text(max_size=30), st.text(max_size=30))
def test_values_within_one_bucket_all_have_one_length(one: str, other: str) -> None:
    assert len(seal({"n": one.encode().hex()})) == len(seal({"n": other.encode().hex()}))


@pytest.mark.parametrize(("letters", "buckets"), [(0, 1), (244, 1), (245, 2), (500, 2), (501, 3)])
def test_length_grows_by_whole_buckets_only(letters: int, buckets: int) -> None:
    # 4 bytes of length and `{"n":""}` add 12 bytes to the letters.
    sealed = seal({"n": "x" * letters})

    assert len(sealed) == SMALLEST + (buckets - 1) * vault.BUCKET


def test_a_value_may_ask_for_more_room_than_it_needs() -> None:
    roomy = vault.seal({}, table="attempt", row_id=ROW, at_least=1000)

    assert len(roomy) == SMALLEST + 3 * vault.BUCKET
    assert vault.unseal(roomy, table="attempt", row_id=ROW) == {}


def test_sealed_values_swapped_between_two_rows_do_not_open() -> None:
    sealed = seal({"name": "Amina"}, ROW)

    with pytest.raises(vault.CannotOpen):
        unseal(sealed, OTHER_ROW)


def test_a_sealed_value_moved_to_another_table_does_not_open() -> None:
    sealed = vault.seal({"name": "Amina"}, table="attempt", row_id=ROW)

    with pytest.raises(vault.CannotOpen):
        unseal(sealed)


@given(st.data())
def test_a_sealed_value_with_any_byte_changed_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(seal({"name": "Amina"}))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(vault.CannotOpen):
        unseal(bytes(sealed))


@given(st.integers(0, SMALLEST - 1))
def test_a_sealed_value_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(vault.CannotOpen):
        unseal(seal({"name": "Amina"})[:length])


@given(st.binary(max_size=400))
@example(bytes([vault.FORMAT, 1]) + b"\0" * 40)
def test_made_up_bytes_do_not_open(made_up: bytes) -> None:
    with pytest.raises(vault.CannotOpen):
        unseal(made_up)


def test_the_same_value_sealed_twice_looks_different() -> None:
    assert seal({"name": "Amina"}) != seal({"name": "Amina"})


def test_nothing_of_the_value_stands_readable_in_what_is_sealed() -> None:
    assert b"Amina" not in seal({"name": "Amina"})


def test_the_first_key_of_the_ring_writes(settings: Settings) -> None:
    settings.SEALING_KEYS = {7: NEW_KEY, 1: OLD_KEY}

    assert seal({"name": "Amina"})[:2] == bytes([vault.FORMAT, 7])


def test_after_rotation_what_the_old_key_sealed_still_opens(settings: Settings) -> None:
    settings.SEALING_KEYS = {1: OLD_KEY}
    sealed = seal({"name": "Amina"})
    settings.SEALING_KEYS = {7: NEW_KEY, 1: OLD_KEY}

    assert unseal(sealed) == {"name": "Amina"}


def test_once_the_old_key_is_destroyed_what_it_sealed_never_opens(
    settings: Settings,
) -> None:
    settings.SEALING_KEYS = {1: OLD_KEY}
    sealed = seal({"name": "Amina"})
    settings.SEALING_KEYS = {7: NEW_KEY}

    with pytest.raises(vault.CannotOpen):
        unseal(sealed)


def test_the_key_is_chosen_by_its_id_and_never_by_trying(settings: Settings) -> None:
    settings.SEALING_KEYS = {1: OLD_KEY}
    sealed = seal({"name": "Amina"})
    # The same key is in the ring, but under another id.
    settings.SEALING_KEYS = {7: OLD_KEY}

    with pytest.raises(vault.CannotOpen):
        unseal(sealed)


def test_equal_parts_give_equal_indexes_of_sixteen_bytes() -> None:
    index = vault.blind_index("mailbox", "1", "amina@example.org")

    assert index == vault.blind_index("mailbox", "1", "amina@example.org")
    assert len(index) == 16


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
@example(["ab", "c"], ["a", "bc"])
@example(["a"], ["a", ""])
@example([], [""])
def test_different_parts_give_different_indexes_wherever_they_are_cut(
    ours: list[str], theirs: list[str]
) -> None:
    assume(ours != theirs)

    assert vault.blind_index("person", *ours) != vault.blind_index("person", *theirs)


def test_indexes_are_those_that_are_stored_already(settings: Settings) -> None:
    # Computed independently with HKDF (RFC 5869) and HMAC. Another format would orphan all rows.
    settings.INDEX_KEYS = {1: OLD_KEY}

    index = vault.blind_index("mailbox", "1", "amina@example.org")

    assert index.hex() == "03d5e7d865219b5b2f12810a8aa1c9f8"


def test_what_was_sealed_by_the_written_format_opens(settings: Settings) -> None:
    settings.SEALING_KEYS = {7: OLD_KEY}
    # HKDF (RFC 5869) without the library. One block is enough for 32 bytes.
    begun = hmac.digest(bytes(32), OLD_KEY, "sha256")
    key = hmac.digest(begun, b"undersigned/seal\x01", "sha256")
    plain = '{"name":"أمينة"}'.encode()
    padded = (len(plain).to_bytes(4, "big") + plain).ljust(vault.BUCKET, b"\0")
    nonce = bytes(range(12))
    bound = b"\x01signer\0" + ROW.bytes

    sealed = b"\x01\x07" + nonce + AESGCM(key).encrypt(nonce, padded, bound)

    assert unseal(sealed) == {"name": "أمينة"}


def test_the_same_parts_under_another_purpose_cannot_be_matched() -> None:
    assert vault.blind_index("mailbox", "amina") != vault.blind_index("mail", "amina")


def test_text_and_its_bytes_are_the_same_part() -> None:
    assert vault.blind_index("mail", "أمينة") == vault.blind_index("mail", "أمينة".encode())


def test_without_the_index_key_nobody_can_test_an_address(settings: Settings) -> None:
    index = vault.blind_index("mailbox", "amina@example.org")
    settings.INDEX_KEYS = {1: NEW_KEY}

    assert vault.blind_index("mailbox", "amina@example.org") != index


def test_changing_secret_key_changes_no_index_and_no_sealed_value(
    settings: Settings,
) -> None:
    index, sealed = vault.blind_index("mailbox", "amina@example.org"), seal({"name": "Amina"})
    settings.SECRET_KEY = "y" * 60

    assert vault.blind_index("mailbox", "amina@example.org") == index
    assert unseal(sealed) == {"name": "Amina"}


def test_every_ring_and_purpose_has_a_key_of_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived: list[bytes] = []
    derive = vault._derive

    def noted(master: bytes, purpose: str) -> bytes:
        derived.append(derive(master, purpose))
        return derived[-1]

    monkeypatch.setattr(vault, "_derive", noted)
    # Even if all rings have the same key, different purposes have different keys.
    settings.INDEX_KEYS = settings.LINK_KEYS = settings.SEALING_KEYS = {1: OLD_KEY}
    for purpose in ("confirm", "find"):
        vault.link_keys(purpose)
        vault.blind_index(purpose, "amina@example.org")
    seal({"name": "Amina"})

    assert len(set(derived)) == 5
    assert OLD_KEY not in derived


def test_what_is_sealed_for_many_rows_opens_each_in_its_own() -> None:
    one, other = (
        vault.seal({"name": "Amina"}, table="signer", row_id=row) for row in (ROW, OTHER_ROW)
    )

    assert unseal(one, ROW) == unseal(other, OTHER_ROW) == {"name": "Amina"}
    # A repeated nonce under one key would reveal both values.
    assert one[2:14] != other[2:14]
    with pytest.raises(vault.CannotOpen):
        unseal(one, OTHER_ROW)
