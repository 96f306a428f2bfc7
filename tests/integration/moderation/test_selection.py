"""Selections: what their conditions match, what they refuse, and what they store."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.models import ABROAD, Petition, Signature, Signer
from petitions.moderation import decisions, selection
from petitions.moderation.selection import Selection
from petitions.screening.screen import Screening
from petitions.signatures import submit
from petitions.staff.refusal import Refused
from tests.benchmarks import seeding
from tests.people import confirm, sign, sign_and_confirm, somebody
from tests.plans import rows_read

pytestmark = pytest.mark.django_db


def _matched(petition: Petition, **conditions: Any) -> set[Signature]:
    chosen = Selection(petition_id=petition.pk, **conditions)
    again = Selection.from_conditions(json.loads(json.dumps(chosen.conditions())))
    assert again == chosen
    return set(again.queryset())


def _from_network(petition: Petition, number: int, network: str, *signals: str) -> Signature:
    screening = Screening(verdict=Signature.Verdict.PASS, signals=tuple(signals), network=network)
    pk = submit.store(petition=petition, attempt=somebody(number), screening=screening)
    confirm(pk)
    return Signature.objects.get(pk=pk)


def test_a_selection_without_a_condition_is_refused_in_words(petition: Petition) -> None:
    with pytest.raises(Refused, match="Choose at least one condition"):
        Selection(petition_id=petition.pk)


def test_more_ids_than_a_form_can_tick_are_refused(petition: Petition) -> None:
    ids = tuple(uuid4() for _ in range(selection.MOST_IDS + 1))
    with pytest.raises(Refused, match="Choose them by a condition"):
        Selection(petition_id=petition.pk, ids=ids)


@pytest.mark.parametrize(
    ("conditions", "is_total"),
    [
        ({"is_everything": True}, True),
        ({"state": "confirmed"}, True),
        ({"state": "held"}, False),
        ({"is_everything": True, "signal": "burst"}, False),
    ],
)
def test_a_selection_knows_whether_it_covers_the_whole_count(
    petition: Petition, conditions: dict[str, Any], is_total: bool
) -> None:
    assert Selection(petition_id=petition.pk, **conditions).is_total is is_total


def test_state_place_time_and_ids_narrow_a_selection(petition: Petition) -> None:
    one, other = (sign_and_confirm(petition, somebody(n)) for n in (1, 2))
    pending = Signature.objects.get(pk=sign(petition, somebody(3)))
    Signature.objects.filter(pk=other.pk).update(
        place=ABROAD, created_at=timezone.now() - timedelta(hours=5)
    )
    hour_ago = timezone.now() - timedelta(hours=1)

    assert _matched(petition, state="confirmed") == {one, other}
    assert _matched(petition, ids=(one.pk, pending.pk), state="pending") == {pending}
    assert _matched(petition, is_abroad=True) == {other} == _matched(petition, place=ABROAD)
    assert _matched(petition, is_abroad=False) == {one, pending}
    assert _matched(petition, created_from=hour_ago) == {one, pending}
    assert _matched(petition, created_to=hour_ago) == {other}


def test_a_selection_by_signal_matches_its_code_and_ignores_its_number(petition: Petition) -> None:
    burst = _from_network(petition, 1, "192.0.2.0/24", "burst:12")
    both = _from_network(petition, 2, "192.0.2.0/24", "honeypot", "burst")
    _from_network(petition, 3, "192.0.2.0/24", "burst-of-others:3")

    assert _matched(petition, signal="burst") == {burst, both}


def test_a_selection_by_network_or_domain_stores_only_a_signature_id(petition: Petition) -> None:
    one = _from_network(petition, 1, "192.0.2.0/24")
    same = _from_network(petition, 2, "192.0.2.0/24")
    other = _from_network(petition, 3, "198.51.100.0/24")
    Signer.objects.filter(pk=other.pk).update(domain_ix=Signer.objects.get(pk=one.pk).domain_ix)

    assert _matched(petition, same_network_as=one.pk) == {one, same}
    assert _matched(petition, same_domain_as=(one.pk,)) == {one, other}
    stored = Selection(petition_id=petition.pk, same_network_as=one.pk).conditions()
    assert stored == {"petition_id": petition.pk, "same_network_as": str(one.pk)}


def test_a_selection_by_an_erased_network_or_domain_is_refused(petition: Petition) -> None:
    one = _from_network(petition, 1, "192.0.2.0/24")
    Signer.objects.update(network_ix=None, domain_ix=None)

    like: tuple[dict[str, Any], ...] = ({"same_network_as": one.pk}, {"same_domain_as": (one.pk,)})
    for condition in like:
        with pytest.raises(Refused, match="no longer known"):
            Selection(petition_id=petition.pk, **condition).queryset()


def test_a_selection_by_several_domains_ignores_erased_ones(
    petition: Petition,
) -> None:
    one, two, three = (_from_network(petition, n, "192.0.2.0/24") for n in (1, 2, 3))
    assert _matched(petition, same_domain_as=(one.pk, three.pk)) == {one, three}

    Signer.objects.filter(pk=one.pk).update(domain_ix=None)
    assert _matched(petition, same_domain_as=(one.pk, two.pk)) == {two}


def test_a_selection_by_minute_is_refused_once_only_the_day_is_known(
    petition: Petition,
) -> None:
    one, same, other = (sign_and_confirm(petition, somebody(n)) for n in (1, 2, 3))
    noon = timezone.localtime().replace(hour=12, minute=3, second=0, microsecond=0)
    for signature, seconds in ((one, 5), (same, 59), (other, 60)):
        moment = noon + timedelta(seconds=seconds)
        Signature.objects.filter(pk=signature.pk).update(created_at=moment)
    assert _matched(petition, same_minute_as=one.pk) == {one, same}

    Signature.objects.filter(pk=one.pk).update(created_at=noon.replace(hour=0, minute=0))
    with pytest.raises(Refused, match="Only the day"):
        Selection(petition_id=petition.pk, same_minute_as=one.pk).queryset()


def test_a_selection_by_decision_matches_only_signatures_not_decided_since(
    petition: Petition, moderator: User
) -> None:
    one, other = (sign_and_confirm(petition, somebody(n)) for n in (1, 2))
    why: dict[str, Any] = {"reason": "automated", "note": "", "actor": moderator}
    held = decisions.decide(kind="hold", petition=petition, ids=[one.pk, other.pk], **why)
    decisions.decide(kind="approve", petition=petition, ids=[other.pk], **why)

    assert held.decision
    assert _matched(petition, decision=held.decision.pk) == {one}


def test_the_count_of_a_selection_has_an_upper_limit(petition: Petition) -> None:
    for number in range(3):
        sign_and_confirm(petition, somebody(number))
    chosen = Selection(petition_id=petition.pk, state="confirmed")

    assert chosen.count(3) == (3, True)
    assert chosen.count(2) == (2, False)
    assert (str(chosen.count(3)), str(chosen.count(2))) == ("3", "more than 2")


def test_a_selection_by_a_new_decision_reads_no_decision_items(
    petition: Petition,
) -> None:
    """The statistics do not have it yet, so a join would be planned as if for single rows."""
    seeding.seed(petition=petition, total=3_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_decisionitem")
    ids = list(Signature.objects.counted().values_list("pk", flat=True)[:1_000])
    done = decisions.decide(
        kind="remove", petition=petition, ids=ids, reason="automated", note="", actor=None
    )
    assert done.decision

    with CaptureQueriesContext(connection) as captured:
        found = Selection(petition_id=petition.pk, decision=done.decision.pk).count(2_000)
    assert found == (1_000, True)
    (sql,) = [query["sql"] for query in captured.captured_queries]
    assert rows_read(sql, "petitions_signature") <= 1_000
    assert rows_read(sql, "petitions_decisionitem") == 0
