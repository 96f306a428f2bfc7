"""Versions of petition texts, publishing from the admin, and automatic deletion."""

import threading
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connections
from django.db.models import DateTimeField
from django.test import Client
from django.utils import timezone

from campaign.models import Statement, StatementText
from petitions import tasks
from petitions.counting import tallies
from petitions.infra.locks import lease
from petitions.models import (
    Alert,
    BulkDecision,
    Mail,
    Objection,
    Organisation,
    Petition,
    PetitionText,
    Signature,
    Signer,
    Tally,
)
from petitions.moderation import decisions
from petitions.privacy import retention
from tests import closing
from tests.people import AMINA, DAVID, sign, sign_and_confirm
from tests.pressing import press


def test_a_new_version_is_shown_and_old_signatures_keep_theirs(
    petition: Petition, client: Client
) -> None:
    old = sign_and_confirm(petition, AMINA)
    PetitionText.objects.create(
        petition=petition, version=2, language="en", title="Protect people now",
        addressee="the British Government", ask="Now.", published_at=timezone.now(),
    )  # fmt: skip
    page = client.get("/petitions/protect/").content.decode()
    assert "Protect people now" in page
    assert 'name="text_version" value="2"' in page
    assert old.text_version == 1


def test_an_organiser_publishes_a_draft_from_the_admin(
    petition: Petition, organiser: User, client: Client
) -> None:
    Petition.objects.update(state=Petition.State.DRAFT, opens_at=None)
    PetitionText.objects.update(published_at=None)
    client.force_login(organiser)
    press(client, petition, "open")
    assert client.get("/petitions/protect/").status_code == 200


def test_a_petition_opens_only_with_an_organisation_a_contact_and_a_text(
    petition: Petition, organiser: User, client: Client
) -> None:
    Organisation.objects.update(name="", privacy_email="")
    Petition.objects.update(state=Petition.State.DRAFT)
    PetitionText.objects.all().delete()
    client.force_login(organiser)

    page = press(client, petition, "open")

    for reason in ("organisation’s name", "privacy contact", "at least one language"):
        assert reason in page
    assert Petition.objects.get().state == Petition.State.DRAFT


def test_the_first_statement_published_in_the_admin_is_the_front_page(
    organiser: User, client: Client
) -> None:
    statement = Statement.objects.create(slug="first")
    StatementText.objects.create(statement=statement, language="en", title="First", body="Words.")
    client.force_login(organiser)
    client.post(
        "/admin/campaign/statement/",
        {"action": "publish", "_selected_action": [str(statement.pk)]},
    )
    assert "First" in client.get("/").content.decode()


def test_unconfirmed_signatures_are_deleted_after_two_weeks(petition: Petition) -> None:
    sign(petition, AMINA)
    kept = sign_and_confirm(petition, DAVID)
    Signature.objects.update(created_at=timezone.now() - timedelta(days=15))

    assert retention.delete_expired_pending() == 1

    assert list(Signature.objects.all()) == [kept]
    assert Signer.objects.count() == 1
    assert Mail.objects.exclude(signature=None, sealed=None).count() == 1


