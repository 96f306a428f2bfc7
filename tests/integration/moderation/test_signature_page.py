"""The page of a signature: history, similar and adjacent signatures, and reveal."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from petitions.admin import acting
from petitions.admin.signatures.detail import timeline
from petitions.models import AuditRecord, Mail, Petition, Signature
from petitions.moderation import decisions
from tests.held import LIST, button, hold_one, states
from tests.people import AMINA, sign, sign_and_confirm, somebody

WHY: dict[str, Any] = {"reason": "automated", "note": ""}
DONE = "sent, unless its mailbox wants none, had enough for the day, or cannot take it now"


@pytest.fixture
def mona(moderator: User, client: Client) -> Client:
    client.force_login(moderator)
    return client


def page_of(client: Client, pk: UUID, query: str = "") -> str:
    answer = client.get(f"{LIST}{pk}/change/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_signature_page_shows_a_timeline_from_signing_to_undo(
    petition: Petition, moderator: User, mona: Client
) -> None:
    one = sign_and_confirm(petition)
    Mail.objects.filter(signature=one).update(state=Mail.State.SENT)
    done = decisions.decide(kind="hold", petition=petition, ids=[one.pk], actor=moderator, **WHY)
    assert done.decision
    undone = decisions.undo(decision=done.decision, note="a slip", actor=moderator)
    one.refresh_from_db()

    told = [event.text for event in timeline(one)]

    assert told == [
        "Signed",
        f"Email to confirm: {DONE}",
        "Confirmed by its signer",
        "hold",
        "undone: hold",
    ]
    page = page_of(mona, one.pk)
    assert undone.decision
    for decision in (done.decision, undone.decision):
        assert f"/admin/petitions/decision/{decision.pk}/change/" in page
    assert "a slip" in page


@pytest.mark.parametrize("state", [Mail.State.REFUSED, Mail.State.FAILED])
def test_the_timeline_does_not_show_why_a_mail_was_not_sent(
    petition: Petition, state: Mail.State
) -> None:
    one = sign(petition)
    Mail.objects.update(state=state, code="limit")
    texts = [event.text for event in timeline(Signature.objects.get(pk=one))]
    assert texts == ["Signed", "Email to confirm: not sent"]


@pytest.mark.parametrize("state", [Mail.State.SENT, Mail.State.WITHHELD, Mail.State.CANCELLED])
def test_the_timeline_shows_sent_withheld_and_cancelled_mail_alike(
    petition: Petition, state: Mail.State
) -> None:
    """Confirming makes room under the limit of a mailbox, so that the next form there is mailed."""
    one = sign(petition)
    Mail.objects.update(state=state)
    texts = [event.text for event in timeline(Signature.objects.get(pk=one))]
    assert texts == ["Signed", f"Email to confirm: {DONE}"]


@pytest.mark.parametrize("state", Mail.State.values)
def test_the_timeline_of_a_refused_attempt_mentions_no_sent_mail(
    petition: Petition, state: Mail.State
) -> None:
    one = sign(petition)
    Signature.objects.filter(pk=one).update(state=Signature.State.REFUSED)
    Mail.objects.update(state=state)
    texts = [event.text for event in timeline(Signature.objects.get(pk=one))]
    assert texts == ["Refused when it was signed: nobody gets an email"]


def test_the_timeline_of_a_pending_form_omits_reminders(petition: Petition) -> None:
    form = sign(petition)
    Mail.objects.create(
        kind=Mail.Kind.REMIND, signature_id=form, global_mailbox_ix=b"", due_at=timezone.now(),
        created_at=timezone.now(),
    )  # fmt: skip

    told = [event.text for event in timeline(Signature.objects.get(pk=form))]

    assert told == ["Signed", "Email to confirm: waits to be sent"]


def test_the_signature_page_counts_similar_signatures_and_links_to_their_lists(
    petition: Petition, mona: Client
) -> None:
    one = hold_one(petition, somebody(1))
    for n in (2, 3):
        hold_one(petition, somebody(n))
    Signature.objects.exclude(pk=one.pk).update(created_at=timezone.now() - timedelta(hours=1))

    answer = mona.get(f"{LIST}{one.pk}/change/")

    assert [str(like["number"]) for like in answer.context["neighbours"]] == ["3", "1", "1"]
    for like, number in zip(answer.context["neighbours"], (3, 1, 1), strict=True):
        assert len(mona.get(like["url"]).context["lines"]) == number


def test_a_pending_form_shows_similar_signatures_only_after_an_audited_click(
    petition: Petition, mona: Client
) -> None:
    """Anybody can type any domain. If it is one person's, a count of two reveals that person."""
    family = replace(somebody(1), email="vera@verity.example")
    sign_and_confirm(petition, family)
    own = sign(petition, replace(somebody(2), email="own@verity.example"))

    page = mona.get(f"{LIST}{own}/change/")
    untold = [like for like in page.context["neighbours"] if not like["is_shown"]]
    assert [(like["label"], like["number"]) for like in untold] == [
        ("From the same network that day", None),
        ("From the same email domain that day", None),
    ]
    assert page.content.decode().count("see them: this is recorded") == 2
    assert not AuditRecord.objects.filter(action="searched").exists()

    mona.get(untold[1]["url"])
    record = AuditRecord.objects.get(action="searched")
    assert (record.why, record.object_id) == ("domain", str(petition.pk))
    assert record.screen == "admin:petitions_signature_changelist"


