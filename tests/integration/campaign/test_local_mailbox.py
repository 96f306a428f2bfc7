"""The local mailbox: each message as a person would see it, and nothing but messages."""

from email.message import EmailMessage
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from campaign.local.smtp import Maildir

# Pages that are not there ask the database for the organisation's name.
pytestmark = pytest.mark.django_db

LINK = "http://127.0.0.1:8000/t/en/confirm/abc_-123/"


@pytest.fixture
def mailbox(tmp_path: Path, settings: Settings) -> Maildir:
    settings.LOCAL_MAILBOX = str(tmp_path / "mailbox")
    return Maildir(tmp_path / "mailbox")


def deliver(mailbox: Maildir, subject: str, *, html: bool = True) -> str:
    """Deliver a message and return its key."""
    before = {path.name for path in (mailbox.folder / "new").iterdir()}
    message = EmailMessage()
    message["To"] = "Amina <amina@example.org>"
    message["Subject"] = subject
    message["Date"] = "Sun, 22 Nov 2026 16:00:00 +0000"
    message.set_content(f"Open this:\n{LINK}\n<b>not markup</b>\n")
    if html:
        message.add_alternative("<html><head></head><p>مرحبا</p></html>", subtype="html")
    mailbox.deliver(message.as_bytes())
    (key,) = {path.name for path in (mailbox.folder / "new").iterdir()} - before
    return key


def test_an_empty_mailbox_says_what_to_do(client: Client, mailbox: Maildir) -> None:
    assert "No message yet" in client.get("/mailbox/").text


def test_the_newest_message_stands_first(client: Client, mailbox: Maildir) -> None:
    deliver(mailbox, "First of two")
    deliver(mailbox, "تأكيد")
    page = client.get("/mailbox/").text
    assert page.index("تأكيد") < page.index("First of two")
    assert "Amina &lt;amina@example.org&gt;" in page


def test_messages_are_paginated(client: Client, mailbox: Maildir) -> None:
    for number in range(51):
        deliver(mailbox, f"Message {number}.")
    assert "Message 0." not in client.get("/mailbox/").text
    assert "Message 0." in client.get("/mailbox/?page=2").text
    assert client.get("/mailbox/?page=nonsense").status_code == 200


def test_links_in_a_message_are_clickable_and_its_markup_is_escaped(
    client: Client, mailbox: Maildir
) -> None:
    page = client.get(f"/mailbox/{deliver(mailbox, 'Hello')}/").text
    assert f'<a href="{LINK}"' in page
    assert "&lt;b&gt;not markup&lt;/b&gt;" in page
    assert "<dt>Subject</dt>" in page


def test_html_is_shown_in_a_sandbox_that_runs_and_loads_nothing(
    client: Client, mailbox: Maildir
) -> None:
    key = deliver(mailbox, "Hello")
    assert f'<iframe src="/mailbox/{key}/html/"' in client.get(f"/mailbox/{key}/").text

    framed = client.get(f"/mailbox/{key}/html/")

    assert '<head><base target="_top"></head><p>مرحبا</p>' in framed.text
    policy = framed["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy


def test_a_message_without_html_has_no_frame(client: Client, mailbox: Maildir) -> None:
    key = deliver(mailbox, "Plain", html=False)
    assert "<iframe" not in client.get(f"/mailbox/{key}/").text
    assert client.get(f"/mailbox/{key}/html/").status_code == 404


@pytest.mark.parametrize(
    "key", ["nobody", "..", "%2e%2e", "..%2fsecrets.env", "..%2f..%2f..%2fetc%2fpasswd", "a%00b"]
)
def test_path_traversal_in_a_message_key_is_refused(
    client: Client, mailbox: Maildir, key: str
) -> None:
    (mailbox.folder.parent / "secrets.env").write_text("SECRET_KEY=not for you")
    for end in ("/", "/html/"):
        response = client.get(f"/mailbox/{key}{end}")
        assert response.status_code in {400, 404}
        assert "not for you" not in response.text


def test_no_response_may_be_cached(client: Client, mailbox: Maildir) -> None:
    key = deliver(mailbox, "Hello")
    for path in ("/mailbox/", f"/mailbox/{key}/", f"/mailbox/{key}/html/"):
        assert client.get(path)["Cache-Control"] == "no-store"