def test_signers_are_erased_half_a_year_after_the_close_and_totals_remain(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_and_confirm(petition)
    closing.close(petition, days_ago=0)
    closed_at = Petition.objects.values_list("closed_at", flat=True).get()
    assert closed_at

    def pass_since_the_close(**time: int) -> None:
        now = closed_at + timedelta(**time)
        monkeypatch.setattr(timezone, "now", lambda: now)

    # The sweep that gives notice runs each day.
    for day in range(170, 183):
        pass_since_the_close(days=day)
        retention.apply()
    pass_since_the_close(days=183, seconds=-1)
    assert retention.erase_after_close() == 0
    assert Signer.objects.exists()
    pass_since_the_close(days=183)
    assert retention.erase_after_close() == 1

    assert not Signer.objects.exists()
    # Mails stay for a week without personal data, for the figures that staff see.
    assert not Mail.objects.exclude(signature=None, sealed=None).exists()
    assert tallies.total(petition.pk) == 1


def test_closing_by_hand_sets_the_closing_time(petition: Petition) -> None:
    petition.state = Petition.State.CLOSED
    petition.save()
    assert petition.closes_at
    assert not petition.is_accepting()


# Times of acts of staff and of publications, never about a signer. Audit records refuse the changes
# that this test makes, and are also cut to the day: see test_audit.py.
TIMES_OF_THE_HOUSE = {
    "admin.LogEntry", "auth.User", "campaign.DraftLink", "campaign.StatementCorrection",
    "campaign.StatementText",
    "petitions.AuditRecord",
    "petitions.Authenticator", "petitions.Erasure", "petitions.ErasureStop",
    "petitions.Export", "petitions.Lease",
    "petitions.LoginFailure", "petitions.News", "petitions.Petition", "petitions.PetitionText",
    "petitions.PlaceFile",
    "petitions.Reindexing", "petitions.Rule", "petitions.TextCorrection", "sessions.Session",
    # When a moderator was mailed about alerts, and when a petition's figures were counted.
    "petitions.AlertMail", "petitions.Figures",
    # Counts without personal data, deleted after a day.
    "petitions.ActivityMinute",
    # When an organiser checked DNS.
    "petitions.SenderCheck",
    # Deleted once it is sent.
    "petitions.StaffMail",
    # Deleted after they expire, at most an hour after use.
    "petitions.UsedNonce", "petitions.RateCount",
}  # fmt: skip


# Rows with these are deleted within hours (a disowned form), or are about staff only.
NOT_CUT = {"seen_at", "disowned_at"}


def test_after_72_hours_no_table_holds_a_time_finer_than_the_day(
    petition: Petition, moderator: User
) -> None:
    signature = sign_and_confirm(petition)
    decisions.decide(
        kind="hold", petition=petition, ids=[signature.pk], reason="other", note="", actor=moderator
    )
    Objection.objects.create(ix=b"i" * 16, key_id=1, reason=Objection.Reason.NO_MAIL)
    Alert.objects.create(petition=petition, kind=Alert.Kind.BURST, network_ix=b"n" * 16, number=20)
    BulkDecision.objects.create(
        petition=petition,
        kind="hold",
        reason="other",
        state="done",
        conditions={
            "state": "held",
            "created_from": "2026-01-01T10:03:00+00:00",
            "meant": ["0123456789abcdef"],
        },
        finished_at=timezone.now(),
    )
    Mail.objects.update(state=Mail.State.SENT)
    moment = timezone.now() - timedelta(hours=80)
    tables = {
        model: [field.name for field in model._meta.fields if isinstance(field, DateTimeField)]
        for model in apps.get_models()
        if model._meta.label not in TIMES_OF_THE_HOUSE
    }
    for model, names in tables.items():
        for name in set(names) - NOT_CUT:
            assert model._default_manager.update(**{name: moment}) == 1, model

    assert retention.truncate_timestamps() == 12
    assert retention.truncate_timestamps() == 0
    assert BulkDecision.objects.get().conditions == {"state": "held"}

    for model, names in tables.items():
        for name in set(names) - NOT_CUT:
            (moment,) = model._default_manager.values_list(name, flat=True)
            assert timezone.localtime(moment).strftime("%H:%M:%S.%f") == "00:00:00.000000"


def test_bounce_objections_expire_and_no_mail_objections_are_kept(
    petition: Petition,
) -> None:
    for days, reason in ((31, "bounced"), (29, "bounced"), (400, "no-mail")):
        row = Objection.objects.create(ix=bytes([days % 256]) * 16, key_id=1, reason=reason)
        created_at = timezone.now() - timedelta(days=days)
        Objection.objects.filter(pk=row.pk).update(created_at=created_at)

    retention.apply()

    left = Objection.objects.order_by("reason").values_list("reason", flat=True)
    assert [*left] == ["bounced", "no-mail"]


def test_recent_timestamps_are_not_truncated(petition: Petition) -> None:
    sign_and_confirm(petition)
    assert retention.truncate_timestamps() == 0


def test_the_nightly_task_repairs_and_logs_a_wrong_count(
    petition: Petition, caplog: pytest.LogCaptureFixture
) -> None:
    sign_and_confirm(petition)
    Tally.objects.update(n=7)

    tasks.check_tallies()

    assert tallies.total(petition.pk) == 1
    assert "the count of protect was wrong" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_lease_prevents_a_sweep_from_running_twice_at_once(petition: Petition) -> None:
    seen = []

    def elsewhere() -> None:
        with lease("apply-retention") as is_alone:
            seen.append(is_alone)
        connections.close_all()

    with lease("apply-retention") as is_alone:
        seen.append(is_alone)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join(timeout=10)
    elsewhere()

    assert seen == [True, False, True]


def test_the_check_tallies_command_reports_and_repairs_a_wrong_count(petition: Petition) -> None:
    sign_and_confirm(petition)
    Tally.objects.update(n=5)

    with pytest.raises(CommandError, match="--repair"):
        call_command("check_tallies")
    call_command("check_tallies", repair=True)

    assert tallies.total(petition.pk) == 1
