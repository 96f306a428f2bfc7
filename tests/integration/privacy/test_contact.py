"""Writing to the organisation: nothing is lost on an error, nothing lies readable, and the day
by which somebody must have heard is kept.
"""

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from html import escape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from limits import parse

from petitions.admin import needs
from petitions.crypto import vault
from petitions.formatting.languages import day
from petitions.mail import enquiries
from petitions.models import AuditRecord, Enquiry, Organisation
from petitions.privacy import retention
from tests.proof import solved, task_in

PAGE = "/contact/"
MESSAGE = "My name is in the list.\r\nPlease take it out: شكرًا."


def written(**changes: str) -> dict[str, str]:
    """What Amina's browser sends."""
    return {
        "kind": "complaint",
        "name": "Amina Example",
        "email": "amina@example.org",
        "message": MESSAGE,
        "feedback": "",
        **changes,
    }


@pytest.fixture
def enquiry(organisation: Organisation, browser: Client) -> Enquiry:
    assert browser.post(PAGE, written()).status_code == 303
    return Enquiry.objects.get()


@pytest.fixture
def set_limits(settings: Any) -> Callable[..., None]:
    def change(**rates: str) -> None:
        settings.LIMITS = {name: parse(rate) for name, rate in rates.items()}

    return change


def test_an_enquiry_stores_the_day_by_which_it_must_be_answered(enquiry: Enquiry) -> None:
    today = timezone.localdate()
    assert enquiry.kind == Enquiry.Kind.COMPLAINT
    assert enquiry.state == Enquiry.State.NEW
    assert enquiry.received_on == today
    assert enquiry.due_on == today + timedelta(days=30)
    assert not enquiry.looks_automatic
    assert enquiries.read(enquiry) == enquiries.Letter(
        name="Amina Example",
        email="amina@example.org",
        message=MESSAGE.replace("\r\n", "\n"),
        language="en",
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/contact/", "within 30 days"),
        ("/ar/contact/", "خلال 30 يومًا"),
        ("/cy/contact/", "o fewn 30 diwrnod"),
    ],
)
def test_the_page_after_an_enquiry_says_when_it_will_be_answered(
    organisation: Organisation, browser: Client, path: str, words: str
) -> None:
    response = browser.post(path, written(), follow=True)

    assert response.redirect_chain == [(f"{path}sent/", 303)]
    page = response.content.decode()
    assert words in page
    assert "amina" not in page
    assert enquiries.read(Enquiry.objects.get()).language == path.split("/")[1].replace(
        "contact", "en"
    )
    assert mail.outbox == []


def test_an_enquiry_is_stored_encrypted_and_without_a_time(enquiry: Enquiry) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(e)::text, e.sealed FROM petitions_enquiry e")
        row, sealed = cursor.fetchone()
    stored = (row + bytes(sealed).decode("latin-1")).lower()
    for readable in ("amina", "example", "my name is", "list", "شكرًا"):
        assert readable not in stored
        assert readable.encode().hex() not in stored
    # No moment either, and the row's number does not say which was first.
    assert not re.search(r"\d\d:\d\d", row)
    assert json.loads(row)["id"] == str(enquiry.pk)


def test_sealed_enquiries_have_the_same_length(organisation: Organisation, browser: Client) -> None:
    browser.post(PAGE, written(message="Hello", name=""))
    browser.post(PAGE, written(message="Hello " * 400))
    first, second = Enquiry.objects.all()
    assert len(bytes(first.sealed)) == len(bytes(second.sealed))


def test_sealed_messages_swapped_between_rows_cannot_be_unsealed(
    organisation: Organisation, browser: Client
) -> None:
    browser.post(PAGE, written())
    browser.post(PAGE, written())
    first, second = Enquiry.objects.all()
    first.sealed = second.sealed
    with pytest.raises(vault.CannotOpen):
        enquiries.read(first)


def test_an_enquiry_requires_no_name(organisation: Organisation, browser: Client) -> None:
    assert browser.post(PAGE, written(name="")).status_code == 303
    assert enquiries.read(Enquiry.objects.get()).name == ""


