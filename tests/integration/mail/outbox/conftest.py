"""Fixtures of the outbox tests: an email backend that fails on demand."""

from dataclasses import replace
from typing import Any

import pytest
from django.core import mail as sent
from django.core.mail.backends.base import BaseEmailBackend

from petitions.mail import outbox
from petitions.models import Petition
from tests.people import AMINA, sign


class Backend(BaseEmailBackend):
    """An email backend that fails on demand."""

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
    """Sign from different mailboxes, because the mails of one mailbox are limited."""
    for number in range(count):
        sign(petition, replace(AMINA, email=f"person{number}@example.org"))
