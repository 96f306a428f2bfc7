"""The rate limit per recipient domain and minute."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as sent
from django.utils import timezone

from petitions.mail import outbox, pace
from petitions.models import Mail, Petition
from petitions.models.mail import THROTTLED
from petitions.signers import sealing
from tests.integration.mail.outbox.conftest import (
    sign_many,
)
from tests.people import DAVID, sign


@pytest.fixture
def throttled(settings: Any, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """At most two mails a minute to a domain, and a clock that tests set: `clock[0]` seconds."""
    clock = [1000.0]
    settings.MAILS_PER_DOMAIN_AND_MINUTE = 2
    monkeypatch.setattr(outbox, "_throttle", pace.Throttle())
    monkeypatch.setattr("petitions.mail.pace.time.monotonic", lambda: clock[0])
    return clock


def test_mail_over_the_rate_limit_of_a_domain_is_sent_later(
    petition: Petition, throttled: list[float]
) -> None:
    sign_many(petition, 5)
    sign(petition, DAVID)

    assert outbox.deliver() == 3

    later = Mail.objects.filter(state=Mail.State.QUEUED)
    assert set(later.values_list("attempts", "code")) == {(0, THROTTLED)}
    waits = [(row.due_at - timezone.now()).total_seconds() for row in later]
    assert all(50 < wait < 200 for wait in waits)
    for _ in range(2):
        throttled[0] += 61
        Mail.objects.filter(state=Mail.State.QUEUED).update(due_at=timezone.now())
        outbox.deliver()
    assert not Mail.objects.exclude(state=Mail.State.SENT).exists()
    assert len(sent.outbox) == 6


def test_throttled_mails_are_spread_over_as_many_minutes_as_needed(
    settings: Any, throttled: list[float]
) -> None:
    limit = pace.Throttle()
    waits = [limit.wait("example.org") for _ in range(22)]
    assert waits[:2] == [0, 0]
    assert 60 <= waits[2] < 120
    assert 60 + 9 * 60 <= waits[-1] <= 60 + 10 * 60


def test_mails_hidden_from_the_figures_do_not_use_up_the_domain_rate_limit(
    petition: Petition, throttled: list[float]
) -> None:
    """Otherwise a waiting mail would tell somebody who asks for an address's signatures that
    another spelling of it has signed.
    """
    sign_many(petition, 4)
    for mail in Mail.objects.order_by("created_at")[:2]:
        Mail.objects.filter(pk=mail.pk).update(
            kind=Mail.Kind.FIND_OTHER,
            sealed=sealing.seal_addressee(mail.pk, address="x@example.org", language="en"),
            due_at=timezone.now() - timedelta(minutes=1),
        )

    assert outbox.deliver() == 3

    confirmations = Mail.objects.filter(kind=Mail.Kind.CONFIRM)
    assert set(confirmations.values_list("state", flat=True)) == {Mail.State.SENT}
    # The other kinds have a tenth of the limit, and at least one mail.
    others = Mail.objects.filter(kind=Mail.Kind.FIND_OTHER)
    assert sorted(others.values_list("state", flat=True)) == [Mail.State.QUEUED, Mail.State.SENT]


def test_the_rate_limit_of_a_domain_varies_randomly_each_minute(
    settings: Any, throttled: list[float]
) -> None:
    settings.MAILS_PER_DOMAIN_AND_MINUTE = 200
    limit, passed = pace.Throttle(), []
    for _minute in range(20):
        passed.append(sum(limit.wait("example.org") == 0 for _ in range(200)))
        throttled[0] += pace.MINUTE

    assert all(180 <= number <= 200 for number in passed)
    assert len(set(passed)) > 5


def test_a_domain_rate_limit_of_zero_disables_throttling(
    settings: Any, throttled: list[float]
) -> None:
    settings.MAILS_PER_DOMAIN_AND_MINUTE = 0
    assert {pace.Throttle().wait("example.org") for _ in range(50)} == {0}
