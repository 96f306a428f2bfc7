"""Rescanning applies today's rules to stored signatures, and overrides no moderator's decision."""

from dataclasses import replace
from io import StringIO
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from petitions.counting import tallies
from petitions.models import Decision, Petition, Signature
from petitions.moderation import decisions, rescan
from petitions.screening.screen import Screening
from petitions.signatures import submit
from petitions.signatures.confirm import Outcome
from petitions.signers.sealing import Attempt
from tests.people import AMINA, BASHIR, DAVID, confirm, sign, sign_and_confirm

FAKE = replace(DAVID, name="Testing", email="fake@example.net")
THROWN_AWAY = replace(DAVID, email="david@mailinator.com")
State = Signature.State


def row(identity: UUID) -> Signature:
    return Signature.objects.get(pk=identity)


def let_in(petition: Petition, attempt: Attempt) -> Signature:
    """Sign and confirm with a suspicious form before there was a rule against it."""
    return sign_and_confirm(petition, attempt)


def test_a_rescan_holds_suspicious_signatures_by_one_reversible_decision(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescan, "BATCH", 2)
    good = [let_in(petition, person) for person in (AMINA, BASHIR)]
    bad = [let_in(petition, person) for person in (FAKE, THROWN_AWAY)]
    bad += [let_in(petition, replace(FAKE, email=f"{i}@example.net")) for i in range(4)]

    found = rescan.rescan(petition=petition, actor=moderator)

    assert (found.read, found.held) == (8, 6)
    assert {row(s.pk).state for s in bad} == {State.HELD}
    assert {row(s.pk).state for s in good} == {State.CONFIRMED}
    assert row(bad[0].pk).signals == ["name-test"]
    assert row(bad[1].pk).signals == ["disposable"]
    assert tallies.total(petition.pk) == 2
    assert not tallies.differences(petition.pk)
    decision = Decision.objects.get()
    assert (decision.kind, decision.actor, decision.items.count()) == ("hold", moderator, 6)

    undone = decisions.undo(decision=decision, note="", actor=moderator)
    assert (undone.signatures, tallies.total(petition.pk)) == (6, 8)


def test_a_second_rescan_changes_nothing_and_keeps_a_moderators_approval(
    petition: Petition, moderator: User
) -> None:
    bad = [let_in(petition, person) for person in (FAKE, THROWN_AWAY)]
    rescan.rescan(petition=petition, actor=moderator)
    decisions.decide(
        kind="approve",
        petition=petition,
        ids=[bad[0].pk],
        reason="checked",
        note="",
        actor=moderator,
    )

    found = rescan.rescan(petition=petition, actor=moderator)

    assert (found.held, found.decided_before, found.pending_changed) == (0, 1, 0)
    assert (row(bad[0].pk).state, row(bad[1].pk).state) == (State.CONFIRMED, State.HELD)
    assert Decision.objects.count() == 2


def test_an_interrupted_rescan_is_finished_by_the_next_one(
    petition: Petition, moderator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescan, "BATCH", 1)
    bad = [let_in(petition, person) for person in (FAKE, THROWN_AWAY)]

    def give_up(_rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rescan.rescan(petition=petition, actor=moderator, progress=give_up)
    assert sorted(row(s.pk).state for s in bad) == [State.CONFIRMED, State.HELD]
    assert not tallies.differences(petition.pk)

    assert rescan.rescan(petition=petition, actor=moderator).held == 1
    assert {row(s.pk).state for s in bad} == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_a_rescan_updates_the_verdict_of_pending_signatures_both_ways(
    petition: Petition, moderator: User
) -> None:
    worse = sign(petition, FAKE)
    # Held for its name by a rule that is gone.
    better = submit.store(
        petition=petition,
        attempt=AMINA,
        screening=Screening(Signature.Verdict.HOLD, ("name-test",)),
    )

    found = rescan.rescan(petition=petition, actor=moderator)

    assert (found.pending_changed, found.held) == (2, 0)
    assert (row(worse).verdict, row(better).verdict, row(better).signals) == ("hold", "pass", [])
    assert confirm(worse) is Outcome.CONFIRMED
    assert (row(worse).state, tallies.total(petition.pk)) == (State.HELD, 0)


def test_a_rescan_keeps_request_signals_and_weighs_them_with_new_ones(
    petition: Petition, moderator: User
) -> None:
    noted = Screening(signals=("burst:9", "no-origin"))
    attempt = replace(DAVID, name="Dbcdfghjkl 1234")
    signature_id = submit.store(petition=petition, attempt=attempt, screening=noted)
    confirm(signature_id)
    assert row(signature_id).state == State.CONFIRMED

    rescan.rescan(petition=petition, actor=moderator)

    assert row(signature_id).signals == [
        "name-digits", "name-random", "burst:9", "no-origin",
    ]  # fmt: skip
    assert row(signature_id).state == State.HELD


def test_a_rescan_leaves_held_signatures_to_a_moderator(
    petition: Petition, moderator: User
) -> None:
    held = let_in(petition, AMINA)
    decisions.decide(
        kind="hold", petition=petition, ids=[held.pk], reason="suspicious", note="", actor=moderator
    )
    found = rescan.rescan(petition=petition, actor=moderator)
    assert found.held_without_cause == 1
    assert row(held.pk).state == State.HELD


def test_a_rescan_skips_a_signer_that_cannot_be_unsealed(
    petition: Petition, moderator: User
) -> None:
    signature = let_in(petition, FAKE)
    signature.signer.sealed = b"\x01\xff" + bytes(signature.signer.sealed)[2:]
    signature.signer.save()
    found = rescan.rescan(petition=petition, actor=moderator)
    assert (found.unreadable, found.held) == (1, 0)
    assert row(signature.pk).state == State.CONFIRMED


def test_rescan_signals_reports_its_findings_and_a_dry_run_changes_nothing(
    petition: Petition, moderator: User
) -> None:
    bad, pending = let_in(petition, FAKE), sign(petition, THROWN_AWAY)
    before = list(Signature.objects.order_by("pk").values())

    said = StringIO()
    call_command("rescan_signals", "protect", "--dry-run", "--actor", "mona", stdout=said)

    told = said.getvalue()
    assert list(Signature.objects.order_by("pk").values()) == before
    assert not Decision.objects.exists()
    assert ["name-test", "0", "1", "0"] in [line.split() for line in told.splitlines()]
    assert ["disposable", "1", "0", "0"] in [line.split() for line in told.splitlines()]
    assert "The name looks like a test." in told
    assert "Confirmed: 1 would be held. Nobody gets an email." in told
    for personal in ("Testing", "fake@", "mailinator", "David"):
        assert personal not in told

    said = StringIO()
    call_command("rescan_signals", "protect", "--actor", "mona", stdout=said)
    assert "Confirmed: 1 held. Nobody gets an email." in said.getvalue()
    assert str(Decision.objects.get().pk) in said.getvalue()
    assert row(bad.pk).state == State.HELD
    assert row(pending).verdict == "hold"


@pytest.mark.parametrize(
    ("slug", "actor", "said"),
    [
        ("none", "mona", "There is no petition"),
        ("protect", "nobody", "There is nobody called"),
        ("protect", "omar", "is no moderator"),
    ],
)
def test_rescan_signals_requires_a_petition_and_a_moderator(
    petition: Petition, moderator: User, organiser: User, slug: str, actor: str, said: str
) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("rescan_signals", slug, "--actor", actor)
