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
def test_any_json_value_can_be_sealed_and_unsealed(value: dict[str, Any]) -> None:
    assert unseal(seal(value)) == value


def test_a_sealed_memoryview_from_the_database_driver_can_be_unsealed() -> None:
    assert unseal(memoryview(seal({"name": "Amina"}))) == {"name": "Amina"}


def test_short_and_long_names_give_sealed_values_of_equal_length() -> None:
    assert len(seal({"name": "Ann"})) == len(seal({"name": "A" * 60})) == SMALLEST


@given(st.text(max_size=30), st.text(max_size=30))
def test_sealed_values_within_one_padding_bucket_have_equal_length(one: str, other: str) -> None:
    assert len(seal({"n": one.encode().hex()})) == len(seal({"n": other.encode().hex()}))


@pytest.mark.parametrize(("letters", "buckets"), [(0, 1), (244, 1), (245, 2), (500, 2), (501, 3)])
def test_sealed_values_grow_by_whole_padding_buckets(letters: int, buckets: int) -> None:
    # 4 bytes of length and `{"n":""}` add 12 bytes to the letters.
    sealed = seal({"n": "x" * letters})

    assert len(sealed) == SMALLEST + (buckets - 1) * vault.BUCKET


def test_sealing_can_pad_a_value_to_a_minimum_length() -> None:
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


def test_sealing_a_value_twice_gives_different_ciphertexts() -> None:
    assert seal({"name": "Amina"}) != seal({"name": "Amina"})


def test_a_sealed_value_does_not_contain_its_plain_text() -> None:
    assert b"Amina" not in seal({"name": "Amina"})


def test_new_values_are_sealed_with_the_first_key_of_the_ring(settings: Settings) -> None:
    settings.SEALING_KEYS = {7: NEW_KEY, 1: OLD_KEY}

    assert seal({"name": "Amina"})[:2] == bytes([vault.FORMAT, 7])


def test_values_sealed_with_the_old_key_open_after_rotation(settings: Settings) -> None:
    settings.SEALING_KEYS = {1: OLD_KEY}
    sealed = seal({"name": "Amina"})
    settings.SEALING_KEYS = {7: NEW_KEY, 1: OLD_KEY}

    assert unseal(sealed) == {"name": "Amina"}


def test_values_sealed_with_a_removed_key_do_not_open(
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


def test_a_blind_index_is_deterministic_and_16_bytes_long() -> None:
    index = vault.blind_index("mailbox", "1", "amina@example.org")

    assert index == vault.blind_index("mailbox", "1", "amina@example.org")
    assert len(index) == 16


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
@example(["ab", "c"], ["a", "bc"])
@example(["a"], ["a", ""])
@example([], [""])
def test_blind_indexes_of_different_parts_differ_despite_concatenation(
    ours: list[str], theirs: list[str]
) -> None:
    assume(ours != theirs)

    assert vault.blind_index("person", *ours) != vault.blind_index("person", *theirs)


def test_the_blind_index_format_is_unchanged(settings: Settings) -> None:
    # Computed independently with HKDF (RFC 5869) and HMAC. Another format would orphan all rows.
    settings.INDEX_KEYS = {1: OLD_KEY}

    index = vault.blind_index("mailbox", "1", "amina@example.org")

    assert index.hex() == "03d5e7d865219b5b2f12810a8aa1c9f8"


def test_the_documented_sealing_format_opens(settings: Settings) -> None:
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


def test_blind_indexes_differ_by_purpose() -> None:
    assert vault.blind_index("mailbox", "amina") != vault.blind_index("mail", "amina")


def test_a_blind_index_treats_text_and_its_utf8_bytes_alike() -> None:
    assert vault.blind_index("mail", "أمينة") == vault.blind_index("mail", "أمينة".encode())


def test_blind_indexes_differ_by_index_key(settings: Settings) -> None:
    index = vault.blind_index("mailbox", "amina@example.org")
    settings.INDEX_KEYS = {1: NEW_KEY}

    assert vault.blind_index("mailbox", "amina@example.org") != index


def test_changing_secret_key_does_not_affect_indexes_or_sealed_values(
    settings: Settings,
) -> None:
    index, sealed = vault.blind_index("mailbox", "amina@example.org"), seal({"name": "Amina"})
    settings.SECRET_KEY = "y" * 60

    assert vault.blind_index("mailbox", "amina@example.org") == index
    assert unseal(sealed) == {"name": "Amina"}


def test_keys_are_derived_separately_for_each_ring_and_purpose(
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


def test_equal_values_sealed_for_two_rows_have_different_nonces() -> None:
    one, other = (
        vault.seal({"name": "Amina"}, table="signer", row_id=row) for row in (ROW, OTHER_ROW)
    )

    assert unseal(one, ROW) == unseal(other, OTHER_ROW) == {"name": "Amina"}
    # A repeated nonce under one key would reveal both values.
    assert one[2:14] != other[2:14]
    with pytest.raises(vault.CannotOpen):
        unseal(one, OTHER_ROW)
