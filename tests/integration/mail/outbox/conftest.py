"""What tests of the outbox share: a mail server's client that fails as it is told."""

from dataclasses import replace
from typing import Any

import pytest
from django.core import mail as sent
from django.core.mail.backends.base import BaseEmailBackend

from petitions.mail import outbox
from petitions.models import Petition
from tests.people import AMINA, sign


class Backend(BaseEmailBackend):
    """A mail server's client that fails as it is told."""

    failure: Exception | None = None
    opening: Exception | None = None

    def open(self) -> bool:
        if Backend.opening:
            raise Backend.opening
        return True

    def send_messages(self, email_messages: Any) -> int:
        if Backend.failure:
            raise Backend.failure
        sent.outbox.extend(email_messages)
        return len(email_messages)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> type[Backend]:
    monkeypatch.setattr(outbox, "get_connection", lambda **kwargs: Backend())
    monkeypatch.setattr(Backend, "failure", None)
    monkeypatch.setattr(Backend, "opening", None)
    return Backend


def sign_many(petition: Petition, count: int) -> None:
    """Signings from mailboxes of their own, for one mailbox gets only so many mails."""
    for number in range(count):
        sign(petition, replace(AMINA, email=f"person{number}@example.org"))
