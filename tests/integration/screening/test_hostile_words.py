"""Hostile names, notes, subjects and domains are plain text in every mail and in every file."""

import csv
import io
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import openpyxl
import pytest
from django.contrib.auth.models import Group, User
from django.core import mail as sent
from django.test import Client
from django.urls import reverse
from openpyxl.utils.escape import unescape

from petitions.counting import figures
from petitions.handover import exports
from petitions.handover.purposes import PURPOSES
from petitions.mail import enquiries, messages, outbox, team
from petitions.mail.enquiries import Letter
from petitions.models import (
    Alert,
    AlertMail,
    AuditRecord,
    Enquiry,
    Export,
    Mail,
    News,
    NewsText,
    Organisation,
    Petition,
    Source,
    StaffMail,
)
from petitions.moderation import bulk
from petitions.moderation.selection import Selection
from petitions.signers.sealing import Attempt
from petitions.staff import audit
from petitions.staff.roles import ADMINISTRATORS
from tests.hostile import NAMES
from tests.people import sign, sign_and_confirm
from tests.unit.handover.test_exports import STARTS

ALL = "\n\n".join(NAMES)
# What a mail program loads or runs.
ACTIVE = {"script", "img", "iframe", "form", "object", "embed", "link", "style", "svg", "base"}
HEADERS = {
    "Subject", "From", "To", "Message-ID", "Date", "Auto-Submitted", "MIME-Version", "Reply-To",
    "Content-Type", "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post",
}  # fmt: skip
FORMATS = ("csv", "xlsx")
WEB = ("https:", "http:", "mailto:")


def signer(number: int) -> Attempt:
    """Somebody with a hostile name, whose address begins as a formula does; every second abroad."""
    return Attempt(
        name=NAMES[number],
        email=f"=cmd.{number}@xn--script-{number}.example",
        country="JO" if number % 2 else "",
        name_use="public",
        wants_updates=True,
    )


@pytest.fixture
def hostile(petition: Petition, organiser: User, moderator: User) -> Petition:
    """A petition signed under hostile names, and a team with such names."""
    Organisation.objects.update_or_create(
        id=1, defaults={"name": NAMES[0], "sender_name": NAMES[10], "privacy_email": "p@a.example"}
    )
    for person in (organiser, moderator):
        person.email = f"{person.username}@team.example"
        person.first_name, person.last_name = NAMES[10], NAMES[0]
        person.save()
    for number in range(len(NAMES)):
        sign_and_confirm(petition, signer(number))
    return petition


# --- Mails -------------------------------------------------------------------------------------


