"""Activity by the minute: rolled up once, from few rows, in the same way for every address."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.infra import redis
from petitions.models import ActivityMinute, Petition, Signature
from petitions.moderation import activity
from petitions.privacy import retention
from petitions.screening import challenge
from petitions.screening.screen import Screening
from petitions.signatures import submit, withdraw
from petitions.signers.sealing import Attempt
from tests.held import hold_one
from tests.people import AMINA, DAVID, sign, sign_and_confirm, somebody
from tests.plans import rows_read

pytestmark = pytest.mark.django_db
Later = Callable[[timedelta], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Advance Python's clock. Rows have times from PostgreSQL's clock."""
    passed = timedelta()
    now = timezone.now

    def move(time: timedelta) -> None:
        nonlocal passed
        passed += time

    monkeypatch.setattr(timezone, "now", lambda: now() + passed)
    return move


def counted() -> dict[str, int]:
    """Return the sum of all counts over all minutes."""
    total: dict[str, int] = {}
    for counts in ActivityMinute.objects.values_list("counts", flat=True):
        for event, number in counts.items():
            total[event] = total.get(event, 0) + number
    return total


def refuse(petition: Petition, code: str, attempt: Attempt = AMINA) -> None:
    submit.store(
        petition=petition, attempt=attempt, screening=Screening(signals=(code,), is_refused=True)
    )


def test_a_minute_of_activity_is_rolled_up_once_after_its_end(
    petition: Petition, later: Later
) -> None:
    sign(petition, DAVID)
    sign_and_confirm(petition, somebody(1))
    hold_one(petition, somebody(2))
    activity.roll_up()
    assert not ActivityMinute.objects.exists()

    later(timedelta(minutes=2))
    for _sweep in range(2):
        activity.roll_up()

    assert counted() == {"signed": 3, "confirmed": 1, "held": 1}
    assert {row.minute.second for row in ActivityMinute.objects.all()} == {0}


def test_activity_counts_every_form_alike_and_is_unchanged_by_a_withdrawal(
    petition: Petition, later: Later
) -> None:
    mine = sign_and_confirm(petition)
    # Over the mailbox's limit, refused by a rule about the address, and an ordinary one.
    refuse(petition, "mailbox-rate")
    refuse(petition, "blocked-address")
    sign(petition, AMINA)
    later(timedelta(minutes=2))
    activity.roll_up()
    before = counted()
    assert before == {"signed": 4, "confirmed": 1}

    withdraw.withdraw(signature_id=mine.pk)
    later(timedelta(minutes=1))
    activity.roll_up()

    assert counted() == before


def test_activity_counts_rule_hits_by_kind_except_rules_about_an_address(
    petition: Petition, later: Later
) -> None:
    for code in ("blocked-network", "blocked-domain", "blocked-domain", "blocked-address"):
        refuse(petition, code)
    held = sign_and_confirm(petition, DAVID)
    Signature.objects.filter(pk=held.pk).update(state="held", signals=["held-network"])
    later(timedelta(minutes=2))
    activity.roll_up()

    assert counted() == {
        "signed": 5, "held": 1, "refused-network": 1, "refused-domain": 2,
        "held-network": 1,
    }  # fmt: skip


def test_activity_counts_challenges_asked_and_failed(petition: Petition, later: Later) -> None:
    def ask(**answer: str) -> challenge.Offer:
        offered = challenge.demand(answer, petition.slug)
        assert offered
        return offered

    offered = ask()
    ask(patience=offered.patience)
    ask(altcha="nonsense")
    # Of another form than a petition's.
    challenge.demand({}, challenge.FIND)
    later(timedelta(minutes=2))
    activity.roll_up()

    assert counted() == {"asked": 1, "failed": 2}


def test_activity_without_redis_counts_signatures_but_no_challenges(
    petition: Petition, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_work: object) -> None:
        raise redis.Unavailable

    monkeypatch.setattr(redis, "call", away)
    assert challenge.demand({}, petition.slug)
    sign(petition)
    later(timedelta(minutes=2))
    activity.roll_up()

    assert counted() == {"signed": 1}


def test_missed_minutes_of_activity_are_rolled_up_for_a_day(
    petition: Petition, later: Later
) -> None:
    sign(petition)
    later(timedelta(hours=5))
    activity.roll_up()
    assert counted() == {"signed": 1}

    ActivityMinute.objects.all().delete()
    later(timedelta(hours=20))
    activity.roll_up()

    assert not ActivityMinute.objects.exists()


def test_activity_rows_are_deleted_after_a_day(petition: Petition) -> None:
    now = timezone.now()
    for age in (timedelta(hours=24), timedelta(hours=26)):
        ActivityMinute.objects.create(petition=petition, minute=now - age, counts={"signed": 1})

    retention.delete_small_tables()

    assert ActivityMinute.objects.get().minute == now - timedelta(hours=24)


def test_an_activity_rollup_reads_only_the_signatures_of_its_minutes(
    petition: Petition, later: Later
) -> None:
    for number in range(200):
        sign_and_confirm(petition, somebody(number))
    long_ago = timezone.now() - timedelta(days=2)
    Signature.objects.update(created_at=long_ago, confirmed_at=long_ago)
    sign_and_confirm(petition, somebody(999))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature")
    later(timedelta(minutes=2))

    with CaptureQueriesContext(connection) as queries:
        activity.roll_up()

    read = [q["sql"] for q in queries if 'FROM "petitions_signature"' in q["sql"]]
    assert [rows_read(sql, "petitions_signature") for sql in read] == [1, 1]
    assert len(queries) <= 8
