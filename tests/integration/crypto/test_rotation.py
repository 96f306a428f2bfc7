"""Keys are exchanged while people sign: nobody is counted twice, and nothing stops opening."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core import signing as django_signing
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import Client
from pytest_django import Settings

from petitions.counting import tallies
from petitions.crypto import tokens
from petitions.infra.locks import StateChanged
from petitions.mail import outbox
from petitions.models import Mail, Objection, Petition, Signature, Signer
from petitions.moderation import reindex
from petitions.privacy import reseal as resealing
from petitions.screening import rules
from petitions.screening.screen import Screening
from petitions.signatures import confirm as confirming
from petitions.signatures import submit, withdraw
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests.at_once import at_once
from tests.people import AMINA, BASHIR, CARYS, DAVID, confirm, sign, sign_and_confirm, typed

OLD, NEW = b"o" * 32, b"n" * 32
ONLY_OLD, BOTH_OLD_FIRST, BOTH, ONLY_NEW = {1: OLD}, {1: OLD, 2: NEW}, {2: NEW, 1: OLD}, {2: NEW}
THIRD = Attempt(name="Third Person", email=AMINA.email, postcode="M145RX", name_use="public")
State = Signature.State
Ring = dict[int, bytes]


@pytest.fixture
def ring(settings: Settings) -> Callable[..., None]:
    """Exchange rings as a restart of all processes does."""

    def change(**rings: Ring) -> None:
        for name, keys in rings.items():
            setattr(settings, f"{name.upper()}_KEYS", keys)

    change(index=ONLY_OLD, sealing=ONLY_OLD)
    return change


def indexes_of(signature: Signature) -> bytes:
    return bytes(Signer.objects.get(pk=signature.pk).petition_mailbox_ix)


# --- Index keys --------------------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", [BOTH_OLD_FIRST, BOTH])
def test_signing_again_after_an_index_key_rotation_counts_once(
    petition: Petition, ring: Any, meanwhile: Ring
) -> None:
    sign_and_confirm(petition)
    ring(index=meanwhile)

    assert confirm(sign(petition)) is Outcome.ALREADY
    assert tallies.total(petition.pk) == 1


def test_the_household_rule_holds_over_both_keys(petition: Petition, ring: Any) -> None:
    sign_and_confirm(petition, AMINA)
    ring(index=BOTH)

    assert confirm(sign(petition, CARYS)) is Outcome.OTHER_HOME
    assert confirm(sign(petition, BASHIR)) is Outcome.CONFIRMED
    assert confirm(sign(petition, THIRD)) is Outcome.MAILBOX_FULL
    assert set(Signer.objects.exclude(slot=None).values_list("slot", flat=True)) == {1, 2}


def test_a_form_stored_under_the_old_index_key_is_deduplicated_when_confirmed(
    petition: Petition, ring: Any
) -> None:
    typed_before = sign(petition)
    ring(index=BOTH)
    sign_and_confirm(petition, AMINA)

    assert confirm(typed_before) is Outcome.ALREADY
    assert tallies.total(petition.pk) == 1


def test_withholding_the_name_applies_across_index_keys(petition: Petition, ring: Any) -> None:
    shown = sign_and_confirm(petition, DAVID)
    ring(index=BOTH)
    again = Attempt(name=DAVID.name, email=DAVID.email, country="JO", name_use="withheld")

    assert confirm(sign(petition, again)) is Outcome.ALREADY
    assert Signature.objects.get(pk=shown.pk).name_use == "withheld"


@pytest.mark.parametrize("rotated", [False, True])
def test_withdrawing_deletes_pending_attempts_under_every_index_key(
    petition: Petition, ring: Any, rotated: bool
) -> None:
    signature = sign_and_confirm(petition)
    ring(index=BOTH)
    sign(petition)
    if rotated:
        call_command("rotate_index_key")

    assert withdraw.withdraw(signature_id=signature.pk)

    assert not Signer.objects.exists()
    assert Signature.objects.get().pk == signature.pk
    assert tallies.total(petition.pk) == 0


@pytest.mark.parametrize("sought", [AMINA.email, AMINA.name, "M14 5RX"])
def test_the_moderators_search_finds_signers_under_every_index_key(
    petition: Petition, ring: Any, moderator: User, client: Client, sought: str
) -> None:
    mine = sign_and_confirm(petition)

    def found() -> str:
        # A session ends with the key that it was stored under.
        client.force_login(moderator)
        path = "/admin/petitions/signature/"
        return client.post(path, {"sought": sought}, follow=True).content.decode()

    ring(index=BOTH)
    assert mine.spoken_reference in found()
    call_command("rotate_index_key")
    ring(index=ONLY_NEW)
    assert mine.spoken_reference in found()


def test_an_address_rule_made_under_an_old_index_key_still_matches(db: None, ring: Any) -> None:
    blocked = rules.Listed(mailboxes={rules.address_index("a.mina@gmail.com")})
    ring(index=BOTH)

    assert blocked.has_mailbox("amina+x@googlemail.com")
    assert not blocked.has_mailbox(DAVID.email)


def test_the_old_index_key_is_not_needed_after_rotate_index_key(
    petition: Petition, ring: Any
) -> None:
    for person in (AMINA, BASHIR, DAVID):
        sign_and_confirm(petition, person)
    before = {row.pk: row.slot for row in Signer.objects.all()}
    ring(index=BOTH)
    pending = sign(petition, CARYS)

    call_command("rotate_index_key")
    ring(index=ONLY_NEW)

    assert {row.pk: row.slot for row in Signer.objects.exclude(pk=pending)} == before
    assert tallies.total(petition.pk) == 3
    assert confirm(pending) is Outcome.MAILBOX_FULL
    for person in (AMINA, BASHIR, DAVID):
        assert confirm(sign(petition, person)) is Outcome.ALREADY
    assert confirm(sign(petition, THIRD)) is Outcome.MAILBOX_FULL
    wanted = sealing.indexes_of(
        petition.pk, sealing.person_of(DAVID), is_pending=True
    ).global_mailbox
    assert {bytes(mail.global_mailbox_ix) for mail in Mail.objects.all()} >= {wanted}


def test_rotating_twice_changes_nothing(
    petition: Petition, ring: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_and_confirm(petition)
    ring(index=BOTH)

    call_command("rotate_index_key")
    assert "Looked at 1: 1 changed, 0 of them held" in capsys.readouterr().out
    call_command("rotate_index_key")
    assert "Looked at 1: 0 changed, 0 of them held" in capsys.readouterr().out


def test_an_interrupted_reindex_restarts_under_the_new_index_key(
    petition: Petition, ring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those behind its cursor stand under the old key still."""
    for person in (AMINA, BASHIR, DAVID):
        sign_and_confirm(petition, person)
    monkeypatch.setattr(reindex, "BATCH", 1)

    def interrupt(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reindex.reindex_all(interrupt)
    ring(index=BOTH)
    call_command("rotate_index_key")

    assert reindex.survey() == (3, 0, 0)


def test_rotating_without_the_old_key_in_the_ring_is_refused(petition: Petition, ring: Any) -> None:
    sign_and_confirm(petition)
    ring(index=ONLY_NEW)
    with pytest.raises(CommandError, match="holds one key"):
        call_command("rotate_index_key")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [False, True])