class Active(HTMLParser):
    """Collects what an HTML text would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag] * (tag in ACTIVE)
        for name, value in attrs:
            is_link = name == "href" and (value or "").startswith(WEB)
            is_loaded = name in {"href", "src", "srcset", "action"} and not is_link
            if is_loaded or name.startswith("on"):
                self.found.append(f"{tag} {name}={value}")


def written(message: Any) -> EmailMessage:
    raw = getattr(message, "raw", None) or message.message().as_bytes(linesep="\r\n")
    return message_from_bytes(raw, policy=policy.default)


def assert_inert(message: EmailMessage, *, to: set[str]) -> str:
    """Assert that a message has our headers alone and runs nothing; return its plain text."""
    assert set(message.keys()) <= HEADERS, message.keys()
    assert len(message.keys()) == len(set(message.keys()))
    assert not message.defects
    assert message["To"] in to
    assert "evil" not in str(message["From"])
    html = message.get_body(("html",))
    if html is not None:
        seen = Active()
        seen.feed(html.get_content())
        assert seen.found == []
    plain = message.get_body(("plain",))
    assert plain is not None
    for part in filter(None, (html, plain)):
        # A template in the words was not rendered, nor a mark filled in.
        assert not {"14{%", "14%", "/t/en/confirm/@@"} & set(part.get_content().split())
    return str(plain.get_content())


def test_mails_to_the_public_escape_hostile_text(
    hostile: Petition, organiser: User, settings: Any
) -> None:
    settings.SITE_URL = "https://petition.example.org"
    addressees = {signer(number).email for number in range(len(NAMES))}
    for number in range(len(NAMES)):
        sign(hostile, replace(signer(number), language=("en", "ar", "cy")[number % 3]))
    letter = Letter(name=NAMES[1], email="a@example.org", message=ALL, language="ar")
    enquiry = enquiries.receive(kind=Enquiry.Kind.COMPLAINT, letter=letter)
    enquiries.send_answer(
        enquiry_id=enquiry.pk, number=1, actor=organiser, screen="test", text=ALL, is_last=True
    )
    outbox.deliver()
    kinds = set(Mail.objects.filter(state="sent").values_list("kind", flat=True))
    assert kinds == {"confirm", "answer"}
    for message in sent.outbox:
        assert_inert(written(message), to={*addressees, "a@example.org"})
    answer = next(one for one in sent.outbox if one.to == ["a@example.org"])
    assert NAMES[0] in str(answer.body)


def test_news_mails_escape_hostile_subjects_and_bodies(hostile: Petition) -> None:
    for subject in NAMES:
        text = NewsText(news=News(petition=hostile), language="en", subject=subject, body=ALL)
        message = written(messages.sample_of_news(text, to="a@example.org", mail_id=uuid4()))
        assert NAMES[3].partition("}}")[0] in assert_inert(message, to={"a@example.org"})


def test_mails_to_staff_escape_hostile_text(
    hostile: Petition, organiser: User, moderator: User, settings: Any
) -> None:
    settings.BULK_DECISION_APPROVAL_FROM = 1
    for kind in set(StaffMail.Kind) - {StaffMail.Kind.PASSWORD}:
        StaffMail.objects.create(kind=kind, user=moderator)
    letter = Letter(name=NAMES[10], email="a@example.org", message=ALL, language="en")
    enquiries.receive(kind=Enquiry.Kind.QUESTION, letter=letter)
    AlertMail.objects.create(user=moderator, kind=Alert.Kind.STILL)
    Alert.objects.create(kind=Alert.Kind.STILL, about=NAMES[10][:40], number=1)
    chosen = Selection(petition_id=hostile.pk, is_abroad=False)
    job = bulk.preview(
        selection=chosen, kind="remove", reason="other", note=NAMES[10], actor=moderator
    ).job
    bulk.start(job=job, actor=moderator, screen="test")

    team.send_letters()
    team.send_enquiries()
    team.send_alerts()
    bulk.run_due(seconds=0)

    assert len(sent.outbox) == 8
    for one in sent.outbox:
        message = written(one)
        assert_inert(message, to={"p@a.example", "mona@team.example"})
        assert "victim" not in str(message["To"]) + str(message["From"]) + str(message["Subject"])


# --- Files -------------------------------------------------------------------------------------


def cells_of(file: bytes) -> list[str]:
    """The cells of a CSV as a spreadsheet splits it, at commas or, in other locales, semicolons."""
    lines = list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    return [part for line in lines for cell in line for part in cell.split(";")]


def assert_no_formula(file: bytes, file_format: str) -> str:
    """Assert that nothing of a file runs where it is opened; return its words."""
    if file_format == "csv":
        cells = cells_of(file)
        assert [one for one in cells if one.strip(' "').startswith(tuple(STARTS))] == []
        return "\n".join(cells)
    book = openpyxl.load_workbook(io.BytesIO(file))
    found = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in found} <= {"s", "n"}
    assert not any(cell.hyperlink for cell in found)
    return "\n".join(unescape(str(cell.value)) for cell in found)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_export_file_contains_a_formula(
    hostile: Petition, purpose: str, file_format: str
) -> None:
    subject = signer(5).email if PURPOSES[purpose].is_of_one_person else ""
    chosen = Export(petition=hostile, purpose=purpose, file_format=file_format, why=NAMES[5])
    export = exports.start(export=chosen, actor=None, screen="test")
    words = assert_no_formula(b"".join(exports.stream(export, subject=subject)), file_format)
    if purpose in {"hand-in", "supporters", "person"}:
        assert "HYPERLINK" in words


def test_the_audit_log_csv_contains_no_formula(hostile: Petition, client: Client) -> None:
    ada = User.objects.create_user(NAMES[9], is_staff=True)
    ada.groups.add(Group.objects.get(name=ADMINISTRATORS))
    for name in NAMES:
        audit.record(
            action=AuditRecord.Action.EXPORTED, screen=name[:60], why=name, actor_id=ada.pk
        )
    client.force_login(ada)
    answer: Any = client.get(reverse("admin:petitions_auditrecord_csv"))
    assert "HYPERLINK" in assert_no_formula(b"".join(answer), "csv")


@pytest.mark.parametrize("file_format", FORMATS)
def test_no_figures_file_contains_a_formula(
    hostile: Petition, organiser: User, client: Client, file_format: str
) -> None:
    for number, name in enumerate(NAMES):
        Source.objects.create(code=f"code-{number}", name=name)
    figures.count_due()
    client.force_login(organiser)
    page = f"/admin/petitions/petition/{hostile.pk}/figures/"
    tables = ("constituencies", "regions", "nations", "days", "states", "sources")
    files = [client.get(f"{page}{table}.{file_format}").content for table in tables]
    words = [assert_no_formula(file, file_format) for file in files]
    assert "HYPERLINK" in words[-1]