@pytest.mark.parametrize(
    "change",
    [
        {"kind": ""}, {"kind": "praise"}, {"email": ""}, {"email": "amina"},
        {"email": "a@b\x00.org"}, {"message": ""}, {"message": "   "}, {"message": "x" * 4001},
        {"message": "turned \u202e around"}, {"message": "rings \x07"}, {"name": "A\u202eB"},
        {"name": "x" * 201},
    ],
)  # fmt: skip
def test_an_invalid_enquiry_is_refused_with_the_filled_form(
    organisation: Organisation, browser: Client, change: dict[str, str]
) -> None:
    form = written(**change)
    response = browser.post(PAGE, form)

    page = response.content.decode()
    assert response.status_code == 422
    assert 'id="error-summary"' in page
    assert "<title>Error:" in page
    if "email" not in change:
        assert 'value="amina@example.org"' in page
    if "name" not in change:
        assert 'value="Amina Example"' in page
    if "message" not in change:
        assert "Please take it out" in page
    if "kind" not in change:
        assert re.search(r'value="complaint"[^>]*checked', page)
    assert not Enquiry.objects.exists()


def test_the_message_field_has_no_maxlength(organisation: Organisation, browser: Client) -> None:
    """Without a word, at a `maxlength`; so the form has none, and refuses what is too long."""
    (message,) = re.findall(r"<textarea[^>]*>", browser.get(PAGE).content.decode())
    assert "maxlength" not in message


def test_markup_in_an_enquiry_is_escaped_in_the_form(
    organisation: Organisation, browser: Client
) -> None:
    attack = "</textarea><script>alert(1)</script>"
    page = browser.post(PAGE, written(message=attack, email="")).content.decode()
    assert "<script>alert" not in page
    assert escape(attack) in page


def test_a_cross_site_enquiry_is_refused_with_the_filled_form(organisation: Organisation) -> None:
    elsewhere = Client(headers={"Sec-Fetch-Site": "cross-site"})
    response = elsewhere.post(PAGE, written())
    assert response.status_code == 403
    assert "from another site" in response.content.decode()
    assert "Please take it out" in response.content.decode()
    assert not Enquiry.objects.exists()


def test_a_filled_honeypot_marks_an_enquiry_without_refusing_it(
    organisation: Organisation, browser: Client
) -> None:
    answers = [browser.post(PAGE, written(feedback=text)) for text in ("", "https://spam.example")]
    assert answers[0].status_code == answers[1].status_code == 303
    assert answers[0]["Location"] == answers[1]["Location"]
    assert sorted(Enquiry.objects.values_list("looks_automatic", flat=True)) == [False, True]


def test_enquiries_over_any_limit_get_the_same_429_with_the_filled_form(
    organisation: Organisation, browser: Client, set_limits: Callable[..., None]
) -> None:
    answers = []
    for name in ("CONTACT_NETWORK", "CONTACT_MAILBOX", "CONTACT_DOMAIN"):
        set_limits(**{name: "1/hour"})
        assert browser.post(PAGE, written()).status_code == 303
        answers.append(browser.post(PAGE, written()))
    for answer in answers:
        assert answer.status_code == 429
        assert answer["Retry-After"] == "300"
        assert "Please take it out" in answer.content.decode()
    assert len({answer.content for answer in answers}) == 1
    assert Enquiry.objects.count() == 3


def test_a_flood_of_enquiries_leads_to_a_challenge_and_not_to_a_429(
    organisation: Organisation, settings: Any
) -> None:
    """By the limits that ship: three hundred messages from twenty networks, then a complaint."""

    def send(sender: str, **changes: str) -> Any:
        browser = Client(headers={"Sec-Fetch-Site": "same-origin"}, REMOTE_ADDR=sender)
        return browser.post(PAGE, written(**changes))

    flood = [send(f"192.0.{n % 20}.{n}", message="spam").status_code for n in range(300)]
    assert set(flood) == {303}

    asked = send("198.51.100.7")

    page = asked.content.decode()
    assert asked.status_code == 403
    assert "Many forms are being sent at the moment" in page
    assert "Please take it out" in page
    assert Enquiry.objects.count() == 300
    assert send("198.51.100.7", altcha=solved(task_in(page))).status_code == 303
    assert Enquiry.objects.count() == 301


