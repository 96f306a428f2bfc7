"""Reindexing applies changed alias rules of a provider to earlier signatures."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections
from django.test import Client
from django.utils import timezone

from campaign import monitoring
from petitions.counting import tallies
from petitions.identity.providers import Provider
from petitions.infra import locks
from petitions.models import (
    Decision,
    Mail,
    Petition,
    Reindexing,
    Signature,
    Signer,
)
from petitions.moderation import decisions, reindex
from petitions.signatures import withdraw
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests import shipped
from tests.people import confirm, sign, sign_and_confirm

DOMAIN = "dots.example"
State = Signature.State
Release = Callable[[], None]


def who(email: str, name: str = "Amina Example", postcode: str = "M145RX") -> Attempt:
    return Attempt(name=name, email=f"{email}@{DOMAIN}", postcode=postcode, name_use="government")


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Release:
    """Simulate a release in which dots make no difference at `DOMAIN`."""
    return lambda: shipped.release_with(monkeypatch, Provider((DOMAIN,), ignores="."))


def state(signature: Signature) -> str:
    return Signature.objects.get(pk=signature.pk).state


def confirmed_days_ago(signature: Signature, days: int) -> None:
    moment = timezone.now() - timedelta(days=days)
    Signature.objects.filter(pk=signature.pk).update(confirmed_at=moment)


def test_reindexing_holds_the_later_of_two_signatures_of_one_mailbox(
    petition: Petition, release: Release
) -> None:
    later, earlier = (
        sign_and_confirm(petition, who("amina")),
        sign_and_confirm(petition, who("a.mina")),
    )
    confirmed_days_ago(earlier, 2)
    bystander = sign_and_confirm(petition, who("somebody"))
    release()

    job = reindex.reindex_all()

    assert (state(earlier), state(later), state(bystander)) == ("confirmed", "held", "confirmed")
    assert tallies.total(petition.pk) == 2
    assert not tallies.differences(petition.pk)
    decision = Decision.objects.get()
    assert (decision.kind, decision.reason, decision.actor) == ("hold", "duplicate", None)
    assert Signature.objects.get(pk=later.pk).signals == ["same-mailbox"]
    assert (job.done, job.moved, job.held, job.fraction) == (3, 1, 1, 1.0)
    assert Signer.objects.count() == 3


def test_undoing_the_holds_of_a_reindexing_survives_the_next_reindexing(
    petition: Petition, release: Release, moderator: User
) -> None:
    for name in ("a.mina", "amina", "am.ina"):
        sign_and_confirm(petition, who(name))
    release()
    reindex.reindex_all()
    assert tallies.total(petition.pk) == 1

    decisions.undo(decision=Decision.objects.get(), note="", actor=moderator)
    assert tallies.total(petition.pk) == 3
    again = reindex.reindex_all()

    assert (again.moved, again.held) == (0, 0)
    assert tallies.total(petition.pk) == 3
    # Signing once more is still the same success, and counts nobody again.
    assert confirm(sign(petition, who("amina"))) is Outcome.ALREADY


def test_reindexing_gives_two_people_of_one_household_a_slot_each(
    petition: Petition, release: Release
) -> None:
    sign_and_confirm(petition, who("a.mina"))
    sign_and_confirm(petition, who("amina", name="Bashir Example"))

    release()
    reindex.reindex_all()

    assert tallies.total(petition.pk) == 2
    assert set(Signer.objects.values_list("slot", flat=True)) == {1, 2}


@pytest.mark.parametrize("postcode", ["M145RX", "CF101AA"])
def test_reindexing_merges_two_couples_into_one_mailbox_without_constraint_errors(
    petition: Petition, release: Release, postcode: str
) -> None:
    for address, home, names in (
        ("a.mina", "M145RX", ("Amina Example", "Bashir Example")),
        ("amina", postcode, ("Amina Example", "Carys Example")),
    ):
        for name in names:
            sign_and_confirm(petition, who(address, name, home))

    release()
    reindex.reindex_all()

    assert tallies.total(petition.pk) == 2
    assert not tallies.differences(petition.pk)
    assert len({bytes(row.petition_mailbox_ix) for row in Signer.objects.all()}) == 1


def test_reindexing_lets_no_removed_signature_displace_a_confirmed_one(
    petition: Petition, release: Release, moderator: User
) -> None:
    removed = sign_and_confirm(petition, who("a.mina"))
    decisions.decide(
        kind="remove",
        petition=petition,
        ids=[removed.pk],
        reason="duplicate",
        note="",
        actor=moderator,
    )
    standing = sign_and_confirm(petition, who("amina"))

    release()
    reindex.reindex_all()

    assert (state(removed), state(standing)) == ("removed", "confirmed")
    assert tallies.total(petition.pk) == 1


def test_reindexing_updates_a_pending_signature_and_its_mail(
    petition: Petition, release: Release
) -> None:
    sign_and_confirm(petition, who("amina"))
    pending = sign(petition, who("a.mina"))

    release()
    reindex.reindex_all()

    wanted = sealing.indexes_of(petition.pk, sealing.person_of(who("amina")), is_pending=True)
    assert bytes(Mail.objects.get(signature=pending).global_mailbox_ix) == wanted.global_mailbox
    assert confirm(pending) is Outcome.ALREADY
    assert tallies.total(petition.pk) == 1


def test_reindexing_leaves_signers_at_other_domains_unchanged(
    petition: Petition, release: Release
) -> None:
    elsewhere = Attempt(
        name="Amina", email="a.mina@example.org", postcode="M145RX", name_use="government"
    )
    signature = sign_and_confirm(petition, elsewhere)
    before = Signer.objects.get(pk=signature.pk)

    release()
    job = reindex.reindex_all()

    after = Signer.objects.get(pk=signature.pk)
    assert (job.done, job.moved) == (1, 0)
    assert bytes(after.petition_mailbox_ix) == bytes(before.petition_mailbox_ix)


def test_new_alias_rules_apply_at_once_to_new_and_by_reindexing_to_old_signatures(
    petition: Petition, release: Release
) -> None:
    confirmed_days_ago(sign_and_confirm(petition, who("amina")), 2)
    late = sign_and_confirm(petition, who("a.mina"))
    release()
    assert confirm(sign(petition, who("am.ina"))) is Outcome.ALREADY
    assert tallies.total(petition.pk) == 2

    reindex.reindex_all()

    assert state(late) == State.HELD
    assert tallies.total(petition.pk) == 1


def test_reindexing_resumes_after_a_crash(
    petition: Petition, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.mina", "amina", "b.ashir", "bashir", "c.arys"):
        sign_and_confirm(petition, who(name))
    monkeypatch.setattr(reindex, "BATCH", 1)
    release()
    interrupt_after(3)
    interrupted = Reindexing.objects.unfinished().get()
    assert 0 < interrupted.fraction < 1

    resumed = reindex.reindex_all()

    assert resumed == interrupted
    assert resumed.done == 5
    assert tallies.total(petition.pk) == 3
    assert not tallies.differences(petition.pk)


def interrupt_after(signers: int) -> None:
    """Reindex until this many signers are done, then fail as if killed."""

    def crash(_fraction: float) -> None:
        if Reindexing.objects.unfinished().get().done == signers:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reindex.reindex_all(crash)


def test_reindexing_interrupted_under_older_rules_starts_again(
    petition: Petition, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signers behind its cursor were reindexed under outdated rules."""
    for name in ("a.mina", "amina", "b.ashir", "bashir"):
        sign_and_confirm(petition, who(name))
    monkeypatch.setattr(reindex, "BATCH", 1)
    interrupt_after(3)

    release()
    job = reindex.reindex_all()

    assert (job.done, job.held) == (4, 2)
    assert not Reindexing.objects.unfinished().exists()
    assert tallies.total(petition.pk) == 2


