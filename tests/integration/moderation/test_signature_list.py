"""The moderators' list: where it opens, its filters, its order, and decisions about its rows."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.admin.signatures.filters import Filters, read
from petitions.counting import tallies
from petitions.models import BulkDecision, Decision, Petition, Place, Signature, Signer
from petitions.moderation import decisions, search, selection
from tests.benchmarks import seeding
from tests.held import LIST, button, hold_one, states, suspect
from tests.people import AMINA, DAVID, sign, sign_and_confirm, somebody
from tests.plans import rows_read

State = Signature.State


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


def shown(client: Client, query: str) -> list[UUID]:
    """Return the signatures of a list in its order."""
    page = client.get(f"{LIST}?petition=protect&{query}")
    assert page.status_code == 200, page
    return [line.signature.pk for line, _url in page.context["lines"]]


def test_the_signature_list_opens_at_the_oldest_held_signature(
    petition: Petition, mona: Client
) -> None:
    held = hold_one(petition)
    Petition.objects.create(slug="newest-draft", state=Petition.State.DRAFT)

    page = mona.get(LIST, follow=True)

    assert page.redirect_chain == [(f"{LIST}?petition=protect&state=held&order=oldest", 302)]
    assert [line.signature for line, _url in page.context["lines"]] == [held]


def test_the_signature_list_opens_at_the_open_petition_if_nothing_is_held(
    petition: Petition, mona: Client
) -> None:
    mine = sign_and_confirm(petition)
    Petition.objects.create(slug="newest-draft", state=Petition.State.DRAFT)
    page = mona.get(LIST)
    assert [line.signature for line, _url in page.context["lines"]] == [mine]


def test_a_large_network_or_domain_is_listed_in_the_same_order_as_a_small_one(
    petition: Petition, mona: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [hold_one(petition, somebody(n)).pk for n in range(3)]
    hold_one(petition, somebody(4))
    alike = {"network_ix": b"network".ljust(16), "domain_ix": b"domain".ljust(16)}
    Signer.objects.filter(pk__in=many).update(**alike)
    lists = [
        f"{like}={many[0]}&{more}"
        for like in ("network_of", "domain_of")
        for more in ("", "state=held", "state=confirmed", "order=oldest")
    ]
    gathered = [shown(mona, query) for query in lists]
    assert set(gathered[0]) == set(gathered[4]) == set(many)

    monkeypatch.setattr(selection, "LARGE_ORIGIN", 2)
    assert [shown(mona, query) for query in lists] == gathered
    page = mona.get(f"{LIST}?petition=protect&{lists[0]}")
    assert str(page.context["number"]) == "3"
    page = mona.get(f"{LIST}?petition=protect&{lists[1]}")
    assert str(page.context["number"]) == "more than 3"


def test_each_filter_of_the_signature_list_shows_its_matches(
    petition: Petition, mona: Client
) -> None:
    abroad, home = sign_and_confirm(petition, DAVID), sign_and_confirm(petition, AMINA)
    held, waiting = hold_one(petition, somebody(1)), suspect(petition, somebody(2))
    Signature.objects.filter(pk=home.pk).update(created_at=timezone.now() - timedelta(days=2))
    Place.objects.create(code="E14000001", name="Ynys Test", name_cy="Ynys Prawf")
    Signature.objects.filter(pk=held.pk).update(place="E14000001")
    today = timezone.localdate()
    yesterday = today - timedelta(days=1)

    assert set(shown(mona, "")) == {abroad.pk, home.pk, held.pk, waiting}
    assert shown(mona, "state=held") == [held.pk]
    assert set(shown(mona, "signal=any")) == {held.pk, waiting}
    assert shown(mona, "signal=burst&state=pending") == [waiting]
    assert shown(mona, "abroad=yes") == [abroad.pk]
    assert abroad.pk not in shown(mona, "abroad=no")
    assert shown(mona, "place=ynys prawf") == shown(mona, "place=E14000001") == [held.pk]
    assert home.pk not in shown(mona, f"since={yesterday}")
    assert shown(mona, f"until={yesterday}") == [home.pk]
    assert set(shown(mona, f"network_of={held.pk}")) == {held.pk, waiting}
    assert shown(mona, f"domain_of={abroad.pk}") == [abroad.pk]
    assert home.pk not in shown(mona, f"minute_of={abroad.pk}")
    done = decisions.decide(
        kind="approve", petition=petition, ids=[held.pk], reason="checked", note="", actor=None
    )
    assert done.decision
    assert shown(mona, f"decision={done.decision.pk}") == [held.pk]


def test_a_link_with_the_blind_index_of_a_network_redirects_to_its_list(
    petition: Petition, mona: Client
) -> None:
    held = hold_one(petition)
    index = bytes(Signer.objects.get().network_ix or b"").hex()
    page = mona.get(f"{LIST}?petition=protect&network={index}", follow=True)
    assert f"network_of={held.pk}" in page.redirect_chain[-1][0]
    page = mona.get(f"{LIST}?petition=protect&network={'00' * 16}", follow=True)
    assert "no longer known" in page.content.decode()


def test_filtering_by_an_erased_network_shows_an_error(petition: Petition, mona: Client) -> None:
    held = hold_one(petition)
    Signer.objects.update(network_ix=None)
    page = mona.get(f"{LIST}?petition=protect&network_of={held.pk}")
    assert "no longer known" in page.content.decode()
    assert page.context["lines"] == []


def test_filtering_by_an_unknown_place_shows_an_error(petition: Petition, mona: Client) -> None:
    page = mona.get(f"{LIST}?petition=protect&place=Atlantis").content.decode()
    assert "No place has this name." in page


def test_filtering_by_days_in_the_wrong_order_shows_an_error_and_no_rows(
    petition: Petition, mona: Client
) -> None:
    hold_one(petition)
    page = mona.get(f"{LIST}?petition=protect&since=2020-01-02&until=2020-01-01")
    assert "The last day is before the first." in page.content.decode()
    assert page.context["lines"] == []


def test_a_filter_without_matches_does_not_say_that_nothing_is_on_hold(
    petition: Petition, mona: Client
) -> None:
    hold_one(petition)
    page = mona.get(f"{LIST}?petition=protect&state=held&until=2020-01-01").content.decode()
    assert "No signatures match." in page
    assert "no signatures on hold" not in page


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_both_orders_of_the_signature_list_paginate_to_the_end(
    petition: Petition, mona: Client, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("petitions.admin.keyset.PER_PAGE", 2)
    everybody = {sign_and_confirm(petition, somebody(n)).pk for n in range(5)}
    seen: list[Signature] = []
    url = f"{LIST}?petition=protect&order={order}"
    while url:
        page = mona.get(url)
        seen += [line.signature for line, _url in page.context["lines"]]
        url = page.context["next_url"]
    times = [one.created_at for one in seen]
    assert {one.pk for one in seen} == everybody
    assert len(seen) == 5
    assert times == sorted(times, reverse=order == "newest")


def test_rows_with_a_truncated_timestamp_show_only_the_day(
    petition: Petition, mona: Client
) -> None:
    sign_and_confirm(petition)
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    Signature.objects.update(created_at=midnight - timedelta(days=5))
    page = mona.get(f"{LIST}?order=newest").content.decode()
    assert f"{midnight - timedelta(days=5):%Y-%m-%d}" in page
    assert "00:00" not in page


def test_the_signature_list_reports_and_keeps_a_concurrent_decision(
    petition: Petition, mona: Client, moderator: User
) -> None:
    one, other = hold_one(petition, AMINA), hold_one(petition, DAVID)
    post = {"chosen": [str(one.pk), str(other.pk)], **button("remove", "automated")}
    colleague = User.objects.create_superuser("musa")
    decisions.decide(
        kind="approve", petition=petition, ids=[one.pk], reason="checked", note="", actor=colleague
    )

    told = mona.post(f"{LIST}?petition=protect", post, follow=True).content.decode()

    assert "1 left alone, because somebody has decided about them since: approve (musa)." in told
    assert states([one.pk]) == {State.CONFIRMED}
    assert states([other.pk]) == {State.REMOVED}
    assert tallies.total(petition.pk) == 1


def test_a_decision_form_without_a_valid_watermark_is_refused(
    petition: Petition, mona: Client
) -> None:
    held = hold_one(petition)
    for seen in ("", "x", "-1", str(2**70)):
        post = {"chosen": [str(held.pk)], **button("remove", "automated"), "seen": seen}
        assert "Nothing was changed." in mona.post(LIST, post).content.decode()
    assert states([held.pk]) == {State.HELD}


def test_a_decision_note_with_an_email_address_is_refused(petition: Petition, mona: Client) -> None:
    held = hold_one(petition)
    post = {"chosen": [str(held.pk)], **button("approve", "checked", note="it is a@example.org")}
    assert "Do not write an email address here." in mona.post(LIST, post).content.decode()
    assert states([held.pk]) == {State.HELD}


def test_the_success_message_of_a_decision_links_to_its_undo(
    petition: Petition, mona: Client
) -> None:
    held = hold_one(petition)
    post = {"chosen": [str(held.pk)], **button("approve", "checked")}
    page = mona.post(f"{LIST}?petition=protect", post, follow=True).content.decode()
    decision = Decision.objects.get()
    assert f'<a href="/admin/petitions/decision/{decision.pk}/change/#undo">Undo</a>' in page


def test_a_user_without_the_remove_permission_is_neither_offered_nor_allowed_it(
    petition: Petition, client: Client
) -> None:
    held = hold_one(petition)
    some = ["view_signature", "moderate_signature", "approve_signature"]
    half = User.objects.create_user("half", is_staff=True)
    half.user_permissions.set(Permission.objects.filter(codename__in=some))
    client.force_login(half)

    page = client.get(f"{LIST}?petition=protect").content.decode()
    assert 'value="approve"' in page
    assert 'value="remove"' not in page
    post = {"chosen": [str(held.pk)], **button("remove", "automated")}
    client.post(LIST, post)
    assert states([held.pk]) == {State.HELD}


def test_rows_that_no_decision_can_move_have_no_checkbox(petition: Petition, mona: Client) -> None:
    refused = sign(petition)
    Signature.objects.filter(pk=refused).update(state=State.REFUSED)
    page = mona.get(f"{LIST}?petition=protect&state=refused").content.decode()
    assert f'value="{refused}"' not in page
    assert "no personal data was kept" in page


def test_all_matching_selects_exactly_the_rows_of_the_list(
    petition: Petition, mona: Client, moderator: User
) -> None:
    wanted = {hold_one(petition, somebody(n)).pk for n in range(3)}
    sign_and_confirm(petition, somebody(9))
    url = f"{LIST}?petition=protect&state=held&signal=any"
    assert set(shown(mona, "state=held&signal=any")) == wanted

    answer = mona.post(url, {"scope": "all", **button("remove", "automated")})

    job = BulkDecision.objects.get()
    assert answer["Location"] == f"/admin/petitions/bulkdecision/{job.pk}/change/"
    assert (job.matching, job.kind, job.actor) == (3, "remove", moderator)
    assert states(wanted) == {State.HELD}


@pytest.mark.parametrize(
    "query",
    [
        "order=x&after=x_y_z", "signal=x", "since=9999-12-31&until=0001-01-01",
        "decision=1", "network_of=zz", "minute_of=00000000-0000-0000-0000-000000000000",
        "abroad=maybe", "petition=none", "network=zz", "mailbox=zz", "until=9999-12-31",
        f"after={'9' * 90}", "after=2026-01-01_x",
    ],
)  # fmt: skip
def test_any_invalid_query_parameter_of_the_signature_list_is_ignored(
    petition: Petition, mona: Client, query: str
) -> None:
    assert mona.get(f"{LIST}?order=newest&{query}", follow=True).status_code == 200


# --- Among many ------------------------------------------------------------------------------

MANY = 100_000
# A page, an extra row, each of six states, and rows beside them in the same index.
FEW = 2_000


@pytest.fixture
def many(petition: Petition) -> Petition:
    seeding.seed(petition=petition, total=MANY, days=60)
    suspected = Signature.objects.filter(id__lt=UUID(int=2**128 // 10))
    suspected.update(signals=["name-digits"])
    newest = Signature.objects.order_by("-created_at").values("pk")
    Signer.objects.filter(pk__in=newest[300:6_000]).update(domain_ix=b"l" * 16)
    Signer.objects.filter(pk__in=newest[:300]).update(network_ix=b"n" * 16, domain_ix=b"d" * 16)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_signer, petitions_decisionitem")
    return petition


def test_every_filter_and_search_reads_a_bounded_number_of_rows(
    petition: Petition, many: Any, moderator: User
) -> None:
    middle = Signature.objects.filter(petition=petition).order_by("created_at")[MANY // 2]
    day = timezone.localdate(middle.created_at)
    newest = Signature.objects.filter(petition=petition).latest("created_at")
    some = Signature.objects.counted().values_list("pk", flat=True)[:5_000]
    decided = decisions.decide(
        kind="hold", petition=petition, ids=some, reason="suspicious", note="", actor=None
    ).decision
    assert decided
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_decisionitem")
    of_many = Signature.objects.filter(signer__domain_ix=b"l" * 16).latest("created_at").pk
    rare = Place.objects.create(code="E14009999", name="Rare")
    Signature.objects.filter(pk=middle.pk).update(place=rare)
    queries = (
        "", "order=oldest", "state=confirmed", "state=held", "signal=any",
        "signal=any&state=confirmed", "signal=name-digits", "place=E14009999",
        "abroad=no", "abroad=yes&order=oldest", f"since={day}&until={day}",
        f"minute_of={newest.pk}",
        f"network_of={newest.pk}", f"domain_of={newest.pk}", f"decision={decided.pk}",
        f"domain_of={of_many}", f"domain_of={of_many}&state=confirmed",
        "abroad=yes&state=withdrawn", f"place={middle.place_id}&state=removed",
        "signal=name-random&state=held",
    )  # fmt: skip
    read_by = {query: _rows_read(petition, query) for query in queries}
    assert max(read_by.values()) < FEW, read_by

    with CaptureQueriesContext(connection) as found:
        assert middle.pk in search.same("name", middle.pk)
        search.search(petition=petition, text="ZE1 0AA", actor=moderator, screen="-")
    by_search = [
        rows_read(one["sql"], "petitions_signer") for one in found if "unnest" in one["sql"]
    ]
    # Each asks for all groups of blind indexes, in five queries.
    assert len(by_search) == 10
    assert sum(by_search) < 2 * FEW, by_search


def _rows_read(petition: Petition, query: str) -> float:
    """Return how many signature rows a page from the middle of a list reads."""
    asked = _filters(petition, query)
    rows = asked.first(asked.keyset, "", 51)
    with CaptureQueriesContext(connection) as queries:
        list(rows)
    return rows_read(queries[-1]["sql"], "petitions_signature")


def _filters(petition: Petition, query: str) -> Filters:
    asked = read(QueryDict(f"petition={petition.slug}&{query}"))
    assert asked
    return asked
