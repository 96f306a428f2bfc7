"""Organisers' figures: exact, consistent, as of one moment, and read at constant cost."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions import tasks
from petitions.counting import figure_tables, figures, tallies
from petitions.models import (
    ABROAD,
    UNKNOWN,
    Decision,
    Figures,
    Petition,
    Signature,
)
from petitions.moderation import decisions
from petitions.signatures import withdraw
from tests.held import hold_one, states
from tests.people import AMINA, BASHIR, DAVID, sign, sign_and_confirm, somebody

State = Signature.State
ALDERSHOT, CARDIFF = "E14001063", "W07000089"


@pytest.fixture(autouse=True)
def _no_margin(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show what waits without its margin, except to the test of that."""
    if "steady" not in request.node.name:
        monkeypatch.setattr(figures, "_margin", lambda _petition, _since: 0)


def at(place: str, *signatures: Signature) -> None:
    """Move signatures to another place, as an import of postcodes does."""
    for one in signatures:
        Signature.objects.filter(pk=one.pk).update(place_id=place)


def counts(petition: Petition) -> figures.Counts:
    figures.count_due(timezone.now())
    found: figures.Counts = Figures.objects.get(petition=petition).counts
    return found


def test_every_table_is_exact_and_adds_up_to_the_count(petition: Petition) -> None:
    alone = replace(BASHIR, email="bashir@example.net")
    amina, bashir, david = (sign_and_confirm(petition, one) for one in (AMINA, alone, DAVID))
    at(ALDERSHOT, amina)
    Signature.objects.filter(pk=bashir.pk).update(text_version=2)

    found = counts(petition)

    assert found["place"] == {ALDERSHOT: 1, UNKNOWN: 1, ABROAD: 1}
    assert found["version"] == {"1": 2, "2": 1}
    assert found["name_use"] == {"government": 1, "withheld": 1, "public": 1}
    assert found["day"] == {timezone.localdate().isoformat(): 3}
    assert found["state"] == {State.CONFIRMED: 3, State.PENDING: 0}
    totals = {sum(found[table].values()) for table in ("place", "version", "name_use", "day")}
    assert totals == {tallies.total(petition.pk)}
    assert david.place_id == ABROAD


def test_days_are_counted_in_london_time(petition: Petition) -> None:
    one = sign_and_confirm(petition, DAVID)
    late = datetime.fromisoformat("2026-06-19T23:30:00+00:00")
    Signature.objects.filter(pk=one.pk).update(confirmed_at=late)

    assert counts(petition)["day"] == {"2026-06-20": 1}


def test_uncounted_signatures_are_listed_by_state_and_reason(petition: Petition) -> None:
    hold_one(petition, AMINA)
    removed, withdrawn = (sign_and_confirm(petition, somebody(n)) for n in (1, 2))
    decisions.decide(
        petition=petition,
        ids=[removed.pk],
        kind=Decision.Kind.REMOVE,
        reason=Decision.Reason.DUPLICATE,
        note="",
        actor=None,
    )
    withdraw.withdraw(signature_id=withdrawn.pk)
    sign(petition, DAVID)

    found = counts(petition)

    assert found["state"] == {
        State.HELD: 1,
        State.REMOVED: 1,
        State.WITHDRAWN: 1,
        State.PENDING: 0,
    }
    assert found["removed"] == {Decision.Reason.DUPLICATE: 1}
    assert found["place"] == found["day"] == {}


def test_withdrawing_does_not_reveal_the_number_of_attempts_with_an_address(
    petition: Petition,
) -> None:
    """Otherwise an organiser could type an address often, and see when its owner withdraws."""
    for number in range(figures.STEP + 1):
        sign(petition, somebody(number))
    signed = sign_and_confirm(petition, AMINA)
    for _ in range(figures.STEP):
        sign(petition, AMINA)
    before = counts(petition)["state"]

    withdraw.withdraw(signature_id=signed.pk)
    Figures.objects.all().delete()

    assert before == {State.CONFIRMED: 1, State.PENDING: 25}
    assert counts(petition)["state"] == {State.WITHDRAWN: 1, State.PENDING: 25}


def test_the_pending_count_stays_steady_when_one_signature_comes_or_goes(
    petition: Petition,
) -> None:
    """Forms for 24 made-up addresses and one person's would else show when that one confirms."""
    now, quiet = timezone.now(), 0

    def later(waiting: int, before: int, hour: int) -> tuple[int, int]:
        known: figures.Counts = {"state": {State.PENDING: before}, "waiting": {"since": hour}}
        return figures._steady(petition.pk, waiting, known, now)

    for hour in range(1_000):
        quiet += later(25, 0, hour) == (0, hour)
        quiet += later(24, 25, hour) == (25, hour)
        assert later(49, 0, hour)[0] == 25, "what is far away is shown"
        assert later(0, 25, hour)[0] == 0
        assert later(0, 0, hour) == (0, hour)
    assert 1_800 < quiet < 2_000, "but in one of 25 cases"


