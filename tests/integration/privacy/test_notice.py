"""Seven days' notice before signers are erased: scheduled, announced, stopped, released."""

import logging
import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail as sent
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from petitions import tasks
from petitions.counting import tallies
from petitions.mail.letters import Letter
from petitions.models import AuditRecord, Erasure, ErasureStop, Organisation, Petition, Signer
from petitions.privacy import erasure_notice, retention
from petitions.privacy.erasure_notice import Outcome
from petitions.publishing import opening
from tests.closing import DAY, close, pass_days, schedule
from tests.people import DAVID, sign_and_confirm
from tests.racing import race

HOME = "/admin/"
SURE = {"reason": "A court asked for the list.", "sure": "on"}


def decide(client: Client, way: str, **answers: str) -> Any:
    erasure = Erasure.objects.get()
    return client.post(f"/admin/petitions/erasure/{erasure.pk}/{way}/decide/", answers)


def home(client: Client, user: User) -> str:
    client.force_login(user)
    return " ".join(client.get(HOME).content.decode().split())


# --- The schedule ----------------------------------------------------------------------------


def test_the_first_sweep_schedules_the_erasure_in_seven_days(petition: Petition) -> None:
    sign_and_confirm(petition)
    close(petition, days_ago=184)

    retention.apply()
    retention.apply()

    assert Signer.objects.count() == 1
    left = Erasure.objects.get().erasure_due_at - timezone.now()
    assert timedelta(days=6, hours=23) < left <= 7 * DAY


def test_an_erasure_is_due_when_the_promised_retention_period_ends(petition: Petition) -> None:
    sign_and_confirm(petition)
    close(petition, days_ago=175)
    retention.apply()
    petition.refresh_from_db()
    assert petition.closed_at
    assert Erasure.objects.get().erasure_due_at == petition.closed_at + retention.KEPT_AFTER_CLOSE


@pytest.mark.parametrize("days_ago", [0, 174])
def test_no_erasure_is_scheduled_before_the_notice_period(
    petition: Petition, days_ago: int
) -> None:
    sign_and_confirm(petition)
    close(petition, days_ago=days_ago)
    retention.apply()
    assert not Erasure.objects.exists()


def test_signers_are_erased_after_seven_days_of_notice_and_totals_stay(
    petition: Petition,
) -> None:
    sign_and_confirm(petition)
    schedule(petition)

    pass_days(6)
    assert Signer.objects.count() == 1
    pass_days(1)
    assert not Signer.objects.exists()
    assert tallies.total(petition.pk) == 1
    assert not Erasure.objects.exists()

    retention.apply()
    assert not Erasure.objects.exists()


def test_only_signers_of_the_closed_petition_are_erased(petition: Petition) -> None:
    sign_and_confirm(petition)
    open_one = Petition.objects.create(slug="other", state=Petition.State.OPEN)
    sign_and_confirm(open_one, DAVID)
    schedule(petition)
    pass_days()
    assert list(Signer.objects.values_list("petition", flat=True)) == [open_one.pk]


def test_no_erasure_is_scheduled_for_a_petition_without_signers(petition: Petition) -> None:
    close(petition, days_ago=400)
    retention.apply()
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("days_ago", [0, 30])
def test_reopening_a_petition_cancels_its_erasure_even_if_it_is_due(
    petition: Petition, days_ago: int
) -> None:
    sign_and_confirm(petition)
    erasure = schedule(petition)
    Erasure.objects.update(erasure_due_at=timezone.now() - DAY, days_seen=8)
    petition.refresh_from_db()
    petition.closes_at = None
    petition.save()
    assert retention.erase_after_close() == 0
    retention.apply()

    assert Signer.objects.count() == 1
    assert not Erasure.objects.filter(pk=erasure.pk).exists()

    close(petition, days_ago=days_ago)
    retention.apply()
    assert Signer.objects.count() == 1
    assert not Erasure.objects.exists()


# --- Clocks that jump ------------------------------------------------------------------------


