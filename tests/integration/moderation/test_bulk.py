"""Bulk decisions: previewed, started, approved, run in batches, cancelled, resumed, and undone."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.models import AuditRecord, BulkDecision, Decision, Petition, Signature, Signer, jobs
from petitions.moderation import bulk, decisions
from petitions.moderation.selection import Selection
from petitions.signatures import lifecycle, withdraw
from petitions.signers import sealing
from petitions.staff.refusal import Refused
from petitions.staff.roles import MODERATORS
from tests.held import hold_one
from tests.people import AMINA, confirm, sign, sign_and_confirm, somebody

pytestmark = pytest.mark.django_db(transaction=True)
WHY: dict[str, Any] = {"reason": "automated", "note": ""}
State = BulkDecision.State


@pytest.fixture
def second(db: None) -> User:
    user = User.objects.create_user("second", is_staff=True)
    user.groups.add(Group.objects.get(name=MODERATORS))
    return user


@pytest.fixture
def signed(petition: Petition) -> list[UUID]:
    """Five confirmed signatures, in the order in which batches read them."""
    return sorted(sign_and_confirm(petition, somebody(n)).pk for n in range(5))


@pytest.fixture
def batches_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)


def _preview(
    petition: Petition, actor: User, kind: str = "remove", **conditions: Any
) -> bulk.Preview:
    chosen = Selection(petition_id=petition.pk, **(conditions or {"created_from": LONG_AGO}))
    return bulk.preview(selection=chosen, kind=kind, actor=actor, **WHY)


LONG_AGO = timezone.now() - timedelta(days=9)


def _start(preview: bulk.Preview) -> BulkDecision:
    assert preview.job.actor
    assert bulk.start(job=preview.job, actor=preview.job.actor, screen="test")
    return preview.job


def _run(job: BulkDecision) -> BulkDecision:
    bulk.run_due()
    job.refresh_from_db()
    return job


def _states(ids: list[UUID]) -> list[str]:
    rows = dict(Signature.objects.filter(pk__in=ids).values_list("pk", "state"))
    return [rows[pk] for pk in ids]


def _by_clock() -> list[tuple[str, str]]:
    """Return the audit records without an actor, with their objects."""
    records = AuditRecord.objects.filter(actor=None).exclude(why="")
    return list(records.values_list("action", "object_id"))


def test_a_bulk_preview_shows_number_effect_and_sample_without_changes(
    petition: Petition, moderator: User, signed: list[UUID]
) -> None:
    held, pending = hold_one(petition, AMINA), sign(petition, somebody(9))

    preview = _preview(petition, moderator)

    assert (preview.number, preview.effect) == ((7, True), -5)
    assert {one.pk for one in preview.sample} == {*signed, held.pk, pending}
    assert _states(signed) == ["confirmed"] * 5
    approval = _preview(petition, moderator, kind="approve")
    assert (approval.number, approval.effect) == ((1, True), 1)


def test_a_bulk_preview_stops_counting_at_its_limit(
    petition: Petition, moderator: User, signed: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_COUNTED", 3)

    preview = _preview(petition, moderator)

    assert str(preview.number) == "more than 3"
    # So many may be any number: somebody else looks at it.
    assert bulk.needs_approval(preview.job)


def test_a_bulk_decision_fails_if_the_domain_of_its_example_signature_has_changed(
    petition: Petition, moderator: User, second: User, settings: Any, signed: list[UUID]
) -> None:
    settings.BULK_DECISION_APPROVAL_FROM = 1
    named, *others = signed
    today = timezone.now().date()
    Signer.objects.filter(pk__in=others).update(domain_ix=sealing.domain_index("@gmail.com", today))
    job = _preview(petition, moderator, same_domain_as=(named,)).job
    assert not bulk.start(job=job, actor=moderator, screen="test")
    bulk.approve(job=job, actor=second, screen="test")

    Signer.objects.filter(pk=named).update(domain_ix=sealing.domain_index("@gmail.com", today))

    assert (_run(job).state, job.done) == (State.FAILED, 0)
    assert _states(signed) == ["confirmed"] * 5


def test_a_bulk_preview_without_matches_is_refused_and_stores_no_draft(
    petition: Petition, moderator: User, signed: list[UUID]
) -> None:
    with pytest.raises(Refused, match="No signature matches that this decision could change"):
        _preview(petition, moderator, kind="approve")
    assert not BulkDecision.objects.exists()


def test_people_are_not_erased_in_bulk(
    petition: Petition, moderator: User, signed: list[UUID]
) -> None:
    with pytest.raises(Refused, match="Open each signature"):
        _preview(petition, moderator, kind="erase")


def test_a_bulk_decision_runs_in_batches_and_is_stored_as_one_decision(
    petition: Petition, moderator: User, signed: list[UUID], batches_of_two: None
) -> None:
    job = _run(_start(_preview(petition, moderator)))

    assert (job.state, job.done, job.skipped, job.fraction) == ("done", 5, 0, 1.0)
    assert _states(signed) == ["removed"] * 5
    assert tallies.total(petition.pk) == 0
    assert not tallies.differences(petition.pk)
    decision = Decision.objects.get()
    assert job.decision == decision
    assert (decision.kind, decision.reason, decision.actor) == ("remove", "automated", moderator)
    assert decision.items.count() == 5
    assert [record.action for record in AuditRecord.objects.all()] == [
        "decided",
        "bulk-started",
    ]


def test_a_bulk_decision_can_be_undone_and_redone_as_a_whole(
    petition: Petition, moderator: User, signed: list[UUID], batches_of_two: None
) -> None:
    done = _run(_start(_preview(petition, moderator)))
    # A later decision about one of them stands.
    decisions.decide(kind="restore", petition=petition, ids=signed[:1], actor=moderator, **WHY)
    assert done.decision

    undo = bulk.preview_undo(decision=done.decision, note="", actor=moderator)
    assert (undo.number, undo.effect) == ((4, True), 4)
    undone = _run(_start(undo))

    assert (undone.state, undone.done) == ("done", 4)
    assert _states(signed) == ["confirmed"] * 5
    assert undone.decision
    assert undone.decision.undoes == done.decision
    assert undone.decision.title == "undone: remove"
    undo_again = bulk.preview_undo(decision=undone.decision, note="", actor=moderator)
    assert undo_again.effect == -4
    again = _run(_start(undo_again))
    assert _states(signed) == ["confirmed", *["removed"] * 4]
    assert again.decision
    assert again.decision.title == "done again: remove"
    assert not tallies.differences(petition.pk)


def test_a_bulk_restore_preview_shows_how_many_signatures_will_count_again(
    petition: Petition, moderator: User, signed: list[UUID]
) -> None:
    removed = [*signed[:2], sign(petition, somebody(9))]
    decisions.decide(kind="remove", petition=petition, ids=removed, actor=moderator, **WHY)

    preview = _preview(petition, moderator, kind="restore")

    assert (preview.number, preview.effect) == ((3, True), 2)


def test_a_large_bulk_restore_preview_predicts_no_effect_on_the_total(
    petition: Petition, moderator: User, signed: list[UUID], client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    decisions.decide(kind="remove", petition=petition, ids=signed[:3], actor=moderator, **WHY)
    monkeypatch.setattr(bulk, "MAX_EFFECT_ROWS", 2)

    preview = _preview(petition, moderator, kind="restore")

    assert preview.effect is None
    client.force_login(moderator)
    page = client.get(f"/admin/petitions/bulkdecision/{preview.job.pk}/change/").content.decode()
    assert "depends on the earlier status of each" in page


def test_a_bulk_decision_skips_signatures_changed_since_its_preview(
    petition: Petition, moderator: User, second: User, signed: list[UUID]
) -> None:
    pending = sign(petition, somebody(8))
    preview = _preview(petition, moderator)
    assert preview.number.n == 6
    # Somebody held and approved the first again, withdrew the second, confirmed the pending one.
    for kind in ("hold", "approve"):
        decisions.decide(kind=kind, petition=petition, ids=signed[:1], actor=second, **WHY)
    withdraw.withdraw(signature_id=signed[1])
    confirm(pending)
    new = sign_and_confirm(petition, somebody(7)).pk

    job = _run(_start(preview))

    assert (job.done, job.skipped, job.count_change) == (3, 3, -3)
    assert bulk.summary(job) == (
        "3 signatures changed. The count fell by 3. Nobody gets an email. "
        "3 left alone, because they changed after the preview."
    )
    assert _states(signed) == ["confirmed", "withdrawn", *["removed"] * 3]
    assert _states([pending, new]) == ["confirmed", "confirmed"]
    assert not tallies.differences(petition.pk)


def test_a_decision_skips_and_reports_rows_decided_by_a_colleague_meanwhile(
    petition: Petition, moderator: User, second: User, signed: list[UUID]
) -> None:
    seen = decisions.watermark()
    for kind in ("remove", "restore"):
        decisions.decide(kind=kind, petition=petition, ids=signed[:1], actor=second, **WHY)

    done = decisions.decide(
        kind="hold", petition=petition, ids=signed[:2], actor=moderator, seen=seen, **WHY
    )

    assert _states(signed[:2]) == ["confirmed", "held"]
    assert done.overtaken == {signed[0]}
    assert (
        "1 left alone, because somebody has decided about them since: remove (second), rest"
        in done.summary()
    )


def test_approving_a_pending_signature_changes_nothing_and_explains_why(
    petition: Petition, moderator: User
) -> None:
    ids = [sign(petition, somebody(1))]

    done = decisions.decide(kind="approve", petition=petition, ids=ids, actor=moderator, **WHY)

    assert not done.signatures
    assert done.summary() == (
        "Nothing was changed. 1 left alone: waiting for confirmation. "
        "Only its signer can confirm a signature that waits for confirmation."
    )
    assert not Decision.objects.exists()


def test_a_bulk_decision_about_everything_requires_typing_its_number(
    petition: Petition, moderator: User, signed: list[UUID]
) -> None:
    job = _preview(petition, moderator, is_everything=True).job
    for typed in (None, 4):
        with pytest.raises(Refused, match="type their number: 5"):
            bulk.start(job=job, actor=moderator, screen="test", typed=typed)
    job.matching = 12_345
    with pytest.raises(Refused, match="type their number: 12,345"):
        bulk.start(job=job, actor=moderator, screen="test", typed=5)

    job.matching = 5
    assert bulk.start(job=job, actor=moderator, screen="test", typed=5)


def test_a_bulk_preview_is_started_once_within_a_day_by_its_author_only(
    petition: Petition, moderator: User, second: User, signed: list[UUID]
) -> None:
    job = _preview(petition, moderator).job
    with pytest.raises(Refused, match="Only the moderator who made this preview"):
        bulk.start(job=job, actor=second, screen="test")
    BulkDecision.objects.update(created_at=timezone.now() - timedelta(hours=25))
    with pytest.raises(Refused, match="more than a day old"):
        bulk.start(job=job, actor=moderator, screen="test")
    BulkDecision.objects.update(created_at=timezone.now())
    assert bulk.start(job=job, actor=moderator, screen="test")
    with pytest.raises(Refused, match="already been started or stopped"):
        bulk.start(job=job, actor=moderator, screen="test")


def test_a_large_bulk_decision_requires_the_approval_of_a_second_moderator(
    petition: Petition, moderator: User, second: User, signed: list[UUID], settings: Any
) -> None:
    settings.BULK_DECISION_APPROVAL_FROM = 5
    preview = _preview(petition, moderator)
    assert bulk.needs_approval(preview.job)
    assert not bulk.start(job=preview.job, actor=moderator, screen="test")
    BulkDecision.objects.update(created_at=timezone.now() - timedelta(minutes=31))
    assert _run(preview.job).state == State.AWAITING
    # Not "stop": the button of the page says "Cancel".
    with pytest.raises(Refused, match=r"Somebody else .*"):
        bulk.approve(job=preview.job, actor=moderator, screen="test")
    nobody = User.objects.create_user("nobody", is_staff=True)
    with pytest.raises(PermissionDenied, match="approve_bulkdecision"):
        bulk.approve(job=preview.job, actor=nobody, screen="test")

    bulk.approve(job=preview.job, actor=second, screen="test")

    assert preview.job.approver == second
    assert _run(preview.job).state == State.DONE


def test_a_large_bulk_decision_of_a_sole_moderator_starts_after_half_an_hour(
    petition: Petition, moderator: User, signed: list[UUID], settings: Any
) -> None:
    settings.BULK_DECISION_APPROVAL_FROM = 2
    one, other = (_preview(petition, moderator, ids=(pk, signed[2])).job for pk in signed[:2])
    for job in (one, other):
        bulk.start(job=job, actor=moderator, screen="test")
    assert _run(one).state == State.AWAITING
    bulk.cancel(job=other, actor=moderator, screen="test")

    # An old preview, started just now, still leaves half an hour for others to cancel it.
    BulkDecision.objects.update(created_at=timezone.now() - timedelta(minutes=31))
    assert _run(one).state == State.AWAITING

    BulkDecision.objects.update(awaiting_since=timezone.now() - timedelta(minutes=31))
    assert (_run(one).state, _run(other).state) == (State.DONE, State.CANCELLED)
    assert _by_clock() == [("bulk-approved", str(one.pk))]


def test_a_waiting_bulk_decision_is_mailed_once_without_naming_the_petition(
    petition: Petition, moderator: User, second: User, signed: list[UUID], settings: Any
) -> None:
    settings.BULK_DECISION_APPROVAL_FROM = 5
    User.objects.filter(pk=second.pk).update(email="second@example.org")
    job = _preview(petition, moderator).job
    job.matching = 12_345
    job.save()
    bulk.start(job=job, actor=moderator, screen="test")

    for _sweep in range(2):
        bulk.run_due()

    (message,) = mail.outbox
    assert message.to == ["second@example.org"]
    assert "about many signatures: 12,345." in message.body
    assert "waits until a second moderator approves it" in message.body
    assert "Protect" not in f"{message.subject} {message.body}"


def test_bulk_drafts_are_deleted_and_waiting_bulk_decisions_cancelled_after_a_day(
    petition: Petition, moderator: User, signed: list[UUID], settings: Any
) -> None:
    draft = _preview(petition, moderator).job
    settings.BULK_DECISION_APPROVAL_FROM = 1
    waiting = _preview(petition, moderator).job
    BulkDecision.objects.update(created_at=timezone.now() - timedelta(hours=23))
    bulk.start(job=waiting, actor=moderator, screen="test")
    BulkDecision.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert _run(waiting).state == State.AWAITING
    BulkDecision.objects.update(awaiting_since=timezone.now() - timedelta(hours=25))

    assert _run(waiting).state == State.CANCELLED
    assert not BulkDecision.objects.filter(pk=draft.pk).exists()
    assert _by_clock() == [("bulk-cancelled", str(waiting.pk))]


def test_a_cancelled_bulk_decision_stops_after_its_batch_and_can_be_undone(
    petition: Petition, moderator: User, second: User, signed: list[UUID], batches_of_two: None
) -> None:
    job = _start(_preview(petition, moderator))
    bulk._batch(job)
    bulk.cancel(job=BulkDecision.objects.get(), actor=second, screen="test")

    assert _run(job).state == State.CANCELLED

    assert _states(signed) == [*["removed"] * 2, *["confirmed"] * 3]
    assert job.decision
    decisions.undo(decision=job.decision, note="", actor=second)
    assert _states(signed) == ["confirmed"] * 5
    with pytest.raises(Refused, match="has already ended"):
        bulk.cancel(job=job, actor=second, screen="test")


def test_a_bulk_decision_fails_when_its_moderator_loses_permission(
    petition: Petition, moderator: User, signed: list[UUID], batches_of_two: None
) -> None:
    job = _start(_preview(petition, moderator))
    bulk._batch(job)
    moderator.groups.clear()

    assert _run(job).state == State.FAILED

    assert job.error == "rights-ended"
    assert "the moderator who started it may no longer moderate" in bulk.summary(job)
    assert _states(signed) == [*["removed"] * 2, *["confirmed"] * 3]


def test_a_bulk_decision_fails_if_its_example_signature_has_no_network_any_more(
    petition: Petition, moderator: User, signed: list[UUID]
) -> None:
    Signer.objects.update(network_ix=b"n" * 16)
    job = _start(_preview(petition, moderator, same_network_as=signed[0]))
    Signer.objects.update(network_ix=None)

    assert (_run(job).state, job.error) == (State.FAILED, "unselectable")
    assert _states(signed) == ["confirmed"] * 5


def test_database_errors_are_retried_and_other_errors_end_the_job(
    petition: Petition, moderator: User, signed: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _start(_preview(petition, moderator))
    move = lifecycle.move
    monkeypatch.setattr(lifecycle, "move", Mock(side_effect=OperationalError))
    with pytest.raises(OperationalError):
        bulk.run_due()
    job.refresh_from_db()
    assert job.state == State.RUNNING
    monkeypatch.setattr(lifecycle, "move", Mock(side_effect=tallies.TallyBroken))
    with pytest.raises(tallies.TallyBroken):
        bulk.run_due()
    job.refresh_from_db()
    assert (job.state, job.error) == (State.FAILED, "TallyBroken")
    monkeypatch.setattr(lifecycle, "move", move)
    assert _states(signed) == ["confirmed"] * 5


@pytest.mark.usefixtures("batches_of_two")
@pytest.mark.parametrize("is_signing", [True, False])
def test_a_bulk_job_pauses_between_batches_while_people_sign(
    petition: Petition,
    moderator: User,
    signed: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
    is_signing: bool,
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(jobs, "sleep", rests.append)
    # A busy machine takes longer than people do.
    monkeypatch.setattr(bulk, "SIGNING_WINDOW", timedelta(minutes=10))
    ago = timedelta() if is_signing else timedelta(minutes=11)
    pending = Signature.objects.filter(pk=sign(petition, somebody(99)))
    pending.update(created_at=timezone.now() - ago)
    job = _start(_preview(petition, moderator, state="confirmed", is_abroad=False))
    started = time.monotonic()
    bulk.run_due()
    took = time.monotonic() - started
    job.refresh_from_db()
    assert (job.state, job.done) == (State.DONE, len(signed))
    assert len(rests) > 1
    assert all(bool(one) is is_signing for one in rests)
    assert sum(rests) <= bulk.REST_FACTOR * took


def test_a_bulk_run_out_of_time_leaves_the_rest_to_the_next_run(
    petition: Petition, moderator: User, signed: list[UUID], batches_of_two: None
) -> None:
    job = _start(_preview(petition, moderator))

    bulk.run_due(seconds=0)
    job.refresh_from_db()
    assert (job.state, job.done) == (State.RUNNING, 0)

    assert (_run(job).state, job.done) == (State.DONE, 5)


def test_a_refused_staff_address_does_not_block_the_bulk_mail_to_colleagues(
    petition: Petition, moderator: User, second: User, signed: list[UUID], settings: Any,
    refuse_address: Callable[[str], None],
) -> None:  # fmt: skip
    settings.BULK_DECISION_APPROVAL_FROM = 5
    User.objects.filter(pk=moderator.pk).update(email="gone@example.org")
    User.objects.filter(pk=second.pk).update(email="second@example.org")
    refuse_address("gone@example.org")
    bulk.start(job=_preview(petition, moderator).job, actor=moderator, screen="test")

    for _sweep in range(3):
        bulk.run_due()

    assert [message.to for message in mail.outbox] == [["second@example.org"]]