def test_an_invalid_enquiry_keeps_its_wait_token(
    organisation: Organisation, browser: Client, set_limits: Callable[..., None]
) -> None:
    set_limits(CONTACT_PETITION_CHALLENGE="0/hour")
    asked = browser.post(PAGE, written()).content.decode()
    patience = re.findall(r'name="patience" value="([^"]+)"', asked)
    wrong = browser.post(PAGE, written(message="", patience=patience[0]))
    assert wrong.status_code == 422
    assert re.findall(r'name="patience" value="([^"]+)"', wrong.content.decode()) == patience


def test_the_limit_of_one_network_does_not_affect_another(
    organisation: Organisation, set_limits: Callable[..., None]
) -> None:
    set_limits(CONTACT_NETWORK="1/hour")
    codes = [
        Client(headers={"Sec-Fetch-Site": "same-origin"}, REMOTE_ADDR=sender)
        .post(PAGE, written())
        .status_code
        for sender in ("192.0.2.1", "192.0.2.2", "192.0.3.1")
    ]
    assert codes == [303, 429, 303]


def test_reseal_covers_messages_as_well_as_signers(
    enquiry: Enquiry, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    (old,) = settings.SEALING_KEYS.values()
    new = b"n" * 32
    settings.SEALING_KEYS = {2: new, 1: old}
    with pytest.raises(CommandError, match="Do not destroy"):
        call_command("check_keys")
    assert "another sealing key: 1 messages to us" in capsys.readouterr().out

    call_command("reseal")
    assert "Messages to us: 1." in capsys.readouterr().out
    call_command("check_keys")

    settings.SEALING_KEYS = {2: new}
    enquiry.refresh_from_db()
    assert enquiries.read(enquiry).name == "Amina Example"


def test_reseal_reports_enquiries_that_no_key_unseals(enquiry: Enquiry, settings: Any) -> None:
    settings.SEALING_KEYS = {2: b"n" * 32}
    with pytest.raises(CommandError, match="1 are left under another key"):
        call_command("reseal")


# --- In the admin ------------------------------------------------------------------------


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, action: str, enquiry: Enquiry) -> str:
    answer = client.post(
        "/admin/petitions/enquiry/",
        {"action": action, "_selected_action": [str(enquiry.pk)]},
        follow=True,
    )
    enquiry.refresh_from_db()
    return answer.content.decode()


def test_an_organiser_can_read_an_enquiry_and_a_moderator_cannot(
    enquiry: Enquiry, organiser: User, moderator: User
) -> None:
    path = f"/admin/petitions/enquiry/{enquiry.pk}/change/"
    page = log_in(organiser).get(path).content.decode()
    for said in ("Amina Example", "amina@example.org", "Please take it out", "شكرًا"):
        assert said in page
    assert log_in(moderator).get(path).status_code == 403
    assert log_in(moderator).get("/admin/petitions/enquiry/").status_code == 403
    assert "amina" not in log_in(organiser).get("/admin/petitions/enquiry/").content.decode()


def test_markup_in_an_enquiry_is_escaped_in_the_admin(
    organisation: Organisation, browser: Client, organiser: User
) -> None:
    browser.post(PAGE, written(message="<script>alert(1)</script>", name="<b>x</b>"))
    path = f"/admin/petitions/enquiry/{Enquiry.objects.get().pk}/change/"
    page = log_in(organiser).get(path).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "<b>x</b>" not in page


def test_the_enquiry_actions_record_the_state_and_its_day(
    enquiry: Enquiry, organiser: User
) -> None:
    client = log_in(organiser)
    said = act(client, "acknowledge", enquiry)
    assert "1 changed: Mark as being answered. Nobody gets an email." in said
    assert enquiry.acknowledged_on == timezone.localdate()
    assert enquiry.state == Enquiry.State.STARTED

    act(client, "answered", enquiry)
    assert enquiry.state == Enquiry.State.ANSWERED
    assert enquiry.answered_on == timezone.localdate()

    act(client, "reopen", enquiry)
    reopened = Enquiry.objects.get()
    assert (reopened.state, reopened.answered_on) == (Enquiry.State.STARTED, None)
    assert mail.outbox == []


def test_answering_an_enquiry_acknowledges_it(enquiry: Enquiry, organiser: User) -> None:
    act(log_in(organiser), "answered", enquiry)
    assert enquiry.acknowledged_on == timezone.localdate()


