"""What staff see of the outbox: numbers by kind, state and hour that identify nobody."""

import re
import smtplib
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from petitions.admin.mail import explained
from petitions.infra.client_network import NOWHERE
from petitions.mail import monitoring, outbox, suppression
from petitions.models import Mail, Petition, Resend, Signature
from petitions.privacy import retention
from petitions.screening.screen import Evidence
from petitions.signatures import check_email, find, withdraw
from petitions.signers import sealing
from tests.people import AMINA, sign, sign_and_confirm, somebody

OUTBOX = "/admin/petitions/mail/"


def _failed(petition: Petition, code: str = "550 5.1.1") -> Mail:
    mail = Mail.objects.get(signature=sign(petition))
    Mail.objects.filter(pk=mail.pk).update(state=Mail.State.FAILED, code=code, attempts=12)
    return mail


def _as(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def _page(user: User) -> str:
    return _as(user).get(OUTBOX).content.decode()


def _numbers(user: User) -> str:
    """Return the page without the parts that differ between two requests."""
    return re.sub(r'"csrfmiddlewaretoken" value="[^"]+"', "", _page(user))


def _told() -> tuple[int, int, int]:
    """Return how many mails were asked for within a day, wait, and failed."""
    hours = monitoring.by_hour()
    return (
        sum(hour["asked"] for hour in hours),
        sum(hour["waiting"] for hour in hours),
        sum(hour["failed"] for hour in hours),
    )


def _requeue(user: User, kind: str = "confirm", hours_ago: int = 0) -> Any:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours_ago)
    form = {"kind": kind, "hour": hour.astimezone(UTC).isoformat()}
    return _as(user).post(OUTBOX, form, follow=True)


def test_the_outbox_page_shows_failure_codes_but_no_recipients(
    petition: Petition, organiser: User
) -> None:
    mail = _failed(petition)
    page = _page(organiser)
    assert "550 5.1.1: the server refuses this address" in page
    assert "amina" not in page.lower()
    assert str(mail.pk) not in page
    assert str(mail.signature_id) not in page


def test_the_outbox_admin_has_no_page_and_no_search_for_a_single_mail(
    petition: Petition, organiser: User, client: Client
) -> None:
    mail = _failed(petition)
    administrator = User.objects.create_superuser("ada", password=None)
    for user in (organiser, administrator):
        browser = _as(user)
        for path in ("", "change/", "history/", "delete/"):
            assert browser.get(f"{OUTBOX}{mail.pk}/{path}").status_code == 404
        asked = browser.get(OUTBOX, {"q": "amina", "id": str(mail.pk), "state__exact": "sent"})
        assert str(mail.pk) not in asked.content.decode()
        assert asked.content.decode().count("<tr>") == _page(user).count("<tr>")
    with pytest.raises(NoReverseMatch):
        reverse("admin:petitions_mail_change", args=[mail.pk])


def _never(petition: Petition) -> None:
    """An address that nobody has entered yet."""


def _withdrawn(petition: Petition) -> None:
    withdraw.withdraw(signature_id=sign_and_confirm(petition).pk)


def _no_mail(petition: Petition) -> None:
    sign_and_confirm(petition)
    suppression.suppress_all(inbox=sealing.inbox_of(AMINA.email))


def _other_spelling(petition: Petition) -> None:
    sign_and_confirm(petition, replace(AMINA, email="amina+tag@example.org"))


def _mailed_often(petition: Petition) -> None:
    for _ in range(5):
        sign(petition)


FATES = [_never, sign, sign_and_confirm, _withdrawn, _no_mail, _other_spelling, _mailed_often]