def test_health_and_migrate_ask_for_reindexing_after_the_alias_rules_change(
    petition: Petition, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_and_confirm(petition, who("a.mina"))
    assert asked_to_compare(capsys) == (False, False)

    release()
    assert asked_to_compare(capsys) == (True, True)

    call_command("reindex_mailboxes")
    assert asked_to_compare(capsys) == (False, False)


def asked_to_compare(capsys: pytest.CaptureFixture[str]) -> tuple[bool, bool]:
    """Return whether `manage.py health`, and the check run by `migrate`, ask for a reindexing."""
    capsys.readouterr()
    call_command("check", databases=["default"])
    said = capsys.readouterr().err
    part = monitoring.look()["mailboxes"]
    return part["state"] == "compare", "manage.py reindex_mailboxes" in said


def test_a_site_without_signatures_needs_no_reindexing(
    db: None, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    release()
    assert asked_to_compare(capsys) == (False, False)


def _meanwhile(action: Callable[[], object]) -> None:
    """Run a function on another connection, and wait for its end."""
    failures = []

    def run() -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=20)
    assert not failures


def _wait_for_somebody_who_waits() -> None:
    deadline = time.monotonic() + 10
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits for the mailbox")


def _while_it_moves(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> object:
    """Start a function on another connection while signers are moved, and wait for both."""
    settle, results = reindex._settle, []

    def act() -> None:
        try:
            results.append(action())
        finally:
            connections.close_all()

    thread = threading.Thread(target=act)

    def settle_late(*args: Any) -> int:
        if not thread.ident:
            thread.start()
            _wait_for_somebody_who_waits()
        return settle(*args)

    monkeypatch.setattr(reindex, "_settle", settle_late)
    reindex.reindex_all()
    thread.join(timeout=20)
    return results[0]


@pytest.mark.django_db(transaction=True)
def test_a_confirmation_during_reindexing_uses_the_new_mailbox_index(
    petition: Petition, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_and_confirm(petition, who("amina"))
    pending = sign(petition, who("a.mina", name="Carys Example", postcode="CF101AA"))

    release()

    outcome = _while_it_moves(monkeypatch, lambda: confirm(pending))

    assert outcome is Outcome.OTHER_HOME
    assert tallies.total(petition.pk) == 1


@pytest.mark.django_db(transaction=True)
def test_a_withdrawal_while_reindexing_moves_the_mailbox_erases_the_signer(
    petition: Petition, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature = sign_and_confirm(petition, who("a.mina"))

    release()

    is_done = _while_it_moves(monkeypatch, lambda: withdraw.withdraw(signature_id=signature.pk))

    assert is_done
    assert not Signer.objects.exists()
    assert tallies.total(petition.pk) == 0


@pytest.mark.django_db(transaction=True)
def test_reindexing_does_not_restore_a_signer_who_withdraws_meanwhile(
    petition: Petition, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = sign_and_confirm(petition, who("a.mina"))
    stays = sign_and_confirm(petition, who("b.ashir"))
    release()
    lock, done = locks.lock_mailboxes, list[UUID]()

    def late(indexes: object) -> None:
        if not done:
            done.append(gone.pk)
            _meanwhile(lambda: withdraw.withdraw(signature_id=gone.pk))
        lock(indexes)  # type: ignore[arg-type]

    monkeypatch.setattr("petitions.infra.locks.lock_mailboxes", late)

    job = reindex.reindex_all()

    assert [row.pk for row in Signer.objects.all()] == [stays.pk]
    assert job.moved == 1
    assert tallies.total(petition.pk) == 1


@pytest.mark.django_db(transaction=True)
def test_running_reindex_mailboxes_again_changes_nothing(
    petition: Petition, release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    sign_and_confirm(petition, who("a.mina"))
    sign_and_confirm(petition, who("amina"))
    release()

    call_command("reindex_mailboxes")
    assert "Looked at 2: 1 changed, 1 of them held" in capsys.readouterr().out
    call_command("reindex_mailboxes")
    assert "Looked at 2: 0 changed, 0 of them held" in capsys.readouterr().out
    assert Reindexing.objects.exclude(finished_at=None).count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_second_concurrent_run_of_reindex_mailboxes_is_refused(petition: Petition) -> None:
    refused = []

    def command() -> None:
        with pytest.raises(CommandError, match="comparing mailboxes now"):
            call_command("reindex_mailboxes")
        refused.append(True)

    with locks.lease(reindex.JOB) as is_acquired:
        assert is_acquired
        _meanwhile(command)

    assert refused


def test_the_signature_page_shows_why_reindexing_held_it(
    petition: Petition, release: Release, moderator: User, client: Client
) -> None:
    confirmed_days_ago(sign_and_confirm(petition, who("a.mina")), 1)
    held = sign_and_confirm(petition, who("amina"))
    release()
    reindex.reindex_all()
    client.force_login(moderator)

    page = client.get(f"/admin/petitions/signature/{held.pk}/change/").content.decode()

    assert "the same person signed more than once" in page
    assert "Other people have signed with the same mailbox." in page


def test_a_persistent_integrity_error_fails_the_reindexing_after_limited_retries(
    petition: Petition, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_and_confirm(petition, who("a.mina"))
    release()
    tries = []

    def collide(*_args: object) -> set[UUID]:
        tries.append(1)
        raise IntegrityError

    monkeypatch.setattr(reindex, "_move_signers", collide)
    with pytest.raises(IntegrityError):
        reindex.reindex_all()
    assert len(tries) == reindex.MAX_COLLISIONS + 1
    assert Reindexing.objects.unfinished().get().state == Reindexing.State.FAILED
