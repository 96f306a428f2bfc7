"""Held signatures: judged when they are signed, held when confirmed, counted when approved."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions import (
    confirming,
    exports,
    moderation,
    recent,
    rescan,
    seeding,
    signing,
    tallies,
    tokens,
    withdrawing,
)
from petitions.admin import needs
from petitions.confirming import Outcome
from petitions.models import Decision, Export, Petition, Rule, Signature, Signer
from petitions.screening import fraud, limits, rules
from petitions.screening.verdicts import Screening
from petitions.signers import Attempt
from tests.people import AMINA, BASHIR, CARYS, DAVID, confirm, sign, sign_and_confirm, typed

LIST = "/admin/petitions/signature/"
SUSPICIOUS = Screening(
    verdict=Signature.Verdict.HOLD, signals=("honeypot", "burst:9"), network="192.0.2.0/24"
)
CHECKED = {"reason": "checked", "note": ""}
State = Signature.State


def suspect(petition: Petition, attempt: Attempt = AMINA) -> UUID:
    """A pending signature that something speaks against."""
    return signing.sign(petition=petition, attempt=attempt, screening=SUSPICIOUS)


def hold_one(petition: Petition, attempt: Attempt = AMINA) -> Signature:
    """A held signature."""
    signature_id = suspect(petition, attempt)
    assert confirm(signature_id) is Outcome.CONFIRMED
    return Signature.objects.get(pk=signature_id)


def states(ids: Iterable[UUID]) -> set[str]:
    return set(Signature.objects.filter(pk__in=list(ids)).values_list("state", flat=True))


def link(signature_id: UUID) -> str:
    return f"/t/en/confirm/{tokens.link(tokens.CONFIRM, signature_id, 0)}/"


def test_a_suspicious_signature_is_held_when_it_is_confirmed_and_does_not_count(
    petition: Petition,
) -> None:
    held = hold_one(petition)

    assert held.state == State.HELD
    assert held.confirmed_at is not None
    assert held.signer.slot == 1
    assert tallies.total(petition.pk) == 0
    assert not tallies.differences(petition.pk)


def test_whoever_is_held_reads_what_everybody_reads(petition: Petition, client: Client) -> None:
    # The page tells where a signature counts, too.
    like_amina = replace(AMINA, name=DAVID.name, email=DAVID.email)
    pages = []
    # The counted one first, so that both pages tell the same count.
    for signature_id in (sign(petition, like_amina), suspect(petition, AMINA)):
        address = link(signature_id)
        page = client.post(address).content.decode()
        reference = Signature.objects.get(pk=signature_id).spoken_reference
        assert reference in page
        token = address.split("/")[-2]
        pages.append(page.replace(reference, "").replace(token, ""))

    assert states([signature_id]) == {State.HELD}
    assert "Thank you. Your signature is confirmed." in pages[0]
    assert "Some signatures are looked at by a person before they count" in pages[0]
    assert pages[0] == pages[1]


def test_pressing_twice_holds_once(petition: Petition, client: Client) -> None:
    address = link(suspect(petition))
    answers = [client.post(address).content.decode() for _ in range(2)]
    assert all("Thank you. Your signature is confirmed." in answer for answer in answers)
    assert Signature.objects.get().state == State.HELD
    assert tallies.total(petition.pk) == 0


def test_a_held_signature_keeps_its_place_in_the_mailbox(petition: Petition) -> None:
    hold_one(petition, AMINA)
    assert confirm(suspect(petition, AMINA)) is Outcome.ALREADY
    assert confirm(sign(petition, CARYS)) is Outcome.OTHER_HOME
    assert confirm(sign(petition, BASHIR)) is Outcome.CONFIRMED
    assert tallies.total(petition.pk) == 1


# --- Somebody else sent a suspicious form in the signer's name ---------------------------------


@pytest.mark.parametrize("pressed", ["the suspicious one first", "the suspicious one alone", "own"])
def test_nobody_stays_held_for_a_form_that_others_sent_in_their_name(
    petition: Petition, pressed: str
) -> None:
    theirs, own = suspect(petition), sign(petition)
    if pressed != "own":
        confirm(theirs)
    if pressed != "the suspicious one alone":
        confirm(own)

    counted = Signature.objects.get(state=State.CONFIRMED)
    assert (counted.verdict, counted.signals) == (Signature.Verdict.PASS, [])
    assert tallies.total(petition.pk) == 1
    assert not tallies.differences(petition.pk)


def test_who_was_held_counts_once_they_sign_themselves(petition: Petition, client: Client) -> None:
    held = hold_one(petition)
    recent.total(petition.pk)

    answer = client.post(link(sign(petition)))

    assert "already" in answer.content.decode()
    assert states([held.pk]) == {State.CONFIRMED}
    assert Signature.objects.filter(state=State.PENDING).count() == 1
    assert tallies.total(petition.pk) == 1
    # Pressed once more it changes nothing.
    client.post(link(held.pk))
    assert tallies.total(petition.pk) == 1
    assert not tallies.differences(petition.pk)


@pytest.mark.django_db(transaction=True)
def test_who_is_released_sees_themselves_in_the_count(
    petition: Petition, client: Client, settings: Any
) -> None:
    settings.PAGE_CACHE_SECONDS = 60
    hold_one(petition)
    assert recent.total(petition.pk) == 0

    client.post(link(sign(petition)))

    assert recent.total(petition.pk) == 1


def test_a_released_signature_is_not_held_by_the_next_rescan(
    petition: Petition, moderator: User
) -> None:
    hold_one(petition)
    confirm(sign(petition))
    assert rescan.rescan(petition=petition, actor=moderator).held == 0
    assert tallies.total(petition.pk) == 1


def test_another_suspicious_form_releases_nobody(petition: Petition) -> None:
    held = hold_one(petition)
    assert confirm(suspect(petition)) is Outcome.ALREADY
    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_somebody_elses_form_releases_nobody(petition: Petition) -> None:
    held = hold_one(petition, AMINA)
    sign_and_confirm(petition, BASHIR)
    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 1


def test_whom_a_moderator_holds_no_form_releases(petition: Petition, moderator: User) -> None:
    counted = sign_and_confirm(petition)
    moderation.hold(petition=petition, ids=[counted.pk], **CHECKED, actor=moderator)

    assert confirm(sign(petition)) is Outcome.ALREADY

    assert states([counted.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_whom_a_moderator_restored_to_held_no_form_releases(
    petition: Petition, moderator: User
) -> None:
    held = hold_one(petition)
    moderation.remove(petition=petition, ids=[held.pk], **CHECKED, actor=moderator)
    moderation.restore(petition=petition, ids=[held.pk], **CHECKED, actor=moderator)

    assert confirm(sign(petition)) is Outcome.ALREADY

    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_who_has_no_slot_in_the_mailbox_is_not_released(petition: Petition) -> None:
    held = hold_one(petition)
    Signer.objects.filter(pk=held.pk).update(slot=None)

    assert confirm(sign(petition)) is Outcome.ALREADY

    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_long_after_the_close_nobody_is_released(petition: Petition) -> None:
    held = hold_one(petition)
    sign(petition)
    Petition.objects.update(closes_at=timezone.now() - timedelta(days=2))
    recent.forget()

    assert confirm(held.pk) is Outcome.ALREADY

    assert states([held.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


@pytest.mark.django_db(transaction=True)
def test_holding_takes_no_more_statements_than_counting(petition: Petition) -> None:
    # What is planned once a connection is planned by then.
    sign_and_confirm(petition, DAVID)
    held = suspect(petition)
    with CaptureQueriesContext(connection) as queries:
        assert confirm(held) is Outcome.CONFIRMED
    assert len(queries) <= 6, [q["sql"] for q in queries]


def test_a_verdict_that_changed_before_the_button_was_pressed_is_heeded(
    petition: Petition, monkeypatch: pytest.MonkeyPatch
) -> None:
    signature_id = sign(petition)
    judge = confirming._judge

    def judge_before(*given: Any) -> confirming.Verdict:
        Signature.objects.update(verdict=Signature.Verdict.HOLD)
        return judge(*given)

    monkeypatch.setattr(confirming, "_judge", judge_before)
    # At once there is no moment in between.
    monkeypatch.setattr(confirming, "_at_once", lambda _signature_id, _epoch: None)
    assert confirm(signature_id) is Outcome.CONFIRMED
    assert states([signature_id]) == {State.HELD}
    assert tallies.total(petition.pk) == 0


def test_a_held_signature_is_not_exported(petition: Petition) -> None:
    held, counted = hold_one(petition, AMINA), sign_and_confirm(petition, DAVID)
    export = exports.start(petition=petition, purpose=Export.Purpose.HAND_IN, why="a test")
    file = b"".join(exports.stream(export)).decode()
    assert counted.spoken_reference in file
    assert held.spoken_reference not in file


def test_whoever_is_held_can_withdraw(petition: Petition) -> None:
    held = hold_one(petition)
    assert withdrawing.withdraw(signature_id=held.pk)
    assert not Signer.objects.exists()
    assert states([held.pk]) == {State.WITHDRAWN}
    assert not tallies.differences(petition.pk)


def test_approving_counts_held_ones_and_leaves_all_others_alone(
    petition: Petition, moderator: User
) -> None:
    held, pending = hold_one(petition, AMINA), sign(petition, DAVID)

    done = moderation.approve(petition=petition, ids=[held.pk, pending], actor=moderator, **CHECKED)

    assert (done.signatures, done.count_change, tallies.total(petition.pk)) == (1, 1, 1)
    assert states([pending]) == {State.PENDING}
    decision = Decision.objects.get()
    assert (decision.kind, decision.reason, decision.actor) == ("approve", "checked", moderator)
    assert decision.items.get().previous_state == "held"
    assert not tallies.differences(petition.pk)


def test_holding_takes_confirmed_ones_out_of_the_count(petition: Petition, moderator: User) -> None:
    counted = sign_and_confirm(petition)
    done = moderation.hold(
        petition=petition, ids=[counted.pk], reason="suspicious", note="", actor=moderator
    )
    assert (done.count_change, tallies.total(petition.pk)) == (-1, 0)
    assert states([counted.pk]) == {State.HELD}
    assert not tallies.differences(petition.pk)


def test_a_decision_about_many_is_undone_as_one(petition: Petition, moderator: User) -> None:
    ids = [sign_and_confirm(petition, person).pk for person in (AMINA, BASHIR, DAVID)]
    held = moderation.hold(
        petition=petition, ids=ids, reason="suspicious", note="", actor=moderator
    )
    moderation.remove(petition=petition, ids=ids[:1], reason="automated", note="", actor=moderator)
    assert held.decision

    undone = moderation.undo(decision=held.decision, note="", actor=moderator)

    # The first was decided about since.
    assert (undone.signatures, undone.count_change, tallies.total(petition.pk)) == (2, 2, 2)
    assert states(ids[:1]) == {State.REMOVED}
    again = moderation.undo(decision=held.decision, note="", actor=moderator)
    assert again.signatures == 0
    assert not tallies.differences(petition.pk)


def test_undoing_brings_nobody_back_who_is_erased(petition: Petition, moderator: User) -> None:
    counted = sign_and_confirm(petition)
    done = moderation.hold(
        petition=petition, ids=[counted.pk], reason="suspicious", note="", actor=moderator
    )
    withdrawing.withdraw(signature_id=counted.pk)
    assert done.decision
    assert moderation.undo(decision=done.decision, note="", actor=moderator).signatures == 0
    assert states([counted.pk]) == {State.WITHDRAWN}
    assert tallies.total(petition.pk) == 0


def test_a_held_row_says_in_words_why(petition: Petition, moderator: User, client: Client) -> None:
    held = hold_one(petition)
    client.force_login(moderator)
    for path in (f"{LIST}?petition=protect&state=held", f"{LIST}{held.pk}/change/"):
        page = client.get(path).content.decode()
        assert "9 from one network in two minutes." in page
        assert "A field that people cannot see was filled in." in page


def test_a_moderator_approves_ten_and_ends_with_nothing_to_do(
    petition: Petition, moderator: User, client: Client
) -> None:
    people = [
        replace(DAVID, name=f"Person {letter}", email=f"{letter}@example.net")
        for letter in "abcdefghij"
    ]
    held = [hold_one(petition, person) for person in people]
    Signature.objects.filter(pk=held[0].pk).update(
        confirmed_at=timezone.now() - timedelta(hours=3, minutes=5)
    )
    client.force_login(moderator)

    home = client.get("/admin/").content.decode()
    assert "10 need you, oldest 3 h" in home
    assert "?petition=protect&amp;state=held" in home

    address = f"{LIST}?petition=protect&state=held"
    chosen = [str(signature.pk) for signature in held]
    page = client.post(address, {"chosen": chosen, "kind": "approve", **CHECKED}, follow=True)

    assert "10 counted. No e-mail is sent." in page.content.decode()
    assert "Nothing needs you." in page.content.decode()
    assert "Nothing needs you." in client.get("/admin/").content.decode()
    assert tallies.total(petition.pk) == 10
    assert not mail.outbox


def test_each_button_says_what_it_does_and_to_whom(
    petition: Petition, moderator: User, client: Client
) -> None:
    held = hold_one(petition)
    client.force_login(moderator)
    page = client.get(f"{LIST}{held.pk}/change/").content.decode()
    assert "Held ones count from now on. No e-mail is sent." in page
    assert 'value="approve"' in page
    # Nothing to hold and nothing to restore.
    assert 'value="hold"' not in page
    assert 'value="restore"' not in page


def test_enter_in_the_note_decides_nothing(
    petition: Petition, moderator: User, client: Client
) -> None:
    held = hold_one(petition)
    client.force_login(moderator)
    address = f"{LIST}{held.pk}/change/"
    page = client.get(address).content.decode()
    first = page.index('name="kind" value=""')
    assert first < page.index('name="kind" value="approve"')

    answer = client.post(address, {"kind": "", **CHECKED}).content.decode()
    assert "Press one of the buttons." in answer
    assert states([held.pk]) == {State.HELD}


def test_a_decision_without_a_reason_approves_nobody(
    petition: Petition, moderator: User, client: Client
) -> None:
    held = hold_one(petition)
    client.force_login(moderator)
    client.post(LIST, {"chosen": [str(held.pk)], "kind": "approve", "reason": ""})
    assert states([held.pk]) == {State.HELD}


def test_a_moderator_undoes_a_decision_on_its_page(
    petition: Petition, moderator: User, client: Client
) -> None:
    ids = [sign_and_confirm(petition, person).pk for person in (AMINA, DAVID)]
    done = moderation.hold(
        petition=petition, ids=ids, reason="suspicious", note="", actor=moderator
    )
    assert done.decision
    client.force_login(moderator)
    address = f"/admin/petitions/decision/{done.decision.pk}"
    assert "2 signatures stand as this decision left them" in (
        client.get(f"{address}/change/").content.decode()
    )

    client.post(f"{address}/undo/", {"note": ""})
    assert tallies.total(petition.pk) == 0

    page = client.post(f"{address}/undo/", {"note": "they are real"}, follow=True)
    assert "2 signatures stand again as before. The count changed by +2. No e-mail is sent." in (
        page.content.decode()
    )
    assert "Undo this decision" not in page.content.decode()
    assert tallies.total(petition.pk) == 2


def test_an_organiser_approves_and_undoes_nothing(
    petition: Petition, organiser: User, moderator: User, client: Client
) -> None:
    held = hold_one(petition, AMINA)
    done = moderation.hold(
        petition=petition,
        ids=[sign_and_confirm(petition, DAVID).pk],
        reason="suspicious",
        note="",
        actor=moderator,
    )
    assert done.decision
    client.force_login(organiser)
    post = {"chosen": [str(held.pk)], "kind": "approve", **CHECKED}
    assert client.post(LIST, post).status_code == 403
    undo = f"/admin/petitions/decision/{done.decision.pk}/undo/"
    assert client.post(undo, {"note": "x"}).status_code == 403
    assert tallies.total(petition.pk) == 0


def test_the_home_and_the_list_ask_the_same_few_queries_however_many_are_held(
    petition: Petition, moderator: User, client: Client
) -> None:
    client.force_login(moderator)
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
    # Session, user and permissions, then what needs somebody: petitions, held ones and alerts.
    assert home <= 8
    assert held <= 7


PAGE = "/petitions/protect/"


def signed_with(browser: Client, **changes: str) -> Signature:
    """What a form with these changes leaves behind; every answer is the same."""
    answer = browser.post(PAGE, {**typed(), **changes})
    assert answer.status_code == 303
    assert "/t/en/check/" in answer["Location"]
    return Signature.objects.get()


@pytest.mark.parametrize(
    ("changes", "signal"),
    [
        ({"email": "amina@mailinator.com"}, "disposable"),
        ({"homepage": "https://spam.example"}, "honeypot"),
        ({"pace": "12"}, "pace"),
    ],
)
def test_a_throw_away_domain_a_filled_trap_and_an_impossible_pace_hold_and_say_why(
    petition: Petition,
    moderator: User,
    browser: Client,
    client: Client,
    changes: dict[str, str],
    signal: str,
) -> None:
    pending = signed_with(browser, **changes)
    assert (pending.state, pending.signals) == (State.PENDING, [signal])

    assert confirm(pending.pk) is Outcome.CONFIRMED

    assert states([pending.pk]) == {State.HELD}
    assert tallies.total(petition.pk) == 0
    client.force_login(moderator)
    page = client.get(f"{LIST}{pending.pk}/change/").content.decode()
    (sentence,) = fraud.sentences([signal])
    assert sentence in page


@pytest.mark.parametrize(
    "changes",
    [{}, {"homepage": "", "pace": ""}, {"homepage": "", "pace": "2000"}, {"pace": "nonsense"}],
)
def test_no_script_autofill_and_nonsense_count_like_any_other(
    petition: Petition, browser: Client, changes: dict[str, str]
) -> None:
    pending = signed_with(browser, **changes)
    assert pending.signals == []
    confirm(pending.pk)
    assert tallies.total(petition.pk) == 1


def test_a_browser_that_says_no_origin_is_a_weak_sign(petition: Petition, client: Client) -> None:
    pending = signed_with(client)
    assert (pending.verdict, pending.signals) == ("pass", ["no-origin"])


def test_many_from_one_network_are_held_unless_a_rule_allows_it(
    petition: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = limits.take
    monkeypatch.setattr(
        limits, "take", lambda *args, **kwargs: take(*args, **kwargs)._replace(from_network=120)
    )
    pending = signed_with(browser)
    assert (pending.verdict, pending.signals) == ("hold", ["burst:120"])

    Rule.objects.create(kind="network", action="allow", pattern="127.0.0.0/24", note="an event")
    rules.forget()
    pending.delete()
    assert signed_with(browser).signals == []


def test_the_page_hides_its_trap_from_people_and_is_the_same_for_everybody(
    petition: Petition, client: Client
) -> None:
    page = client.get(PAGE).content.decode()
    (trap,) = re.findall(r'<input[^>]*name="homepage"[^>]*>', page)
    assert 'type="text"' in trap
    assert 'tabindex="-1"' in trap
    assert 'autocomplete="off"' in trap
    assert 'value=""' in trap
    before = page[: page.index(trap)]
    assert 'class="for-nobody" aria-hidden="true"' in before[-250:]
    assert '<label for="id_homepage">Leave this field empty</label>' in before[-250:]
    assert page.count('name="pace" value=""') == 1
    # What a machine wrote does not come back to warn it.
    again = client.post(PAGE, {**typed(consent=""), "homepage": "x", "pace": "3"})
    assert again.status_code == 422
    assert trap in again.content.decode()


def test_what_needs_somebody_is_found_by_index_among_many(petition: Petition) -> None:
    seeding.seed(petition=petition, total=5_000)
    waiting = Signature.objects.filter(state=State.HELD).count()
    assert waiting > 50
    with CaptureQueriesContext(connection) as queries:
        assert [held.number for held in needs.needs().held] == [waiting]
    (query,) = [q["sql"] for q in queries if "min(" in q["sql"].lower()]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE petitions_signature, petitions_petition")
        cursor.execute(f"EXPLAIN {query}")
        plan = [line.strip() for (line,) in cursor.fetchall()]
    conditions = [line for line in plan if line.startswith("Index Cond") and "state" in line]
    assert len(conditions) == 1, plan
    assert "petition_id" in conditions[0]