@pytest.mark.parametrize("happens", FATES)
def test_the_outbox_figures_do_not_depend_on_what_an_address_has_done(
    petition: Petition, organiser: User, happens: Any
) -> None:
    """Sign with an address, ask for the mail again, and ask for its signatures."""
    happens(petition)
    outbox.deliver()
    # Move earlier mails back a day, but keep them within the rate limits of this one.
    Mail.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    before = _rows(_numbers(organiser))

    attempt = sign(petition)
    Resend.objects.create(attempt_id=attempt, is_silenced=False)
    check_email.settle()
    find.request_links(address=AMINA.email, language="en", evidence=Evidence())
    find.settle()
    waiting = _rows(_numbers(organiser)) - before
    outbox.deliver()
    done = _rows(_numbers(organiser)) - before

    kinds = {"confirmation": 2, "“Find my signature” link": 1}
    assert {(row[-4], row[-3]) for row in done if len(row) == 5} == {
        (kind, str(number)) for kind, number in kinds.items()
    }
    assert all(row[-2:] == ("0", "0") for row in done if len(row) == 5)
    assert len(waiting) == 4


def _rows(page: str) -> set[tuple[str, ...]]:
    """Return the cells of each row of the tables."""
    found = set()
    for row in re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2], re.DOTALL):
        found.add(
            tuple(re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row))
        )
    return {row for row in found if "Kind" not in row}


def test_the_outbox_figures_exclude_reminders_and_mails_to_other_spellings(
    petition: Petition, organiser: User
) -> None:
    """These mails exist only where somebody has not confirmed, or has signed."""
    sign(petition)
    outbox.deliver()
    before = _numbers(organiser)
    for kind, state in (("remind", "queued"), ("find-other", "failed"), ("remind", "failed")):
        mail = Mail.objects.get(kind="confirm")
        Mail.objects.create(
            kind=kind, state=state, signature=mail.signature,
            global_mailbox_ix=mail.global_mailbox_ix,
            due_at=mail.due_at, created_at=mail.created_at, code="550 5.1.1",
        )  # fmt: skip
    assert _numbers(organiser) == before


def test_a_withdrawal_does_not_change_the_outbox_figures(
    petition: Petition, organiser: User
) -> None:
    signature = sign_and_confirm(petition)
    find.request_links(address=AMINA.email, language="en", evidence=Evidence())
    find.settle()
    outbox.deliver()
    before = _numbers(organiser)
    withdraw.withdraw(signature_id=signature.pk)
    assert _numbers(organiser) == before


def test_a_withdrawal_does_not_lower_the_numbers_of_failed_and_waiting_mails(
    petition: Petition, organiser: User
) -> None:
    """Staff know how many failed or wait. A lower number would reveal a withdrawal."""
    gone, _stays = _failed(petition), _failed(petition)
    sign(petition, somebody(1))
    waits = sign(petition, somebody(2))
    Mail.objects.filter(state=Mail.State.QUEUED).update(due_at=timezone.now() + timedelta(hours=1))
    before = _numbers(organiser)
    for signature_id in (gone.signature_id, waits):
        assert signature_id
        withdraw.withdraw(signature_id=signature_id)
    assert _numbers(organiser) == before

    # A week later too, when other mails without a signer are deleted.
    Mail.objects.update(due_at=timezone.now() - timedelta(days=8))
    retention.delete_mails_of_nobody()
    assert _told()[2] == 2


def test_a_withdrawal_does_not_lower_the_figures_of_the_oldest_hour(
    petition: Petition,
) -> None:
    """Of the mail of somebody who withdraws only the hour is kept, which has begun earlier."""
    signature = sign_and_confirm(petition)
    this_hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    near_its_end = this_hour - timedelta(hours=23, seconds=1)
    Mail.objects.update(state=Mail.State.SENT, created_at=near_its_end, due_at=near_its_end)
    before = _told()
    assert before[0] == 1

    withdraw.withdraw(signature_id=signature.pk)

    assert _told() == before


def test_a_requeued_mail_of_a_withdrawn_signer_is_counted_but_cancelled(
    petition: Petition, organiser: User
) -> None:
    mail = _failed(petition)
    assert mail.signature_id
    withdraw.withdraw(signature_id=mail.signature_id)
    assert b"1 mails are queued again" in _requeue(organiser).content
    assert outbox.deliver() == 0
    assert Mail.objects.get().state == Mail.State.CANCELLED