def test_previous_and_next_links_follow_the_list_of_origin(
    petition: Petition, mona: Client
) -> None:
    held = [hold_one(petition, somebody(n)) for n in range(3)]
    sign_and_confirm(petition, somebody(9))
    first, middle, last = sorted(held, key=lambda one: (one.created_at, one.pk))
    page = mona.get(f"{LIST}?petition=protect&state=held&order=oldest").content.decode()
    link = f"{LIST}{middle.pk}/change/?list=petition%3Dprotect%26state%3Dheld%26order%3Doldest"
    assert link in page

    beside = mona.get(link).context

    assert str(first.pk) in beside["before"]
    assert str(last.pk) in beside["after"]
    assert mona.get(beside["after"]).context["after"] == ""
    # What is decided leaves the list, and the next one is found all the same.
    mona.post(link, button("approve", "checked"))
    assert str(last.pk) in mona.get(link).context["after"]


def test_the_signature_page_reports_and_keeps_a_concurrent_decision(
    petition: Petition, mona: Client
) -> None:
    one = hold_one(petition)
    post = button("remove", "automated")
    musa = User.objects.create_superuser("musa")
    decisions.decide(kind="approve", petition=petition, ids=[one.pk], actor=musa, **WHY)
    page = mona.post(f"{LIST}{one.pk}/change/", post, follow=True).content.decode()
    assert "somebody has decided about them since: approve (musa)" in page
    assert states([one.pk]) == {"confirmed"}


def test_revealing_an_address_is_audited_with_a_reason_and_never_cached(
    petition: Petition, mona: Client
) -> None:
    one = sign_and_confirm(petition)
    url = f"{LIST}{one.pk}/reveal/"
    assert url in page_of(mona, one.pk)
    assert AMINA.email not in mona.get(url).content.decode()
    for reason in ("", "is it a@example.org?"):
        assert AMINA.email not in mona.post(url, {"reason": reason}).content.decode()
    assert not AuditRecord.objects.filter(action="address-revealed").exists()

    answer = mona.post(url, {"reason": "They wrote to us"})

    assert AMINA.email in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    record = AuditRecord.objects.get(action="address-revealed")
    assert (record.why, record.object_id) == ("They wrote to us", str(one.pk))
    assert AMINA.email not in mona.get(url).content.decode()
    assert AMINA.email not in str(mona.session.items())


def test_revealing_an_address_requires_the_password_again(petition: Petition, mona: Client) -> None:
    one = sign_and_confirm(petition)
    session = mona.session
    session[acting.TYPED_AT] = 0
    session.save()
    answer = mona.post(f"{LIST}{one.pk}/reveal/", {"reason": "They wrote to us"})
    assert answer.status_code == 302
    assert "/password-again/" in answer["Location"]
    assert not AuditRecord.objects.filter(action="address-revealed").exists()


def test_reveals_beyond_the_hourly_limit_say_when_to_try_again(
    petition: Petition, mona: Client, settings: Any
) -> None:
    settings.REVEALS_PER_HOUR = 1
    one = sign_and_confirm(petition)
    url = f"{LIST}{one.pk}/reveal/"
    mona.post(url, {"reason": "They wrote"})
    page = mona.post(url, {"reason": "They wrote"}).content.decode()
    assert "Try again in" in page
    assert AMINA.email not in page


def test_an_organiser_cannot_reveal_an_address(
    petition: Petition, organiser: User, client: Client
) -> None:
    one = sign_and_confirm(petition)
    client.force_login(organiser)
    assert client.post(f"{LIST}{one.pk}/reveal/", {"reason": "x"}).status_code == 403
