"""Screens of bulk decisions and of decisions: preview, start, approval, progress, cancel, undo."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from petitions.counting import tallies
from petitions.models import BulkDecision, Decision, Petition, Signature
from petitions.moderation import bulk, decisions
from petitions.signatures import withdraw
from petitions.staff.refusal import Refused
from petitions.staff.roles import MODERATORS
from tests.held import LIST, button, states
from tests.people import AMINA, sign, sign_and_confirm, somebody

State = BulkDecision.State
DECISIONS = "/admin/petitions/decision/"
WHY: dict[str, Any] = {"reason": "automated", "note": ""}


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


@pytest.fixture
def second(db: None) -> Client:
    """A client logged in as a second moderator."""
    musa = User.objects.create_user("musa", is_staff=True)
    musa.groups.add(Group.objects.get(name=MODERATORS))
    client = Client()
    client.force_login(musa)
    return client


@pytest.fixture
def signed(petition: Petition) -> list[UUID]:
    return [sign_and_confirm(petition, somebody(n)).pk for n in range(4)]


def drafted(client: Client, query: str = "abroad=no") -> str:
    """Return the URL of a preview that removes all signatures of a list."""
    post = {"scope": "all", **button("remove", "automated", note="a raid")}
    return str(client.post(f"{LIST}?petition=protect&{query}", post)["Location"])


def text(client: Client, url: str, act: str = "", **typed: str) -> str:
    """Return a page's text, after pressing its button `act` if given."""
    page = client.post(url, {"act": act, **typed}, follow=True) if act else client.get(url)
    assert page.status_code == 200
    return page.content.decode()


def test_the_bulk_preview_page_shows_conditions_effect_and_sample(
    petition: Petition, mona: Client, signed: list[UUID]
) -> None:
    page = text(mona, drafted(mona))

    assert "in the UK" in page
    assert "falls by <b>4</b>" in page
    assert page.count('data-label="Name"') == 4
    assert "a raid" in page
    assert tallies.total(petition.pk) == 4


def test_the_bulk_preview_page_links_to_the_signatures_it_mentions(
    petition: Petition, mona: Client, signed: list[UUID]
) -> None:
    page = text(mona, drafted(mona, f"minute_of={signed[0]}"))

    like = Signature.objects.get(pk=signed[0])
    assert f'as <a href="{LIST}{like.pk}/change/">{like}</a></li>' in page
    assert f'<a href="{LIST}?petition=protect">' in page


@pytest.mark.parametrize("lost", ["form", "petition"])
def test_all_matching_is_refused_if_a_filter_of_the_list_no_longer_applies(
    petition: Petition, mona: Client, signed: list[UUID], lost: str
) -> None:
    """Whoever withdraws the form that names a domain would make it every waiting form."""
    one = sign(petition, replace(AMINA, email="one@raid.example"))
    url = f"{LIST}?petition=protect&domain_of={one}"
    if lost == "form":
        withdraw.withdraw(signature_id=one)
    else:
        Petition.objects.update(slug="renamed")

    page = mona.post(url, {"scope": "all", **button("hold", "suspicious")}).content.decode()
    assert "Choose again what you mean." in page
    assert "The list now shows more." in page
    assert not BulkDecision.objects.exists()


def test_the_bulk_decision_page_reports_and_keeps_a_concurrent_decision(
    petition: Petition, mona: Client, signed: list[UUID], second: Client
) -> None:
    url = drafted(mona)
    held = {"chosen": str(signed[0]), **button("hold", "suspicious")}
    second.post(f"{LIST}?petition=protect&state=confirmed", held)
    text(mona, url, "start")
    bulk.run_due()

    theirs = Decision.objects.get(kind="hold")
    page = text(mona, url)
    assert "1 left alone" in page
    assert f'<a href="{DECISIONS}{theirs.pk}/change/">hold, by musa</a>' in page
    assert states(signed[:1]) == {"held"}


def test_all_matching_stays_chosen_in_an_invalid_form(
    petition: Petition, mona: Client, signed: list[UUID]
) -> None:
    post = {"scope": "all", **button("remove", "")}
    page = mona.post(f"{LIST}?petition=protect&abroad=no", post).content.decode()

    assert "Choose a reason." in page
    assert 'name="scope" value="all" checked>' in page