def test_a_closed_enquiry_is_reopened_as_new(enquiry: Enquiry, organiser: User) -> None:
    client = log_in(organiser)
    act(client, "close", enquiry)
    assert enquiry.state == Enquiry.State.CLOSED
    assert enquiry.acknowledged_on is None

    act(client, "reopen", enquiry)
    assert Enquiry.objects.get().state == Enquiry.State.NEW


def test_an_enquiry_outcome_with_an_email_address_is_refused(
    organiser: User, enquiry: Enquiry
) -> None:
    path = f"/admin/petitions/enquiry/{enquiry.pk}/change/"
    answer = log_in(organiser).post(path, {"outcome": "Told vera@verity.example"}, follow=True)
    assert "Do not write an email address here." in answer.content.decode()
    enquiry.refresh_from_db()
    assert enquiry.outcome == ""


def test_an_organiser_writes_the_outcome_and_can_change_nothing_else(
    enquiry: Enquiry, organiser: User
) -> None:
    path = f"/admin/petitions/enquiry/{enquiry.pk}/change/"
    log_in(organiser).post(path, {"outcome": "Erased, and told so.", "due_on": "2030-01-01"})
    due = enquiry.due_on
    enquiry.refresh_from_db()
    assert enquiry.outcome == "Erased, and told so."
    assert enquiry.due_on == due


def test_saving_the_same_enquiry_outcome_twice_is_audited_once(
    enquiry: Enquiry, organiser: User
) -> None:
    client = log_in(organiser)
    for _press in range(2):
        client.post(f"/admin/petitions/enquiry/{enquiry.pk}/change/", {"outcome": "Told."})
    record = AuditRecord.objects.about(enquiry).get(action=AuditRecord.Action.CHANGED)
    assert (record.actor, record.screen) == (organiser, "admin:petitions_enquiry_change")


def test_the_admin_home_shows_open_and_overdue_enquiries(
    enquiry: Enquiry, organiser: User, moderator: User
) -> None:
    home = log_in(organiser).get("/admin/").content.decode()
    assert "1 message to answer" in home
    assert f"Complaint, {day(enquiry.received_on)}" in home
    assert f"answer by {day(enquiry.due_on)}" in home
    assert "overdue" not in home
    assert "to answer" not in log_in(moderator).get("/admin/").content.decode()

    Enquiry.objects.update(due_on=timezone.localdate() - timedelta(days=1))
    assert "1 is overdue." in log_in(organiser).get("/admin/").content.decode()

    act(log_in(organiser), "acknowledge", enquiry)
    assert ", being answered" in log_in(organiser).get("/admin/").content.decode()
    act(log_in(organiser), "answered", enquiry)
    assert "to answer" not in log_in(organiser).get("/admin/").content.decode()


def test_a_user_with_both_roles_sees_open_enquiries_on_the_admin_home(
    enquiry: Enquiry, organiser: User, moderator: User
) -> None:
    organiser.groups.add(*moderator.groups.all())
    home = log_in(organiser).get("/admin/").content.decode()
    assert "1 message to answer" in home
    assert "Nothing needs you" not in home


def test_an_enquiry_is_overdue_from_the_day_after_its_due_date(enquiry: Enquiry) -> None:
    today = timezone.localdate()
    Enquiry.objects.update(due_on=today)
    assert needs.enquiries()["overdue"] == 0
    Enquiry.objects.update(due_on=today - timedelta(days=1))
    assert needs.enquiries()["overdue"] == 1


# --- Afterwards --------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "is_kept"), [(183, True), (184, False)])
@pytest.mark.parametrize("state", [Enquiry.State.ANSWERED, Enquiry.State.CLOSED])
def test_answered_and_closed_enquiries_are_deleted_after_half_a_year(
    enquiry: Enquiry, days: int, is_kept: bool, state: str
) -> None:
    answered: date = timezone.localdate() - timedelta(days=days)
    Enquiry.objects.update(state=state, answered_on=answered)
    retention.apply()
    assert Enquiry.objects.exists() is is_kept


@pytest.mark.parametrize(("days", "is_kept"), [(365, True), (366, False)])
def test_unanswered_enquiries_are_deleted_after_a_year(
    enquiry: Enquiry, days: int, is_kept: bool
) -> None:
    Enquiry.objects.update(received_on=timezone.localdate() - timedelta(days=days))
    retention.apply()
    assert Enquiry.objects.exists() is is_kept
