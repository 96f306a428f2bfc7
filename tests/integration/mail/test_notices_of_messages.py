"""The organisation is mailed that messages wait, without their names, addresses or contents."""

import logging
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail as sent
from django.db import connection
from django.utils import timezone

from petitions import tasks
from petitions.formatting.languages import day
from petitions.mail import enquiries, team
from petitions.mail.enquiries import Letter
from petitions.mail.letters import Letter as Message
from petitions.models import AuditRecord, Enquiry, Organisation

pytestmark = pytest.mark.usefixtures("organisation")


def write(kind: str = "complaint") -> Enquiry:
    letter = Letter(
        name="Amina Example", email="amina@example.org", message="Take me out.", language="ar"
    )
    return enquiries.receive(kind=Enquiry.Kind(kind), letter=letter)


def pass_an_hour() -> None:
    with connection.cursor() as cursor:
        # Audit records are append-only.
        cursor.execute("ALTER TABLE petitions_auditrecord DISABLE TRIGGER USER")
        cursor.execute("UPDATE petitions_auditrecord SET created_at = created_at - interval '1 h'")
        cursor.execute("ALTER TABLE petitions_auditrecord ENABLE TRIGGER USER")


def due_in(days: int) -> None:
    Enquiry.objects.update(due_on=timezone.localdate() + timedelta(days=days))


def bodies() -> list[str]:
    found = [str(message.body) for message in sent.outbox]
    sent.outbox.clear()
    return found


def test_the_organisation_is_notified_of_a_new_enquiry_without_its_content() -> None:
    enquiry = write()
    tasks.give_notice.run()

    (message,) = sent.outbox
    assert message.to == ["privacy@example.org"]
    assert message.subject == team.SUBJECT
    assert f"New: complaint (1), answer by {day(enquiry.due_on)}" in str(message.body)
    assert "/admin/petitions/enquiry/?to_do=waiting" in str(message.body)
    whole = str(message.message()).lower()
    for told in ("amina", "take me out", str(enquiry.pk)):
        assert told not in whole


def test_further_enquiries_within_an_hour_are_notified_in_one_mail() -> None:
    write()
    assert team.send_enquiries() == 1
    for kind in ("question", "question", "complaint"):
        write(kind)
        assert team.send_enquiries() == 0
    sent.outbox.clear()

    pass_an_hour()
    assert team.send_enquiries() == 3
    (body,) = bodies()
    assert "New: question (2), " in body
    assert "New: complaint (1), " in body


def test_a_due_date_is_notified_once_when_near_and_once_when_overdue() -> None:
    write()
    told = []
    for left in (30, 30, 8, 7, 3, 0, -1, -20):
        due_in(left)
        pass_an_hour()
        team.send_enquiries()
        told.append([body.split("\n")[2].partition(":")[0] for body in bodies()])
    assert told == [["New"], [], [], ["Due soon"], [], [], ["Overdue"], []]


def test_closed_enquiries_are_not_notified(organiser: User) -> None:
    enquiry = write()
    due_in(-1)
    enquiries.mark(act="close", ids=[enquiry.pk], actor=organiser, screen="test")
    assert team.send_enquiries() == 0


def test_an_enquiry_notice_is_sent_again_if_the_mail_server_failed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write()

    def refuse(_letter: Message, **_kwargs: object) -> int:
        raise ConnectionRefusedError("privacy@example.org")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr(Message, "send", refuse)
        assert team.send_enquiries() == 0
    assert "privacy@" not in caplog.text
    assert not AuditRecord.objects.filter(action="enquiries-mailed").exists()
    assert team.send_enquiries() == 1


def test_enquiry_notices_wait_until_a_privacy_contact_is_set() -> None:
    Organisation.objects.update(privacy_email="")
    write()
    assert team.send_enquiries() == 0
    Organisation.objects.update(privacy_email="privacy@example.org")
    assert team.send_enquiries() == 1