def test_the_bulk_decision_page_shows_progress_and_links_to_its_decision(
    petition: Petition, mona: Client, signed: list[UUID]
) -> None:
    url = drafted(mona)
    assert "It runs now." in text(mona, url, "start")
    progress = mona.get(url.replace("change", "progress")).json()
    assert (progress["state"], progress["fraction"]) == ("running", 0)

    bulk.run_due()

    page = text(mona, url)
    decision = Decision.objects.get()
    assert "4 signatures changed. The count fell by 4." in page
    assert f"{DECISIONS}{decision.pk}/change/" in page
    assert mona.get(url.replace("change", "progress")).json()["state"] == "done"
    assert "(4 signatures)" in text(mona, DECISIONS)


def test_a_second_moderator_cancels_a_bulk_decision_before_it_runs(
    petition: Petition, mona: Client, second: Client, signed: list[UUID]
) -> None:
    url = drafted(mona)
    text(mona, url, "start")
    assert "Cancelled." in text(second, url, "cancel")
    bulk.run_due()
    assert tallies.total(petition.pk) == 4
    assert "has already ended" in text(mona, url, "cancel")


def test_a_second_moderator_approves_a_large_bulk_decision_on_its_page(
    petition: Petition, mona: Client, second: Client, signed: list[UUID], settings: Any
) -> None:
    settings.BULK_DECISION_APPROVAL_FROM = 2
    url = drafted(mona)
    assert "wait for a second moderator" in text(mona, url)
    text(mona, url, "start")
    assert 'value="approve"' not in text(mona, url)
    assert "Somebody else has to approve" in text(mona, url, "approve")
    assert "Bulk decisions that wait or run" in text(second, DECISIONS)
    home = text(second, "/admin/")
    assert f'<a href="{url}">Waiting for a second moderator: remove, 4 signatures on' in home

    assert "Approved. It runs now." in text(second, url, "approve")

    bulk.run_due()
    assert tallies.total(petition.pk) == 0
    assert "Nothing needs you" in text(second, "/admin/")


def test_a_bulk_decision_about_the_whole_count_requires_typing_its_number(
    petition: Petition, mona: Client, signed: list[UUID]
) -> None:
    url = drafted(mona, query="state=confirmed")
    for typed in ("", "3", "four", "9" * 5_000):
        assert "Type their number, 4" in text(mona, url, "start", typed=typed)
    assert BulkDecision.objects.get().state == State.DRAFT
    assert "It runs now." in text(mona, url, "start", typed="4")


def test_the_bulk_preview_page_offers_start_to_its_author_only(
    petition: Petition, mona: Client, second: Client, signed: list[UUID]
) -> None:
    url = drafted(mona)
    assert 'value="start"' not in text(second, url)
    assert "Only the moderator who made this preview" in text(second, url, "start")


def test_a_bulk_preview_without_matches_shows_an_error_on_the_list(
    petition: Petition, mona: Client, signed: list[UUID]
) -> None:
    post = {"scope": "all", **button("restore", "mistake")}
    page = mona.post(f"{LIST}?petition=protect&abroad=no", post, follow=True).content.decode()
    assert "No signature matches that this decision could change." in page
    assert not BulkDecision.objects.exists()


def test_bulk_decision_pages_are_forbidden_to_an_organiser(
    petition: Petition, mona: Client, organiser: User, signed: list[UUID]
) -> None:
    url = drafted(mona)
    client = Client()
    client.force_login(organiser)
    for path in (url, url.replace("change", "progress"), DECISIONS):
        assert client.get(path).status_code == 403
    assert client.post(url, {"act": "cancel"}).status_code == 403


