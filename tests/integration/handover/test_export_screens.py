"""The screens of exports, for organisers and others, and the reminders that they promise."""

import csv
import io
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import openpyxl
import pyrage
import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from petitions.handover import exports, purposes
from petitions.handover.purposes import PURPOSES
from petitions.models import AuditRecord, Export, Petition
from petitions.signers.sealing import Attempt
from petitions.staff.refusal import Refused
from tests.people import AMINA, sign_and_confirm, somebody

NEW = "/admin/petitions/export/new/"


@pytest.fixture
def page(organiser: User, client: Client) -> Client:
    client.force_login(organiser)
    return client


def form(petition: Petition, **changes: Any) -> dict[str, Any]:
    return {
        "number": uuid.uuid4(), "petition": petition.pk, "file_format": "csv",
        "why": "Downing Street, 1 December", **changes,
    }  # fmt: skip


def test_an_organiser_downloads_an_export_starting_from_the_petition(
    petition: Petition, page: Client, organiser: User
) -> None:
    sign_and_confirm(petition)
    assert not organiser.is_superuser
    own = page.get(f"/admin/petitions/petition/{petition.pk}/change/").content.decode()
    assert f"{NEW}?petition={petition.pk}" in own
    choice = page.get(f"{NEW}?petition={petition.pk}").content.decode()
    for purpose in PURPOSES.values():
        assert f"{NEW}{purpose.name}/?petition={petition.pk}" in choice
    asked = page.get(f"{NEW}hand-in/?petition={petition.pk}").content.decode()
    assert f'<option value="{petition.pk}" selected>' in asked

    response = page.post(f"{NEW}hand-in/", form(petition))
    rows = list(csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"))))

    export = Export.objects.get()
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    name = f"protect-hand-in-{timezone.localdate()}-delete-by-{export.delete_by}.csv"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert len(rows) == 2
    assert (export.actor, export.rows, export.state) == (organiser, 1, Export.State.DONE)
    listed = page.get("/admin/petitions/export/").content.decode()
    assert "complete, 1 row<" in listed
    assert "delete by" in listed
    assert (
        export.sha256 in page.get(f"/admin/petitions/export/{export.pk}/change/").content.decode()
    )


def test_the_supporters_export_cannot_be_limited_to_a_place_or_days(
    petition: Petition, page: Client
) -> None:
    """Otherwise two files of one row each show where somebody lives who withheld their name."""
    for country, address in (("", "uk@example.org"), ("FR", "fr@example.org")):
        postcode = "" if country else "M145RX"
        withheld = replace(AMINA, email=address, name_use="withheld", wants_updates=True)
        sign_and_confirm(petition, replace(withheld, country=country, postcode=postcode))
    url, today = f"{NEW}supporters/", timezone.localdate()
    assert not page.get(url).context["form"].fields.keys() & {"place", "first_day", "last_day"}

    chosen = form(petition, place="abroad", first_day=today, last_day=today)
    rows = list(csv.reader(io.StringIO(page.post(url, chosen).getvalue().decode("utf-8-sig"))))

    assert sorted(row[0] for row in rows[1:]) == ["fr@example.org", "uk@example.org"]
    assert page.get(f"{NEW}hand-in/").context["form"].fields.keys() >= {"place", "first_day"}
    part = Export(petition=petition, purpose="supporters", why="x", first_day=today, last_day=today)
    with pytest.raises(Refused, match="Do not choose a place or days"):
        exports.start(export=part, actor=None, screen="command line")
    assert Export.objects.filter(purpose="supporters").count() == 1


def test_the_export_pages_do_not_assume_a_government_as_addressee(page: Client) -> None:
    for name in PURPOSES:
        assert "Government" not in page.get(f"{NEW}{name}/").content.decode()


@pytest.mark.parametrize("purpose", [name for name in PURPOSES if name != "person"])
def test_every_purpose_can_be_exported_as_xlsx(
    petition: Petition, page: Client, purpose: str
) -> None:
    sign_and_confirm(petition)
    response = page.post(f"{NEW}{purpose}/", form(petition, file_format="xlsx"))
    book = openpyxl.load_workbook(io.BytesIO(response.getvalue()))

    head = [cell.value for cell in next(book.worksheets[0].iter_rows())]
    assert head == list(PURPOSES[purpose].columns)
    note = str(book.worksheets[-1]["A1"].value)
    assert note.startswith("Delete every copy by")
    assert PURPOSES[purpose].allowed in note


def test_an_export_for_a_recipient_is_encrypted_with_their_public_key(
    petition: Petition, page: Client
) -> None:
    sign_and_confirm(petition, Attempt(name="ليلى", email="l@example.org", name_use="public"))
    mine = pyrage.x25519.Identity.generate()
    sent = form(petition, recipient=f" {mine.to_public()} ")
    response = page.post(f"{NEW}hand-in/", sent)

    file = response.getvalue()
    assert response["Content-Disposition"].endswith('.csv.age"')
    assert "ليلى".encode() not in file
    assert "ليلى" in pyrage.decrypt(file, [mine]).decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"why": ""}, "This field is required"),
        ({"petition": ""}, "This field is required"),
        ({"recipient": "age1nonsense"}, "not a public key"),
        ({"recipient": str(pyrage.x25519.Identity.generate())}, "Never type a secret key"),
        ({"first_day": "2026-02-02", "last_day": "2026-02-01"}, "last day comes before"),
        ({"first_day": "31/31/2026"}, "Enter a valid date"),
        ({"file_format": "exe"}, "Select a valid choice"),
        ({"place": "nowhere"}, "Select a valid choice"),
        ({"number": "1"}, "valid UUID"),
    ],
)
def test_an_invalid_form_shows_its_errors_and_sends_no_file(
    petition: Petition, page: Client, changes: dict[str, str], said: str
) -> None:
    response = page.post(f"{NEW}hand-in/", {**form(petition), **changes})
    assert response.status_code == 200
    assert said in response.content.decode()
    assert not Export.objects.exists()


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_counting_export_rows_needs_no_reason_is_rounded_and_audited(
    petition: Petition,
    page: Client,
    organiser: User,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """Days can be chosen so that the next person who signs from a place changes the step."""
    monkeypatch.setattr(purposes, "RARE", 2)
    for n in range(number):
        sign_and_confirm(petition, somebody(n))
    response = page.post(f"{NEW}hand-in/", form(petition, why="", count="1"))
    words = "fewer than 2" if number < 2 else "about 2"
    assert f"Rows in the file: {words}." in response.content.decode()
    assert not Export.objects.exists()
    asked = AuditRecord.objects.get(action=AuditRecord.Action.SEARCHED)
    assert (asked.actor, asked.object_id) == (organiser, str(petition.pk))
    assert asked.why == "how many rows: hand-in"


def test_the_last_possible_day_is_accepted_as_last_day(petition: Petition, page: Client) -> None:
    sign_and_confirm(petition)
    sent = form(petition, last_day="9999-12-31")
    assert AMINA.name in page.post(f"{NEW}hand-in/", sent).getvalue().decode()


@pytest.mark.parametrize("name", ["why", "proof"])
def test_an_export_reason_or_proof_with_an_email_address_is_refused(
    petition: Petition, page: Client, name: str
) -> None:
    sent = form(petition, address=AMINA.email, proof="answered our mail")
    answer = page.post(f"{NEW}person/", {**sent, name: f"answered from {AMINA.email}"})
    assert "Do not write an email address here." in answer.content.decode()
    assert not Export.objects.exists()


def test_submitting_the_export_form_twice_creates_one_export(
    petition: Petition, page: Client
) -> None:
    sent = form(petition)
    page.post(f"{NEW}hand-in/", sent).getvalue()
    again = page.post(f"{NEW}hand-in/", sent).content.decode()
    assert "This export has already started" in again
    assert str(sent["number"]) not in again
    assert Export.objects.count() == 1


def test_the_progress_of_an_export_is_visible_only_to_its_actor(
    petition: Petition, page: Client, client: Client, moderator: User
) -> None:
    sign_and_confirm(petition)
    sent = form(petition)
    progress = f"/admin/petitions/export/{sent['number']}/progress/"
    assert page.get(progress).status_code == 404
    response = page.post(f"{NEW}hand-in/", sent)
    assert page.get(progress).json() == {
        "rows": 0, "expected": 1, "state": "running",
        "words": "0 of about 1 rows have left the server.",
    }  # fmt: skip
    response.getvalue()
    done = page.get(progress).json()
    assert done["state"] == "done"
    assert done["words"].startswith("Complete: 1 row. Delete every copy by ")
    client.force_login(moderator)
    assert client.get(progress).status_code == 404


def test_an_interrupted_download_records_the_rows_sent(
    petition: Petition, page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petitions.handover.reading.FIRST_BATCH", 1)
    monkeypatch.setattr("petitions.handover.reading.BATCH", 1)
    for number in range(3):
        attempt = Attempt(name="A B", email=f"p{number}@example.org", name_use="public")
        sign_and_confirm(petition, attempt)
    response: Any = page.post(f"{NEW}hand-in/", form(petition))
    chunks = iter(response.streaming_content)
    next(chunks), next(chunks)
    # What `close` does first when the server finds the client gone; then it ends the connection.
    for closer in response._resource_closers:
        closer()

    export = Export.objects.get()
    assert (export.rows, export.state) == (1, Export.State.BROKEN)
    assert "broke off, 1 row<" in page.get("/admin/petitions/export/").content.decode()


def test_the_export_pages_tell_a_moderator_which_organiser_to_ask(
    petition: Petition, moderator: User, organiser: User, client: Client
) -> None:
    client.force_login(moderator)
    for url in (NEW, *[f"{NEW}{name}/" for name in PURPOSES]):
        for response in (client.get(url), client.post(url, form(petition))):
            assert response.status_code == 403
            assert "Only organisers export" in response.content.decode()
            assert "Ask omar." in response.content.decode()
    assert client.get("/admin/petitions/export/").status_code == 403
    assert not Export.objects.exists()


def test_the_person_export_requires_a_proof_and_does_not_log_the_address(
    petition: Petition, page: Client, caplog: pytest.LogCaptureFixture
) -> None:
    sign_and_confirm(petition, AMINA)
    sent = form(petition, address=AMINA.email, proof="", why="asked on 3 May")
    assert page.post(f"{NEW}person/", sent).status_code == 200
    assert not Export.objects.exists()
    response = page.post(f"{NEW}person/", {**sent, "proof": "answered our mail"})

    assert AMINA.name in response.getvalue().decode()
    assert Export.objects.get().proof == "answered our mail"
    assert AMINA.email not in response["Content-Disposition"]
    assert AMINA.email not in caplog.text


def test_person_exports_over_the_hourly_limit_are_answered_with_429(
    petition: Petition, page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "LOOKS_AN_HOUR", 1)
    answers = [
        page.post(f"{NEW}person/", form(petition, address="a@example.org", proof="x"))
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert "ask another organiser" in answers[1].content.decode()


Take = Callable[..., Export]


@pytest.fixture
def take(petition: Petition, organiser: User) -> Take:
    """Return a function that makes an export whose copies must be deleted in so many days."""

    def take(days: int, email: str = "omar@example.org") -> Export:
        organiser.email = email
        organiser.save()
        export = Export(petition=petition, purpose="hand-in", why="x")
        exports.start(export=export, actor=organiser, screen="test")
        b"".join(exports.stream(export))
        Export.objects.filter(pk=export.pk).update(
            delete_by=timezone.localdate() + timedelta(days=days)
        )
        return export

    return take


def test_the_exporter_is_reminded_once_on_the_deletion_day(petition: Petition, take: Take) -> None:
    sign_and_confirm(petition)
    due, _later = take(0), take(1)
    assert [exports.send_reminders(), exports.send_reminders()] == [1, 0]

    (letter,) = mail.outbox
    assert letter.to == ["omar@example.org"]
    assert "delete every copy" in letter.body
    assert str(due.pk) in letter.body
    for never in ("Protect", "petition is", "hand-in", "signature"):
        assert never not in letter.subject + letter.body.partition("http")[0]


def test_the_organisation_is_reminded_if_the_exporter_has_no_email_address(
    petition: Petition, take: Take
) -> None:
    sign_and_confirm(petition)
    take(-1, email="")
    assert exports.send_reminders() == 1
    assert mail.outbox[0].to == ["privacy@example.org"]


def test_an_undelivered_deletion_reminder_is_sent_again(
    petition: Petition, take: Take, settings: Any
) -> None:
    sign_and_confirm(petition)
    take(0)
    backend = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1
    assert exports.send_reminders() == 0
    settings.EMAIL_BACKEND = backend
    assert exports.send_reminders() == 1


def test_an_export_without_rows_has_no_reminder(take: Take) -> None:
    take(0)
    assert exports.send_reminders() == 0
