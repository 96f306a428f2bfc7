"""Moderators' decisions about held signatures, and their undo."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.admin import needs
from petitions.counting import tallies
from petitions.models import Decision, Petition, Signature
from petitions.moderation import decisions
from petitions.signatures import withdraw
from tests.benchmarks import seeding
from tests.held import (
    CHECKED,
    LIST,
    State,
    button,
    hold_one,
    states,
)
from tests.people import AMINA, BASHIR, DAVID, sign, sign_and_confirm
from tests.plans import rows_read


def test_approving_counts_held_signatures_and_ignores_others(
    petition: Petition, moderator: User
) -> None:
    held, pending = hold_one(petition, AMINA), sign(petition, DAVID)

    done = decisions.decide(
        kind="approve", petition=petition, ids=[held.pk, pending], actor=moderator, **CHECKED
    )

    assert (done.signatures, done.count_change, tallies.total(petition.pk)) == (1, 1, 1)
    assert states([pending]) == {State.PENDING}
    decision = Decision.objects.get()
    assert (decision.kind, decision.reason, decision.actor) == ("approve", "checked", moderator)
    assert decision.items.get().previous_state == "held"
    assert not tallies.differences(petition.pk)


def test_holding_a_confirmed_signature_lowers_the_total(
    petition: Petition, moderator: User
) -> None:
    counted = sign_and_confirm(petition)
    done = decisions.decide(
        kind="hold",
        petition=petition,
        ids=[counted.pk],
        reason="suspicious",
        note="",
        actor=moderator,
    )
    assert (done.count_change, tallies.total(petition.pk)) == (-1, 0)
    assert states([counted.pk]) == {State.HELD}
    assert not tallies.differences(petition.pk)


def test_undoing_a_decision_reverts_all_its_signatures_not_decided_since(
    petition: Petition, moderator: User
) -> None:
    ids = [sign_and_confirm(petition, person).pk for person in (AMINA, BASHIR, DAVID)]
    held = decisions.decide(
        kind="hold", petition=petition, ids=ids, reason="suspicious", note="", actor=moderator
    )
    removed = decisions.decide(
        kind="remove", petition=petition, ids=ids[:1], reason="automated", note="", actor=moderator
    )
    assert "The count stays as it is." in removed.summary()
    assert held.decision

    undone = decisions.undo(decision=held.decision, note="", actor=moderator)

    # The first was decided about since.
    assert (undone.signatures, undone.count_change, tallies.total(petition.pk)) == (2, 2, 2)
    assert states(ids[:1]) == {State.REMOVED}
    again = decisions.undo(decision=held.decision, note="", actor=moderator)
    assert again.signatures == 0
    assert not tallies.differences(petition.pk)


def test_undoing_a_decision_does_not_restore_a_withdrawn_signature(
    petition: Petition, moderator: User
) -> None:
    counted = sign_and_confirm(petition)
    done = decisions.decide(
        kind="hold",
        petition=petition,
        ids=[counted.pk],
        reason="suspicious",
        note="",
        actor=moderator,
    )
    withdraw.withdraw(signature_id=counted.pk)
    assert done.decision
    assert decisions.undo(decision=done.decision, note="", actor=moderator).signatures == 0
    assert states([counted.pk]) == {State.WITHDRAWN}
    assert tallies.total(petition.pk) == 0


def test_a_held_signature_shows_its_signals_as_sentences(
    petition: Petition, moderator: User, client: Client
) -> None:
    held = hold_one(petition)
    client.force_login(moderator)
    for path in (f"{LIST}?petition=protect&state=held", f"{LIST}{held.pk}/change/"):
        page = client.get(path).content.decode()
        assert "At least 9 signatures from one network in two minutes." in page
        assert "A field that people cannot see was filled in." in page


def test_approving_all_held_signatures_clears_the_admin_home(
    petition: Petition, moderator: User, client: Client
) -> None:
    people = [
        replace(DAVID, name=f"Person {letter}", email=f"{letter}@example.net")
        for letter in "abcdefghij"
    ]
    held = [hold_one(petition, person) for person in people]
    Signature.objects.filter(pk=held[0].pk).update(
        created_at=(long_ago := timezone.now() - timedelta(hours=3, minutes=5)),
        confirmed_at=long_ago,
    )
    client.force_login(moderator)

    home = client.get("/admin/").content.decode()
    assert "10 signatures to check (oldest waiting 3 hours)" in home
    assert "?petition=protect&amp;state=held&amp;order=oldest" in home

    address = f"{LIST}?petition=protect&state=held"
    chosen = [str(signature.pk) for signature in held]
    page = client.post(address, {"chosen": chosen, **button("approve", "checked")}, follow=True)

    assert "10 approved. Nobody gets an email." in page.content.decode()
    assert "This petition has no signatures on hold." in page.content.decode()
    assert "Nothing needs you" in client.get("/admin/").content.decode()
    assert tallies.total(petition.pk) == 10
    assert not mail.outbox


def test_the_signature_page_offers_only_possible_decisions_with_their_effect(
    petition: Petition, moderator: User, client: Client
) -> None:
    held = hold_one(petition)
    client.force_login(moderator)
    page = client.get(f"{LIST}{held.pk}/change/").content.decode()
    assert "Signatures on hold start to count. Nobody gets an email." in page
    assert 'value="approve"' in page
    # Nothing to hold and nothing to restore.
    assert 'value="hold"' not in page
    assert 'value="restore"' not in page


def test_pressing_enter_in_the_note_makes_no_decision(
    petition: Petition, moderator: User, client: Client
) -> None:
    held = hold_one(petition)
    client.force_login(moderator)
    address = f"{LIST}{held.pk}/change/"
    page = client.get(address).content.decode()
    first = page.index('name="kind" value=""')
    assert first < page.index('name="kind" value="approve"')

    answer = client.post(address, {**button("approve", "checked"), "kind": ""}).content.decode()
    assert "Press a button to choose what to do." in answer
    assert states([held.pk]) == {State.HELD}


def test_approving_without_a_reason_is_refused(
    petition: Petition, moderator: User, client: Client
) -> None:
    held = hold_one(petition)
    client.force_login(moderator)
    client.post(LIST, {"chosen": [str(held.pk)], **button("approve", "")})
    assert states([held.pk]) == {State.HELD}


def test_a_moderator_undoes_a_decision_on_its_page(
    petition: Petition, moderator: User, client: Client
) -> None:
    ids = [sign_and_confirm(petition, person).pk for person in (AMINA, DAVID)]
    done = decisions.decide(
        kind="hold", petition=petition, ids=ids, reason="suspicious", note="", actor=moderator
    )
    assert done.decision
    client.force_login(moderator)
    address = f"/admin/petitions/decision/{done.decision.pk}"
    assert "2 signatures will return to the status before." in (
        client.get(f"{address}/change/").content.decode()
    )

    client.post(f"{address}/undo/", {"note": "it was x@example.org"})
    assert tallies.total(petition.pk) == 0

    page = client.post(f"{address}/undo/", {"note": "they are real"}, follow=True)
    assert (
        "2 signatures have their earlier status again. The count rose by 2. Nobody gets an email."
    ) in page.content.decode()
    assert "Undo this decision" not in page.content.decode()
    assert tallies.total(petition.pk) == 2


def test_an_organiser_can_neither_approve_nor_undo(
    petition: Petition, organiser: User, moderator: User, client: Client
) -> None:
    held = hold_one(petition, AMINA)
    done = decisions.decide(
        kind="hold",
        petition=petition,
        ids=[sign_and_confirm(petition, DAVID).pk],
        reason="suspicious",
        note="",
        actor=moderator,
    )
    assert done.decision
    client.force_login(organiser)
    post = {"chosen": [str(held.pk)], **button("approve", "checked")}
    assert client.post(LIST, post).status_code == 403
    undo = f"/admin/petitions/decision/{done.decision.pk}/undo/"
    assert client.post(undo, {"note": "x"}).status_code == 403
    assert tallies.total(petition.pk) == 0


def test_the_admin_home_and_the_held_list_have_constant_query_counts(
    petition: Petition, moderator: User, client: Client
) -> None:
    client.force_login(moderator)
    # What each part of the site does is looked at once every few seconds, for everybody.
    client.get("/admin/")
    asked = []
    for letters in ("a", "bcdef"):
        for letter in letters:
            hold_one(petition, replace(DAVID, name=f"{letter} Doe", email=f"{letter}@example.net"))
        for path in ("/admin/", f"{LIST}?petition=protect&state=held"):
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path).status_code == 200
            asked.append(len(queries))
    home, held, *again = asked
    assert again == [home, held]
    # Session, user and permissions, then what needs somebody: petitions, held ones, alerts, bulk
    # decisions, and switches that are on.
    assert home <= 10
    # Of the list besides: the petitions, what was decided last, the rows, and how many match.
    assert held <= 12


def test_the_to_do_list_reads_only_held_signatures(petition: Petition) -> None:
    seeding.seed(petition=petition, total=5_000)
    waiting = Signature.objects.filter(state=State.HELD).count()
    assert waiting > 50
    with CaptureQueriesContext(connection) as queries:
        assert [held["number"].n for held in needs.needs()["held"]] == [waiting]
    (query,) = [q["sql"] for q in queries if "cardinality" in q["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_petition")
    # Each of them, and the oldest.
    assert rows_read(query, "petitions_signature") <= waiting + 1


def test_the_to_do_list_counts_up_to_a_bound(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "MAX_HELD", 1)
    hold_one(petition)
    assert str(needs.needs()["number"]) == "1"
    hold_one(petition, DAVID)
    assert str(needs.needs()["number"]) == "more than 1"
