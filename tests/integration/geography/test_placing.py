"""Signatures from before an import of postcodes get their constituency afterwards."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum

from petitions.counting import tallies
from petitions.geography import placing
from petitions.models import ABROAD, UNKNOWN, Petition, Place, Postcode, Signature, Signer, Tally
from petitions.moderation import decisions
from petitions.signatures import confirm as confirming
from petitions.signatures import withdraw
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests import published
from tests.people import AMINA, BASHIR, CARYS, DAVID, confirm, sign, sign_and_confirm
from tests.published import GORTON, RUSHOLME

UNSAID = Attempt(name="Unsaid Example", email="u@example.org", name_use=AMINA.name_use)


def import_all(folder: Path) -> None:
    published.import_constituencies(folder)
    call_command("import_postcodes", published.postcodes(folder))


def counts(petition: Petition) -> dict[str, int]:
    """Return the tally by place, without zeros."""
    rows = Tally.objects.filter(petition=petition).values_list("place_id").annotate(Sum("n"))
    return {place: n for place, n in rows if n}


def test_signatures_move_to_their_constituency_and_totals_stay(
    petition: Petition, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for who in (AMINA, BASHIR, DAVID, UNSAID):
        sign_and_confirm(petition, who)
    pending = sign(petition, Attempt(name="P", email="p@example.org", postcode="M187AA",
                                     name_use=AMINA.name_use))  # fmt: skip
    assert counts(petition) == {UNKNOWN: 3, ABROAD: 1}
    import_all(tmp_path)

    call_command("place_signatures")

    assert counts(petition) == {RUSHOLME: 2, UNKNOWN: 1, ABROAD: 1}
    assert tallies.differences(petition.pk) == {}
    assert Signature.objects.get(pk=pending).place_id == GORTON
    assert "3 signatures have their constituency now. 1 stay without" in capsys.readouterr().out


def test_placed_signatures_are_not_moved_by_a_second_run_or_newer_postcodes(
    petition: Petition, tmp_path: Path
) -> None:
    sign_and_confirm(petition, AMINA)
    import_all(tmp_path)
    assert placing.place_all().placed == 1
    Postcode.objects.filter(pk="M145RX").update(place=GORTON)

    assert placing.place_all().placed == 0

    assert counts(petition) == {RUSHOLME: 1}


def test_place_signatures_unseals_signers_again_only_after_another_import(
    petition: Petition,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sign_and_confirm(petition, UNSAID)
    call_command("place_signatures")
    assert "Nothing to do" in capsys.readouterr().out
    import_all(tmp_path)
    call_command("place_signatures")
    opened: list[UUID] = []
    unseal = sealing.unseal

    def note(sealed: bytes, signature_id: UUID) -> dict[str, str]:
        opened.append(signature_id)
        return unseal(sealed, signature_id)

    monkeypatch.setattr(sealing, "unseal", note)

    call_command("place_signatures")

    assert not opened
    assert capsys.readouterr().out.endswith("Import others with import_postcodes first.\n")
    call_command("import_postcodes", published.postcodes(tmp_path))
    call_command("place_signatures")
    assert len(opened) == 1


def test_a_signature_corrected_meanwhile_keeps_its_new_place(
    petition: Petition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature = sign_and_confirm(petition, AMINA)
    import_all(tmp_path)
    places = placing._places

    def correct(postcodes: Mapping[UUID, str]) -> dict[UUID, str]:
        corrected = sealing.seal(sealing.person_of(UNSAID), signature.pk)
        Signer.objects.filter(pk=signature.pk).update(sealed=corrected)
        return places(postcodes)

    monkeypatch.setattr(placing, "_places", correct)

    assert placing.place_all().placed == 0
    assert counts(petition) == {UNKNOWN: 1}


def test_pending_and_removed_signatures_are_placed_and_count_there_later(
    petition: Petition, tmp_path: Path, moderator: object
) -> None:
    pending = sign(petition, AMINA)
    removed = sign_and_confirm(petition, CARYS_APART)
    _decide(partial(decisions.decide, kind="remove"), petition, removed, moderator)
    import_all(tmp_path)
    Postcode.objects.create(postcode="CF101AA", place_id=GORTON)

    placing.place_all()
    assert counts(petition) == {}
    assert confirm(pending) is confirming.Outcome.CONFIRMED
    _decide(partial(decisions.decide, kind="restore"), petition, removed, moderator)

    assert counts(petition) == {RUSHOLME: 1, GORTON: 1}
    assert tallies.differences(petition.pk) == {}


CARYS_APART = Attempt(
    name=CARYS.name, email="apart@example.org", postcode=CARYS.postcode, name_use=CARYS.name_use
)


def _decide(
    decide: Callable[..., object], petition: Petition, signature: Signature, actor: object
) -> None:
    decide(petition=petition, ids=[signature.pk], reason="automated", note="", actor=actor)


def test_withdrawn_signatures_are_not_placed_and_withdrawing_reduces_the_constituency(
    petition: Petition, tmp_path: Path
) -> None:
    gone, stays = sign_and_confirm(petition, AMINA), sign_and_confirm(petition, UNSAID_M18)
    withdraw.withdraw(signature_id=gone.pk)
    import_all(tmp_path)

    placing.place_all()
    assert counts(petition) == {GORTON: 1}
    withdraw.withdraw(signature_id=stays.pk)

    assert counts(petition) == {}


UNSAID_M18 = Attempt(
    name="Gorton Example", email="g@example.org", postcode="M187AA", name_use=AMINA.name_use
)


def test_a_signer_who_cannot_be_unsealed_is_skipped(petition: Petition, tmp_path: Path) -> None:
    spoilt = sign_and_confirm(petition, AMINA)
    sign_and_confirm(petition, UNSAID_M18)
    Signer.objects.filter(pk=spoilt.pk).update(sealed=b"\x01\x01" + bytes(60))
    import_all(tmp_path)

    result = placing.place_all()

    assert (result.placed, result.unreadable) == (1, 1)
    # Once the key is back, the signature is looked up again.
    assert placing.unused_edition()
    assert counts(petition) == {GORTON: 1, UNKNOWN: 1}


def test_placing_covers_all_signatures_in_batches(
    petition: Petition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "BATCH", 2)
    for number in range(5):
        who = Attempt(name="N", email=f"n{number}@example.org", postcode="M187AA",
                      name_use=AMINA.name_use)  # fmt: skip
        sign_and_confirm(petition, who)
    import_all(tmp_path)
    batches: list[int] = []

    placing.place_all(batches.append)

    assert batches == [2, 2, 1]
    assert counts(petition) == {GORTON: 5}


def test_a_broken_tally_is_reported_and_its_batch_is_rolled_back(
    petition: Petition, tmp_path: Path
) -> None:
    signature = sign_and_confirm(petition, AMINA)
    Tally.objects.all().delete()
    import_all(tmp_path)

    with pytest.raises(CommandError, match="check_tallies --repair"):
        call_command("place_signatures")

    signature.refresh_from_db()
    assert signature.place_id == UNKNOWN
    assert Place.objects.filter(tally__isnull=False).count() == 0
