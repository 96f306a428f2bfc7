"""The trial mailbox on a full disk: mail waits, and arrives once there is space."""

import asyncio
import email
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from email import policy
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from campaign.local import smtp
from petitions.mail import outbox
from petitions.models import Mail, Petition
from tests.integration.mail.outbox.conftest import sign_many

SIGNINGS = 20


class Sink:
    """The real mailbox in its own process, with a limit on the size of its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            number = listener.fileno()
            self.process = subprocess.Popen(
                [sys.executable, smtp.__file__, str(folder)],
                pass_fds=[number],
                env={**os.environ, "BIND": f"fd://{number}"},
            )

    def have_room(self, most: int) -> None:
        """Set the maximum file size. Writing more fails as on a full disk."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def recipients(self) -> list[str]:
        """Return the recipients of the messages that it stores."""
        letters = [path.read_bytes() for path in (self.folder / "new").iterdir()]
        return sorted(
            str(email.message_from_bytes(letter, policy=policy.default)["To"]) for letter in letters
        )


@pytest.fixture
def sink(tmp_path: Path, settings: Any) -> Iterator[Sink]:
    sink = Sink(tmp_path / "mail")
    settings.EMAIL_BACKEND = "petitions.mail.letters.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", sink.port
    yield sink
    sink.process.terminate()
    sink.process.wait(10)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="prlimit is Linux's")
def test_mail_refused_by_a_full_disk_is_delivered_once_there_is_space(
    petition: Petition, sink: Sink
) -> None:
    sign_many(petition, SIGNINGS)
    outbox.deliver()
    assert len(sink.recipients()) == SIGNINGS, "the sink works"

    Mail.objects.update(state=Mail.State.QUEUED, due_at=timezone.now())
    sink.have_room(100)
    for _ in range(3):
        assert outbox.deliver() == 0
        Mail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert set(Mail.objects.values_list("state", "code")) == {(Mail.State.QUEUED, "452 4.3.1")}
    assert not list((sink.folder / "tmp").iterdir())

    sink.have_room(resource.RLIM_INFINITY)
    assert outbox.deliver() == SIGNINGS
    assert sink.recipients() == sorted(2 * [f"person{n}@example.org" for n in range(SIGNINGS)])
    assert set(Mail.objects.values_list("state", flat=True)) == {Mail.State.SENT}


@pytest.mark.parametrize(
    ("error", "reply"), [(OSError(28, "x@example.org"), "452 4.3.1"), (KeyError("x@"), "451 4.3.0")]
)
def test_errors_of_the_trial_mailbox_are_temporary_and_not_quoted(
    tmp_path: Path, error: Exception, reply: str
) -> None:
    said = asyncio.run(smtp.Maildir(tmp_path).handle_exception(error))
    assert said.startswith(reply)
    assert "x@" not in said