class Clock:
    """A clock for `timezone.now`: the right time plus a jump."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        now = timezone.now
        monkeypatch.setattr(timezone, "now", lambda: now() + self.ahead)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def sweep() -> None:
    opening.record_closes()
    retention.apply()


def test_a_clock_that_jumps_a_year_ahead_erases_nobody(petition: Petition, clock: Clock) -> None:
    sign_and_confirm(petition)
    close(petition, days_ago=2)
    for ahead in (365, 373, 380):
        # It jumps twice: seven days pass on the clock, but not in reality.
        clock.ahead = ahead * DAY
        sweep()
        sweep()
    assert Signer.objects.count() == 1
    assert Erasure.objects.exists()

    clock.ahead = timedelta()
    sweep()
    assert Signer.objects.count() == 1
    assert not Erasure.objects.exists(), "it is right again: nothing is due"


def test_a_close_recorded_by_a_wrong_clock_is_reset(petition: Petition, clock: Clock) -> None:
    Petition.objects.update(closes_at=timezone.now() + 90 * DAY)
    clock.ahead = 365 * DAY
    sweep()
    assert Petition.objects.get().closed_at
    clock.ahead = timedelta()
    sweep()
    assert Petition.objects.get().closed_at is None


def test_several_sweeps_of_one_day_count_as_one_day_of_notice(petition: Petition) -> None:
    sign_and_confirm(petition)
    schedule(petition)
    for _ in range(30):
        retention.apply()
    Erasure.objects.update(erasure_due_at=timezone.now())
    retention.apply()
    assert Signer.objects.count() == 1


# --- Stopping --------------------------------------------------------------------------------


def test_an_organiser_stops_an_erasure_and_releases_it_with_new_notice(
    petition: Petition, organiser: User, client: Client
) -> None:
    sign_and_confirm(petition)
    schedule(petition)
    client.force_login(organiser)
    page = client.get(f"/admin/petitions/erasure/{Erasure.objects.get().pk}/change/").text
    assert "Stop the erasure" in page
    assert "<h1>Protect people</h1>" in page

    assert decide(client, "stop", **SURE).status_code == 302
    pass_days(40)
    assert Signer.objects.count() == 1

    decide(client, "release", reason="The court has it.", sure="on")
    pass_days(6)
    assert Signer.objects.count() == 1, "letting it go on gives notice anew"
    pass_days(1)
    assert not Signer.objects.exists()

    stop = ErasureStop.objects.get()
    assert (stop.reason, stop.stopped_by) == (SURE["reason"], organiser)
    assert (stop.release_reason, stop.released_by) == ("The court has it.", organiser)
    assert stop.stopped_at < stop.released_at  # type: ignore[operator]


@pytest.mark.parametrize(
    "answers", [{}, {"reason": "Because."}, {"sure": "on"}, {"reason": " ", "sure": "on"}]
)
def test_stopping_requires_a_reason_and_a_tick(
    petition: Petition, organiser: User, client: Client, answers: dict[str, str]
) -> None:
    sign_and_confirm(petition)
    schedule(petition)
    client.force_login(organiser)
    decide(client, "stop", **answers)
    assert not ErasureStop.objects.exists()
    assert "Say why, and tick the box" in client.get(HOME).text


def test_a_get_request_does_not_stop_an_erasure(
    petition: Petition, organiser: User, client: Client
) -> None:
    sign_and_confirm(petition)
    path = f"/admin/petitions/erasure/{schedule(petition).pk}/stop/decide/"
    client.force_login(organiser)
    assert client.get(path, SURE).status_code == 405
    assert not ErasureStop.objects.exists()


def test_a_url_without_an_erasure_redirects_to_the_admins_home(
    organiser: User, client: Client
) -> None:
    client.force_login(organiser)
    response = client.get("/admin/petitions/erasure/nonsense/change/")
    assert response.status_code == 302


@pytest.mark.parametrize("way", ["stop", "release"])
@pytest.mark.parametrize(
    ("role", "status"),
    [("nobody", 302), ("staff", 403), ("moderator", 403), ("organiser", 302), ("admin", 302)],
)
def test_only_organisers_and_superusers_stop_or_release_an_erasure(
    petition: Petition,
    request: pytest.FixtureRequest,
    client: Client,
    way: str,
    role: str,
    status: int,
) -> None:
    sign_and_confirm(petition)
    erasure = schedule(petition)
    chief = User.objects.create_superuser("chief")
    if way == "release":
        erasure_notice.stop(erasure=erasure, reason="-", actor=chief, screen="-")
    before = list(ErasureStop.objects.values())
    if role in {"moderator", "organiser"}:
        client.force_login(request.getfixturevalue(role))
    elif role != "nobody":
        client.force_login(
            chief if role == "admin" else User.objects.create_user("sam", is_staff=True)
        )

    assert decide(client, way, **SURE).status_code == status

    has_acted = list(ErasureStop.objects.values()) != before
    assert has_acted == (role in {"organiser", "admin"})
    listed = client.get("/admin/petitions/erasure/").status_code
    assert listed == (200 if has_acted else status)


def test_a_record_of_a_stop_is_not_edited_or_deleted(
    petition: Petition, client: Client, admin_user: User
) -> None:
    sign_and_confirm(petition)
    erasure_notice.stop(erasure=schedule(petition), reason="Because.", actor=admin_user, screen="-")
    client.force_login(admin_user)
    stops = f"/admin/petitions/erasurestop/{ErasureStop.objects.get().pk}"
    assert client.post(f"{stops}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{stops}/change/", {"reason": "Other."}).status_code == 403
    assert client.post("/admin/petitions/erasurestop/add/", {}).status_code == 403
    assert ErasureStop.objects.get().reason == "Because."


@pytest.mark.parametrize("way", ["stop", "release"])
def test_a_decision_that_comes_too_late_is_refused_with_the_reason(
    petition: Petition, organiser: User, client: Client, way: str
) -> None:
    sign_and_confirm(petition)
    erasure = schedule(petition)
    client.force_login(organiser)
    if way == "stop":
        erasure_notice.stop(erasure=erasure, reason="-", actor=organiser, screen="-")
    url = reverse("admin:petitions_erasure_decide", args=[erasure.pk, way])

    told = client.post(url, SURE, follow=True).content.decode()
    assert "Somebody else has already done it" in told
    Erasure.objects.all().delete()
    told = client.post(url, SURE, follow=True).content.decode()
    assert "This erasure is over" in told


def test_stops_and_releases_are_in_the_audit_record(
    petition: Petition, organiser: User, client: Client
) -> None:
    sign_and_confirm(petition)
    schedule(petition)
    client.force_login(organiser)
    decide(client, "stop", **SURE)
    decide(client, "release", **SURE)

    records = AuditRecord.objects.filter(action__startswith="erasure-").order_by("id")
    assert list(records.values_list("action", "actor", "object_type", "object_id", "screen")) == [
        (
            action,
            organiser.pk,
            "petitions.petition",
            str(petition.pk),
            "admin:petitions_erasure_decide",
        )
        for action in ("erasure-stopped", "erasure-released")
    ]


def test_stopping_an_erasure_twice_stores_one_stop(petition: Petition, organiser: User) -> None:
    sign_and_confirm(petition)
    erasure = schedule(petition)
    outcomes = [
        erasure_notice.stop(erasure=erasure, reason=reason, actor=organiser, screen="-")
        for reason in ("First.", "Second.")
    ]
    assert outcomes == [Outcome.DONE, Outcome.DONE_BEFORE]
    with pytest.raises(IntegrityError, match="erasure_stop_once_a_petition"):
        ErasureStop.objects.create(petition=petition, reason="Third.", stopped_by=organiser)


@pytest.mark.parametrize("is_locked", [True, False])
@pytest.mark.django_db(transaction=True)
def test_a_stop_concurrent_with_the_erasure_keeps_the_signers(
    petition: Petition, organiser: User, monkeypatch: pytest.MonkeyPatch, *, is_locked: bool
) -> None:
    sign_and_confirm(petition)
    erasure = schedule(petition)
    Erasure.objects.update(erasure_due_at=timezone.now(), days_seen=7)
    if not is_locked:
        monkeypatch.setattr(erasure_notice, "_locked_all", lambda: [erasure.pk])

    run = race(
        monkeypatch,
        (erasure_notice, "_locked"),
        lambda: erasure_notice.stop(erasure=erasure, reason="Wait.", actor=organiser, screen="-"),
        retention.erase_after_close,
    )

    assert run.first is Outcome.DONE
    assert (run.second_waited, run.second) == ((True, 0) if is_locked else (False, 1))
    assert Signer.objects.exists() == is_locked


# --- Telling ---------------------------------------------------------------------------------


def test_the_admins_home_announces_an_erasure_to_organisers_only(
    petition: Petition, organiser: User, moderator: User, client: Client
) -> None:
    sign_and_confirm(petition)
    assert "to be erased" not in home(client, organiser)
    erasure = schedule(petition)

    told = home(client, organiser)
    day = timezone.localdate(erasure.erasure_due_at)
    assert "Protect people closed half a year ago." in told
    assert f"erased for good on {day:%-d %B %Y}" in told
    assert "has not gone out yet" in told
    assert f"/admin/petitions/erasure/{erasure.pk}/change/" in told
    assert "to be erased" not in home(client, moderator)


def test_the_admins_home_says_that_the_mail_was_sent_until_the_petition_is_reopened(
    petition: Petition, organiser: User, client: Client
) -> None:
    sign_and_confirm(petition)
    schedule(petition)
    tasks.give_notice()
    assert "The organisation got an email." in home(client, organiser)
    petition.refresh_from_db()
    petition.closes_at = None
    petition.save()
    assert "to be erased" not in home(client, organiser)


def test_the_admin_home_keeps_showing_a_stopped_erasure(
    petition: Petition, organiser: User, client: Client
) -> None:
    sign_and_confirm(petition)
    erasure_notice.stop(
        erasure=schedule(petition), reason="A <b>court</b> asked.", actor=organiser, screen="-"
    )
    pass_days(100)
    told = home(client, organiser)
    assert "but omar has stopped the erasure: “A &lt;b&gt;court&lt;/b&gt; asked.”" in told
    assert "let it go on" in told


def test_the_organisation_is_mailed_once_per_scheduled_erasure(
    petition: Petition, organiser: User
) -> None:
    sign_and_confirm(petition)
    erasure = schedule(petition)
    tasks.give_notice()
    tasks.give_notice()

    (letter,) = sent.outbox
    assert letter.to == ["privacy@example.org"]
    day = timezone.localdate(erasure.erasure_due_at)
    assert f"On {day:%-d %B %Y} names and addresses" in letter.body
    assert "/admin/" in letter.body
    for named in ("protect", "people", "sbc"):
        assert named not in (letter.subject + letter.body[:150]).lower()

    erasure_notice.stop(erasure=erasure, reason="-", actor=organiser, screen="-")
    tasks.give_notice()
    assert len(sent.outbox) == 1
    erasure_notice.release(erasure=erasure, reason="-", actor=organiser, screen="-")
    tasks.give_notice()
    tasks.give_notice()
    assert len({letter.extra_headers["Message-ID"] for letter in sent.outbox}) == 2


def test_a_crash_after_sending_sends_the_same_message_again(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_and_confirm(petition)
    schedule(petition)
    with monkeypatch.context() as crash:
        crash.setattr(Letter, "send", _send_and_die)
        with pytest.raises(KeyboardInterrupt):
            tasks.give_notice()
    tasks.give_notice()
    first, second = (letter.message() for letter in sent.outbox)
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


def _send_and_die(letter: Any, fail_silently: bool = False) -> None:
    sent.get_connection().send_messages([letter])
    raise KeyboardInterrupt


def test_an_outage_of_the_mail_server_delays_the_mail_and_does_not_lose_it(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(letter: Any, fail_silently: bool = False) -> None:
        raise smtplib.SMTPRecipientsRefused({"privacy@example.org": (450, b"privacy@")})

    sign_and_confirm(petition)
    schedule(petition)
    with monkeypatch.context() as away, caplog.at_level(logging.INFO):
        away.setattr(Letter, "send", refuse)
        tasks.give_notice()
    assert "not sent (450)" in caplog.text
    assert "privacy@" not in caplog.text
    assert Erasure.objects.get().mailed_at is None

    tasks.give_notice()
    assert len(sent.outbox) == 1
    assert Erasure.objects.get().mailed_at


def test_without_a_privacy_contact_only_the_admins_home_announces_an_erasure(
    petition: Petition, organiser: User, client: Client
) -> None:
    sign_and_confirm(petition)
    Organisation.objects.update(privacy_email="")
    schedule(petition)
    tasks.give_notice()
    assert sent.outbox == []
    assert "has not gone out yet" in home(client, organiser)