def test_a_large_undo_is_previewed_and_requires_a_second_moderator(
    petition: Petition,
    mona: Client,
    moderator: User,
    signed: list[UUID],
    second: Client,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = decisions.decide(kind="remove", petition=petition, ids=signed, actor=moderator, **WHY)
    assert done.decision
    _let_be_large(settings, monkeypatch, 4)
    page = mona.post(f"{DECISIONS}{done.decision.pk}/undo/", {"note": "real"}, follow=True)
    url = page.redirect_chain[-1][0]
    assert "/bulkdecision/" in url
    said = page.content.decode()
    assert "Undo: 4 signatures</button>" in said
    assert "rises by <b>4</b>" in said
    assert f"{DECISIONS}{done.decision.pk}/change/" in said, "what it undoes is named"
    text(mona, url, "start")
    bulk.run_due()
    assert tallies.total(petition.pk) == 0, "it waits for a second moderator"
    with pytest.raises(Refused):
        decisions.undo(decision=done.decision, note="", actor=moderator)
    text(second, url, "approve")
    bulk.run_due()
    assert tallies.total(petition.pk) == 4


def _let_be_large(settings: Any, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    settings.BULK_DECISION_APPROVAL_FROM = number
    monkeypatch.setattr(decisions, "ROWS_PER_PAGE", number - 1)


def test_ticking_more_rows_than_a_page_has_does_not_bypass_the_second_moderator(
    petition: Petition,
    mona: Client,
    second: Client,
    moderator: User,
    signed: list[UUID],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hand-made form can name two thousand signatures."""
    _let_be_large(settings, monkeypatch, 4)
    path = f"{LIST}?petition=protect&abroad=no"
    three = {"chosen": [str(pk) for pk in signed[:3]], **button("hold", "suspicious")}
    mona.post(path, three)
    assert states(signed[:3]) == {"held"}
    ticked = {"chosen": [str(pk) for pk in signed], **button("remove", "automated")}
    url = str(mona.post(path, ticked)["Location"])
    assert "/bulkdecision/" in url
    text(mona, url, "start")
    bulk.run_due()
    assert states(signed) == {"held", "confirmed"}
    with pytest.raises(Refused):
        decisions.decide(kind="remove", petition=petition, ids=signed, actor=moderator, **WHY)
    text(second, url, "approve")
    bulk.run_due()
    assert states(signed) == {"removed"}


def test_a_decision_page_shows_time_reason_signatures_and_its_undo(
    petition: Petition, mona: Client, moderator: User, signed: list[UUID]
) -> None:
    done = decisions.decide(kind="remove", petition=petition, ids=signed, actor=moderator, **WHY)
    assert done.decision
    url = f"{DECISIONS}{done.decision.pk}/change/"
    page = text(mona, url)
    assert f"{done.decision.created_at:%Y-%m-%d} " in page
    assert "automated" in page
    assert page.count('data-label="Now">removed from the count') == 4
    assert f'<a href="{LIST}?petition=protect">' in page
    assert f"{LIST}?petition=protect&amp;decision={done.decision.pk}" in page

    undone = decisions.undo(decision=done.decision, note="", actor=moderator)

    assert undone.decision
    page = text(mona, url)
    assert f"{DECISIONS}{undone.decision.pk}/change/" in page
    assert 'id="undo"' not in page
    assert "Undone: remove" in text(mona, f"{DECISIONS}{undone.decision.pk}/change/")


def test_the_decision_list_has_filters_and_keyset_pagination(
    petition: Petition,
    mona: Client,
    moderator: User,
    signed: list[UUID],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for kind in ("remove", "restore", "hold"):
        done = decisions.decide(kind=kind, petition=petition, ids=signed, actor=moderator, **WHY)
        assert done.decision
    monkeypatch.setattr("petitions.admin.keyset.Keyset.page.__defaults__", (2,))
    page = mona.get(DECISIONS)
    older = mona.get(f"{DECISIONS}?{page.context['next']}")
    kinds = [one.kind for shown in (page, older) for one in shown.context["decisions"]]
    assert kinds == ["hold", "restore", "remove"]
    assert "Hold (4 signatures)" in page.content.decode()
    assert not older.context["next"]
    holds = mona.get(f"{DECISIONS}?kind=hold&petition={petition.pk}&actor={moderator.pk}")
    assert [one.kind for one in holds.context["decisions"]] == ["hold"]
    for query in ("kind=x", "actor=0", "petition=x", "after=x", "after=2026_x"):
        assert mona.get(f"{DECISIONS}?{query}").status_code == 200


def test_an_undo_note_with_an_email_address_is_refused(
    petition: Petition, mona: Client, moderator: User, signed: list[UUID]
) -> None:
    done = decisions.decide(kind="remove", petition=petition, ids=signed, actor=moderator, **WHY)
    assert done.decision
    page = mona.post(f"{DECISIONS}{done.decision.pk}/undo/", {"note": "a@b.example"}, follow=True)
    assert "Do not write an email address here." in page.content.decode()
    assert states(signed) == {"removed"}