def test_removed_unconfirmed_forms_are_never_in_the_figures(petition: Petition) -> None:
    """An organiser may have sent forms with somebody's name and address that were removed since."""
    signed = sign_and_confirm(petition, AMINA)
    other = sign_and_confirm(petition, DAVID)
    sent = [sign(petition, AMINA) for _ in range(10)]
    decisions.decide(
        petition=petition,
        ids=[other.pk, *sent],
        kind=Decision.Kind.REMOVE,
        reason=Decision.Reason.AUTOMATED,
        note="",
        actor=None,
    )
    assert states(sent) == {State.REMOVED}
    before = counts(petition)

    withdraw.withdraw(signature_id=signed.pk)
    Figures.objects.all().delete()

    assert not Signature.objects.filter(pk__in=sent).exists()
    after = counts(petition)
    assert before["removed"] == after["removed"] == {Decision.Reason.AUTOMATED: 1}
    assert before["state"] == {State.CONFIRMED: 1, State.REMOVED: 1, State.PENDING: 0}
    assert after["state"] == {State.WITHDRAWN: 1, State.REMOVED: 1, State.PENDING: 0}


def test_a_petition_is_counted_at_most_once_in_an_hour(petition: Petition) -> None:
    now = timezone.now().replace(minute=0)
    assert figures.count_due(now) == 1
    sign_and_confirm(petition, AMINA)

    assert figures.count_due(now + timedelta(minutes=59)) == 0
    assert Figures.objects.get().counts["state"] == {State.PENDING: 0}
    assert figures.count_due(now + timedelta(hours=1)) == 1
    assert Figures.objects.get().counts["state"] == {State.CONFIRMED: 1, State.PENDING: 0}


def test_a_petition_long_closed_is_counted_once_a_day_and_a_draft_never(
    petition: Petition,
) -> None:
    now = timezone.now()
    Petition.objects.create(slug="draft")
    Petition.objects.update(closes_at=now - timedelta(days=8), opens_at=now - timedelta(days=9))
    Petition.objects.filter(slug="draft").update(opens_at=None, closes_at=None)

    assert figures.count_due(now) == 1
    assert figures.count_due(now + timedelta(hours=1)) == 0
    assert figures.count_due(now + timedelta(hours=24)) == 1


@pytest.mark.django_db(transaction=True)
def test_the_sweep_stores_figures(petition: Petition) -> None:
    tasks.count_figures()
    assert Figures.objects.filter(petition=petition).exists()


def test_equal_constituencies_share_their_rank_and_every_one_is_listed(petition: Petition) -> None:
    signed = [sign_and_confirm(petition, somebody(n)) for n in range(4)]
    at(ALDERSHOT, *signed[:2])
    at(CARDIFF, *signed[2:])
    counts(petition)

    report = figure_tables.report(petition)

    assert report is not None
    assert len(report.seats) == 650
    first, second, third = report.seats[:3]
    assert (first.code, first.region, first.nation) == (ALDERSHOT, "South East", "England")
    assert (second.code, second.region, second.nation) == (CARDIFF, "Wales", "Wales")
    assert (first.rank, second.rank, third.rank) == (1, 1, 3)
    assert (first.n, second.n, third.n) == (2, 2, 0)


def test_regions_and_nations_add_up_to_the_total(petition: Petition) -> None:
    for one, place in zip(range(3), (ALDERSHOT, CARDIFF, UNKNOWN), strict=True):
        at(place, sign_and_confirm(petition, somebody(one)))
    sign_and_confirm(petition, DAVID)
    counts(petition)

    report = figure_tables.report(petition)

    assert report is not None
    for name in ("regions", "nations"):
        table = report.table(name)
        assert table is not None
        assert sum(int(row[1]) for row in table.rows) == report.total == 4
        assert ("outside the UK", 1) in table.rows


def test_the_number_of_queries_does_not_grow_with_the_signatures(petition: Petition) -> None:
    def queries() -> int:
        Figures.objects.all().delete()
        figures.count_due()
        with CaptureQueriesContext(connection) as asked:
            figure_tables.report(petition)
        return len(asked)

    few = queries()
    for number in range(9):
        at(ALDERSHOT, sign_and_confirm(petition, somebody(number)))
    assert queries() == few == 4
