"""Tokens in paths: encrypted links that are not malleable, and sealed pages of one length."""

import base64
import re
import time
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import Settings

from petitions.crypto import tokens, vault

ID = UUID("5b8dbb1c-7f7c-4c6b-9df1-3f3c2b8de001")
OTHER_ID = UUID("5b8dbb1c-7f7c-4c6b-9df1-3f3c2b8de002")
NEW_KEY, OLD_KEY = b"n" * 32, b"o" * 32
TYPED = {"petition": "protect-civilians", "email": "amina@example.org"}
LINK = tokens.link(tokens.CONFIRM, ID, 3)
NOW = int(time.time())
ATTEMPT = tokens.seal_attempt(ID, TYPED, at=NOW)
# Characters that a person, a mail program or an attacker may put in place of another.
characters = st.sampled_from("abcXYZ019-_.=+/:~ \n\0é١") | st.characters(codec="utf-8")


@given(st.uuids(), st.integers(0, 2**16 - 1))
def test_a_link_token_round_trips_its_signature_and_epoch(signature_id: UUID, epoch: int) -> None:
    token = tokens.link(tokens.CONFIRM, signature_id, epoch)

    assert tokens.read_link(tokens.CONFIRM, token) == tokens.Link(signature_id, epoch)


def test_a_link_token_contains_only_mail_safe_characters() -> None:
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")

    assert set(LINK) <= allowed
    assert not LINK.endswith(".")


@given(st.data())
def test_a_link_with_any_one_character_changed_is_refused(data: st.DataObject) -> None:
    token = with_one_change(LINK, data)

    with pytest.raises(tokens.BadToken):
        tokens.read_link(tokens.CONFIRM, token)


@given(st.data())
def test_a_page_token_with_any_one_character_changed_is_refused(data: st.DataObject) -> None:
    token = with_one_change(ATTEMPT, data)

    with pytest.raises(tokens.BadToken):
        tokens.open_attempt(token)


@pytest.mark.parametrize("extra", ["=", "==", "A", ".", " ", "\n", "\0", "/", "%3D", ">", ")."])
def test_characters_added_to_either_end_invalidate_a_token(extra: str) -> None:
    for token in (LINK + extra, extra + LINK):
        with pytest.raises(tokens.BadToken):
            tokens.read_link(tokens.CONFIRM, token)
    for token in (ATTEMPT + extra, extra + ATTEMPT):
        with pytest.raises(tokens.BadToken):
            tokens.open_attempt(token)


@given(st.integers(0, len(LINK) - 1))
def test_a_truncated_link_is_refused(length: int) -> None:
    with pytest.raises(tokens.BadToken):
        tokens.read_link(tokens.CONFIRM, LINK[:length])


@given(st.integers(0, len(ATTEMPT) - 1))
def test_a_truncated_page_token_is_refused(length: int) -> None:
    with pytest.raises(tokens.BadToken):
        tokens.open_attempt(ATTEMPT[:length])


@given(st.text())
@example("")
@example(".")
@example("A.A")
@example("AAAA")
def test_arbitrary_text_is_not_a_valid_token(made_up: str) -> None:
    with pytest.raises(tokens.BadToken):
        tokens.read_link(tokens.CONFIRM, made_up)
    with pytest.raises(tokens.BadToken):
        tokens.open_attempt(made_up)


def test_only_the_canonical_base64_spelling_of_a_token_is_accepted() -> None:
    # Unused bits of base64, or its other alphabet, would give one page several URLs.
    raw = b"\xfb\xff" + b"\x01" * 2
    spelling = tokens._b64(raw)

    assert tokens._unb64(spelling) == raw
    for other in (
        base64.b64encode(raw).decode().rstrip("="),
        spelling[:-1] + chr(ord(spelling[-1]) + 1),
        spelling + "==",
        spelling[:3] + "\n" + spelling[3:],
    ):
        with pytest.raises(tokens.BadToken):
            tokens._unb64(other)


def test_a_link_made_for_one_purpose_is_refused_for_another() -> None:
    with pytest.raises(tokens.BadToken):
        tokens.read_link("find", LINK)


def test_link_tokens_and_page_tokens_are_not_interchangeable() -> None:
    with pytest.raises(tokens.BadToken):
        tokens.open_attempt(LINK)
    with pytest.raises(tokens.BadToken):
        tokens.read_link(tokens.CONFIRM, ATTEMPT)


def test_the_sealed_row_of_a_signer_is_not_a_valid_page_token() -> None:
    # A stolen row must not be valid as a token of the page that shows what was typed.
    row = vault.seal({"at": int(time.time()), **TYPED}, table="signer", row_id=ID)

    with pytest.raises(tokens.BadToken):
        tokens.open_attempt(tokens._b64(row))


def test_a_link_token_of_the_wrong_payload_size_is_refused() -> None:
    short = tokens._encrypted(tokens.CONFIRM, ID.bytes)

    with pytest.raises(tokens.BadToken):
        tokens.read_link(tokens.CONFIRM, short)


def test_after_rotation_links_of_the_old_key_still_work(settings: Settings) -> None:
    settings.LINK_KEYS = {1: OLD_KEY}
    mailed = tokens.link(tokens.CONFIRM, ID, 0)
    settings.LINK_KEYS = {2: NEW_KEY, 1: OLD_KEY}

    assert tokens.read_link(tokens.CONFIRM, mailed).signature_id == ID