def test_concurrent_confirmations_under_two_index_keys_need_the_locks_of_both(
    petition: Petition, ring: Any, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them each finds the mailbox empty under its own key, and the constraint refuses one
    with an error.
    """
    under_old = sign(petition)
    ring(index=BOTH)
    under_new = sign(petition)
    if guarded:
        outcomes = at_once(lambda: confirm(under_old), lambda: confirm(under_new))
        assert set(outcomes) == {Outcome.CONFIRMED, Outcome.ALREADY}
    else:
        monkeypatch.setattr(confirming, "mailboxes", lambda known: [known[0].petition_mailbox])
        assert confirm(under_old) is Outcome.CONFIRMED
        with pytest.raises(StateChanged):
            confirm(under_new)
    assert tallies.total(petition.pk) == 1


# --- Sealing keys ------------------------------------------------------------------------


def test_the_reseal_command_moves_values_to_the_new_sealing_key(
    petition: Petition, ring: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [sign(petition, person) for person in (AMINA, BASHIR, DAVID)]
    ring(sealing=BOTH)
    assert names(ids) == ["Amina Example", "بشير مثال", "David Sample"]

    call_command("reseal")
    assert "Sealed anew: 3." in capsys.readouterr().out
    call_command("reseal")
    assert "Sealed anew: 0." in capsys.readouterr().out
    ring(sealing=ONLY_NEW)

    assert names(ids) == ["Amina Example", "بشير مثال", "David Sample"]


def names(ids: list[UUID]) -> list[str]:
    return [sealing.unsealed(Signer.objects.get(pk=pk))["name"] for pk in ids]


def test_resealing_continues_after_an_interruption(
    petition: Petition, ring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [sign(petition, person) for person in (AMINA, BASHIR, DAVID)]
    ring(sealing=BOTH)
    monkeypatch.setattr(resealing, "BATCH", 1)

    def interrupt(_rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resealing.reseal(interrupt)
    assert resealing.waiting() == 2

    assert resealing.reseal() == (2, 0)
    ring(sealing=ONLY_NEW)
    assert len(names(ids)) == 3


def test_the_reseal_command_reports_values_that_no_key_opens(petition: Petition, ring: Any) -> None:
    sign(petition)
    ring(sealing=ONLY_NEW)
    sign(petition, DAVID)

    with pytest.raises(CommandError, match="1 are left under another key"):
        call_command("reseal")
    assert resealing.under_keys() == {1: 1, 2: 1}


@pytest.mark.django_db(transaction=True)
def test_resealing_skips_a_locked_row_and_keeps_its_concurrent_correction(
    petition: Petition, ring: Any
) -> None:
    corrected, other = sign(petition), sign(petition, DAVID)
    ring(sealing=BOTH)
    results = []

    def reseal() -> None:
        try:
            results.append(resealing.reseal())
        finally:
            connections.close_all()

    with transaction.atomic():
        Signer.objects.select_for_update().get(pk=corrected)
        thread = threading.Thread(target=reseal)
        thread.start()
        thread.join(timeout=20)
        # It waited for nobody, and left the one that was held.
        assert results == [(1, 1)]
        Signer.objects.filter(pk=corrected).update(
            sealed=sealing.seal(sealing.person_of(BASHIR), corrected)
        )

    ring(sealing=ONLY_NEW)
    assert names([corrected, other]) == ["بشير مثال", "David Sample"]


def test_check_keys_lists_the_rows_that_need_each_key(
    petition: Petition, ring: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_and_confirm(petition)
    sign(petition, DAVID)
    Objection.objects.create(ix=b"x" * 16, key_id=1, reason=Objection.Reason.NO_MAIL)
    ring(sealing=BOTH, index=BOTH)

    with pytest.raises(CommandError, match="Do not destroy"):
        call_command("check_keys")
    said = capsys.readouterr().out
    assert "sealing key 1: 2 signers" in said
    assert "another index key, or older rules: 2 signers" in said
    assert "index key 1: 1 objections, which end with it" in said

    call_command("reseal")
    call_command("rotate_index_key")
    capsys.readouterr()
    call_command("check_keys")
    said = capsys.readouterr().out
    assert "sealing key 2: 2 signers" in said
    assert "index key 2: 2 signers" in said
    assert "No signer needs an older sealing or index key." in said


def test_refused_attempts_need_no_key(petition: Petition, ring: Any) -> None:
    refused = Screening(is_refused=True)
    submit.store(petition=petition, attempt=AMINA, screening=refused)
    ring(sealing=BOTH, index=BOTH)

    assert resealing.under_keys() == {}
    call_command("check_keys")


# --- Links, and Django's own key ---------------------------------------------------------


def test_live_mailed_links_survive_the_rotation_of_link_keys(
    petition: Petition, client: Client, ring: Any
) -> None:
    ring(link=ONLY_OLD)
    address = f"/t/en/confirm/{tokens.link(tokens.CONFIRM, sign(petition), 0)}/"
    ring(link=BOTH)

    assert client.get(address).status_code == 200
    assert "Thank you" in client.post(address).content.decode()
    assert tallies.total(petition.pk) == 1


def test_changing_secret_key_leaves_links_and_data_working(
    petition: Petition, browser: Client, settings: Settings, mailoutbox: Any
) -> None:
    check_page = browser.post("/petitions/protect/", typed())["Location"]
    outbox.deliver()
    link = next(word for word in mailoutbox[0].body.split() if "/t/en/confirm/" in word)
    standing = sign_and_confirm(petition, DAVID)

    settings.SECRET_KEY = "another" * 10
    settings.SECRET_KEY_FALLBACKS = []

    assert browser.get(check_page).status_code == 200
    path = link.removeprefix(settings.SITE_URL)
    assert "Thank you" in browser.post(path).content.decode()
    assert names([standing.pk]) == ["David Sample"]
    assert confirm(sign(petition, DAVID)) is Outcome.ALREADY
    assert tallies.total(petition.pk) == 2


def test_secret_key_alone_cannot_forge_a_link_or_test_an_address(
    petition: Petition, client: Client, settings: Settings
) -> None:
    signature_id = sign(petition)
    value = tokens.link(tokens.CONFIRM, signature_id, 0)
    for salt in ("undersigned.confirm", "django.core.signing.Signer", "confirm"):
        forger = django_signing.Signer(key=settings.SECRET_KEY, sep=".", salt=salt)
        assert client.post(f"/t/en/confirm/{forger.sign(value)}/").status_code in {404, 405}
    assert tallies.total(petition.pk) == 0

    row = Signer.objects.get(pk=signature_id)
    stored = {bytes(row.petition_mailbox_ix), bytes(row.person_ix), bytes(row.home_ix)}
    secret = settings.SECRET_KEY.encode()
    settings.INDEX_KEYS = {1: secret, 2: secret[:32]}
    for key_id in settings.INDEX_KEYS:
        for is_pending in (False, True):
            guessed = sealing.indexes_of(
                petition.pk, sealing.person_of(AMINA), is_pending=is_pending, key_id=key_id
            )
            assert not stored & set(guessed)