@pytest.mark.parametrize("happens", FATES)
def test_mail_waits_during_an_outage_whatever_its_address_has_done(
    petition: Petition, happens: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    happens(petition)
    outbox.deliver()
    asked, waiting, failed = _told()

    def away(_server: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.open", away)
    sign(petition)
    find.request_links(address=AMINA.email, language="en", evidence=Evidence())
    find.settle()
    for _again in range(2):
        outbox.deliver()
        assert _told() == (asked + 2, waiting + 2, failed)
        Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("was_mailed", [False, True])
def test_refused_aliases_do_not_reveal_whether_the_mailbox_had_mail_today(
    petition: Petition, monkeypatch: pytest.MonkeyPatch, was_mailed: bool
) -> None:
    """Otherwise five signings would show, by the refusals, whether the owner had mail today."""
    if was_mailed:
        sign(petition)
        outbox.deliver()
    before = _told()

    def refused(*_args: object) -> None:
        raise smtplib.SMTPRecipientsRefused({"x": (550, b"5.1.1 no such user")})

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refused)
    for number in range(settings.MAILS_PER_MAILBOX_AND_DAY):
        sign(petition, replace(AMINA, email=f"amina+zz{number}@example.org"))
    outbox.deliver()

    # Asked for, and none waits or failed, whatever the address's owner did before.
    asked, waiting, failed = before
    assert _told() == (asked + settings.MAILS_PER_MAILBOX_AND_DAY, waiting, failed)


@pytest.mark.parametrize("fate", ["pending", "withdrawn"])
def test_resending_creates_equally_many_mails_for_pending_and_withdrawn_attempts(
    petition: Petition, fate: str
) -> None:
    attempt = sign(petition)
    if fate == "withdrawn":
        withdraw.withdraw(signature_id=attempt)
    page = check_email.Page(attempt, petition.slug, AMINA)
    for _ in range(3):
        # Earlier URLs of the page still work, so they are used too.
        for mails in range(1, check_email.MAILS_PER_PAGE + 1):
            check_email.request_resend(
                page=replace(page, mails=mails), petition=petition, sender=NOWHERE
            )
        check_email.settle()
    assert Mail.objects.count() == check_email.MAILS_PER_PAGE


def test_a_resend_for_a_withdrawn_attempt_creates_an_outbox_row(petition: Petition) -> None:
    attempt = sign(petition)
    withdraw.withdraw(signature_id=attempt)
    Mail.objects.all().delete()
    Resend.objects.create(attempt_id=attempt, is_silenced=False)
    check_email.settle()
    for state in ("queued", "cancelled"):
        (row,) = Mail.objects.all()
        assert (row.kind, row.state, row.signature_id) == ("confirm", state, None)
        outbox.deliver()


def test_the_outbox_page_has_a_constant_query_count(petition: Petition, organiser: User) -> None:
    browser = _as(organiser)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.get(OUTBOX)
        return len(captured)

    _failed(petition)
    one = queries()
    for number in range(20):
        sign(petition, replace(AMINA, email=f"person{number}@example.org"))
    assert queries() == one
    assert one <= 8


def test_an_organiser_can_requeue_the_failed_mails_of_one_kind_and_hour(
    petition: Petition, organiser: User
) -> None:
    _failed(petition)
    Mail.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert b"0 mails are queued again" in _requeue(organiser).content
    assert b"0 mails are queued again" in _requeue(organiser, "find", 2).content
    assert b"1 mails are queued again" in _requeue(organiser, hours_ago=2).content
    row = Mail.objects.get()
    assert (row.state, row.attempts, row.code) == (Mail.State.QUEUED, 0, "")
    assert outbox.deliver() == 1


def test_the_requeue_button_requeues_all_failed_mails_of_its_hour(
    petition: Petition, organiser: User
) -> None:
    _failed(petition)
    _failed(petition, "500")
    page = _page(organiser)
    assert page.count('name="hour"') == 1
    form = dict(re.findall(r'name="(kind|hour)" value="([^"]+)"', page))
    answer = _as(organiser).post(OUTBOX, form, follow=True)
    assert b"2 mails are queued again" in answer.content


def test_reminders_are_requeued_with_confirmations_without_being_counted(
    petition: Petition, organiser: User
) -> None:
    mail = _failed(petition)
    Mail.objects.create(
        kind="remind", state="failed", signature=mail.signature,
            global_mailbox_ix=mail.global_mailbox_ix,
        due_at=mail.due_at, created_at=mail.created_at,
    )  # fmt: skip
    assert b"1 mails are queued again" in _requeue(organiser).content
    assert set(Mail.objects.values_list("state", flat=True)) == {Mail.State.QUEUED}


@pytest.mark.parametrize("state", [Mail.State.SENT, Mail.State.CANCELLED, Mail.State.WITHHELD])
def test_only_failed_mails_are_requeued(
    petition: Petition, organiser: User, state: Mail.State
) -> None:
    _failed(petition)
    Mail.objects.update(state=state)
    _requeue(organiser)
    assert Mail.objects.get().state == state


@pytest.mark.parametrize("form", [{}, {"kind": "remind", "hour": "2026-01-01T00:00Z"}])
def test_an_invalid_requeue_request_returns_400(
    petition: Petition, organiser: User, form: dict[str, str]
) -> None:
    assert _as(organiser).post(OUTBOX, form).status_code == 400


def test_moderators_cannot_open_the_outbox_page_or_requeue_mails(
    petition: Petition, moderator: User
) -> None:
    _failed(petition)
    assert _as(moderator).get(OUTBOX).status_code == 403
    assert _requeue(moderator).status_code == 403
    assert Mail.objects.get().state == Mail.State.FAILED


def test_a_requeued_mail_of_a_removed_signature_is_cancelled(
    petition: Petition, organiser: User
) -> None:
    _failed(petition)
    Signature.objects.update(state=Signature.State.REMOVED)
    _requeue(organiser)
    assert outbox.deliver() == 0
    assert Mail.objects.get().state == Mail.State.CANCELLED


def test_the_admin_home_warns_of_mail_waiting_for_a_provider_that_blocks_us(
    petition: Petition, organiser: User
) -> None:
    sign(petition)
    ago = timezone.now() - timedelta(minutes=5)
    later = timezone.now() + timedelta(hours=1)
    Mail.objects.update(due_at=later, created_at=ago, attempts=3, code="450 4.2.0")
    assert "Mail waits longer than it should" not in _as(organiser).get("/admin/").content.decode()
    Mail.objects.update(code="550 5.7.1")
    assert "Mail waits longer than it should" in _as(organiser).get("/admin/").content.decode()


@pytest.mark.parametrize("code", ["452 4.3.1", "535 5.7.8"])
def test_the_admin_home_does_not_blame_a_provider_for_errors_of_our_own_server(
    petition: Petition, organiser: User, code: str
) -> None:
    sign(petition)
    ago = timezone.now() - timedelta(minutes=5)
    later = timezone.now() + timedelta(hours=1)
    Mail.objects.update(due_at=later, created_at=ago, attempts=3, code=code)
    assert "Mail waits longer than it should" not in _as(organiser).get("/admin/").content.decode()


def test_the_admin_home_warns_if_the_mail_server_refuses_most_mail(
    petition: Petition, organiser: User
) -> None:
    for number in range(3):
        sign(petition, somebody(number))
    later = timezone.now() + timedelta(hours=1)
    Mail.objects.update(due_at=later, state=Mail.State.FAILED, code="550")

    assert "The mail server refuses most mail" in _as(organiser).get("/admin/").content.decode()


@pytest.mark.parametrize("code", ["", "limit", "550", "559", "432", "http-503", "SomethingElse"])
def test_the_explanation_of_a_failure_code_begins_with_the_code(code: str) -> None:
    assert explained(code).startswith(code)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("550", "the server refuses this address"),
        ("550 5.1.1", "the server refuses this address"),
        ("550 5.7.1", "the provider wants no mail from our server"),
        ("421 4.7.28", "the provider wants no mail from our server"),
        ("552 5.2.2", "the mailbox is full"),
        ("452 4.3.1", "the server had no room"),
        ("535 5.7.8", "the server refuses our log-in"),
        ("500", "put off for now"),
        ("451 4.3.0", "the server asked to try later"),
    ],
)
def test_smtp_codes_are_explained_by_their_enhanced_status_code_first(
    code: str, meaning: str
) -> None:
    assert explained(code).startswith(f"{code}: {meaning}")