def test_the_first_link_key_of_the_ring_makes_new_tokens(settings: Settings) -> None:
    settings.LINK_KEYS = {2: NEW_KEY, 1: OLD_KEY}
    mailed = tokens.link(tokens.CONFIRM, ID, 0)
    settings.LINK_KEYS = {2: NEW_KEY}

    assert tokens.read_link(tokens.CONFIRM, mailed).signature_id == ID


def test_links_of_a_key_that_has_left_the_ring_are_refused(settings: Settings) -> None:
    settings.LINK_KEYS = {1: OLD_KEY}
    mailed = tokens.link(tokens.CONFIRM, ID, 0)
    settings.LINK_KEYS = {2: NEW_KEY}

    with pytest.raises(tokens.BadToken):
        tokens.read_link(tokens.CONFIRM, mailed)


def test_changing_secret_key_does_not_affect_tokens(settings: Settings) -> None:
    settings.SECRET_KEY = "y" * 60

    assert tokens.link(tokens.CONFIRM, ID, 3) == LINK
    assert tokens.read_link(tokens.CONFIRM, LINK).signature_id == ID
    assert tokens.open_attempt(ATTEMPT) == (ID, TYPED, NOW)


@pytest.mark.parametrize("secret", ["x" * 32, "y" * 64])
def test_link_tokens_cannot_be_forged_with_secret_key(settings: Settings, secret: str) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = secret, [secret]
    forged = tokens._b64(AESSIV(secret.encode()).encrypt(ID.bytes + b"\0\3", None))

    with pytest.raises(tokens.BadToken):
        tokens.read_link(tokens.CONFIRM, forged)


@pytest.mark.parametrize("token", [LINK, ATTEMPT])
def test_no_token_holds_the_id_of_a_row(token: str) -> None:
    """Otherwise the sender of a form, with a copy of the database, could find its row."""
    assert ID.bytes not in tokens._unb64(token)


def test_a_page_token_round_trips_the_typed_input() -> None:
    assert tokens.open_attempt(tokens.seal_attempt(ID, TYPED, at=NOW)) == (ID, TYPED, NOW)


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"name": "𐍈" * 200, "email": "é" * 120 + "@example.org", "petition": "p" * 80},
        {"name": '"' * 200, "email": "a" * 242 + "@example.org", "petition": "p" * 80},
        {"name": "A", "email": "a@b.cd", "postcode": "M14 5RX", "country": "", "language": "ar"},
    ],
    ids=["nothing", "200 characters of 4 bytes", "254 characters of address", "little"],
)
def test_every_page_token_has_the_same_length_whatever_was_typed(typed: dict[str, str]) -> None:
    assert len(tokens.seal_attempt(ID, typed, at=NOW)) == len(ATTEMPT)


def test_a_page_token_does_not_contain_the_typed_address() -> None:
    assert b"amina" not in tokens._unb64(ATTEMPT)


def test_a_page_token_is_valid_within_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    token = tokens.seal_attempt(ID, TYPED, at=NOW)
    soon = NOW + 3590
    monkeypatch.setattr("petitions.crypto.tokens.time.time", lambda: soon)

    assert tokens.open_attempt(token) == (ID, TYPED, NOW)


def test_a_page_token_older_than_an_hour_raises_expiredtoken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token = tokens.seal_attempt(ID, TYPED, at=NOW)
    later = NOW + 3602
    monkeypatch.setattr("petitions.crypto.tokens.time.time", lambda: later)

    with pytest.raises(tokens.ExpiredToken):
        tokens.open_attempt(token)


@given(st.uuids(), st.integers(0, 2**16 - 1))
def test_a_code_has_eight_digits_and_verifies_for_its_signature_and_epoch(
    signature_id: UUID, epoch: int
) -> None:
    code = tokens.code(signature_id, epoch)

    assert re.fullmatch("[0-9]{8}", code)
    assert tokens.is_code(code, signature_id, epoch)
    other = str((int(code) + 1) % 10**8).zfill(8)
    assert not tokens.is_code(other, signature_id, epoch)


def test_codes_of_other_signatures_and_epochs_differ() -> None:
    codes = {tokens.code(ID, epoch) for epoch in range(100)} | {tokens.code(OTHER_ID, 0)}
    assert len(codes) == 101


@given(st.text())
def test_arbitrary_text_is_not_a_valid_code(made_up: str) -> None:
    assert tokens.is_code(made_up, ID, 0) is (made_up == tokens.code(ID, 0))


def test_mailed_codes_are_valid_while_their_key_is_in_the_ring(settings: Settings) -> None:
    settings.LINK_KEYS = {1: OLD_KEY}
    mailed = tokens.code(ID, 0)
    settings.LINK_KEYS = {2: NEW_KEY, 1: OLD_KEY}

    assert tokens.code(ID, 0) != mailed
    assert tokens.is_code(mailed, ID, 0)
    assert tokens.is_code(tokens.code(ID, 0), ID, 0)

    settings.LINK_KEYS = {2: NEW_KEY}
    assert not tokens.is_code(mailed, ID, 0)


def test_codes_are_compared_with_every_key_using_compare_digest(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LINK_KEYS = {2: NEW_KEY, 1: OLD_KEY}
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    code = tokens.code(ID, 0)
    monkeypatch.setattr("petitions.crypto.tokens.hmac.compare_digest", compare)
    assert tokens.is_code(code, ID, 0)
    assert len(compared) == 2


def with_one_change(token: str, data: st.DataObject) -> str:
    place = data.draw(st.integers(0, len(token) - 1))
    put = data.draw(characters.filter(lambda char: char != token[place]))
    return token[:place] + put + token[place + 1 :]
