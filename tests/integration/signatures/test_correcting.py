""" "Check your email": corrections, which must not affect other people's attempts."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail as sent
from django.db import OperationalError, connection
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from limits import parse

from petitions.counting import tallies
from petitions.crypto import tokens
from petitions.formatting import languages
from petitions.infra.client_network import NOWHERE
from petitions.mail import outbox
from petitions.models import Correction, Mail, Petition, Rule, Signature, Signer
from petitions.privacy import retention
from petitions.screening.screen import Evidence
from petitions.signatures import check_email, disown, submit, withdraw
from petitions.signatures.check_email import Page
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from tests.at_once import at_once
from tests.checking import (
    CORRECTION,
    PAGE,
    code_in,
    codes_of,
    correct_path,
    corrected,
    link_in,
    mailed,
    page_at,
    signed,
    without_tokens,
)
from tests.people import AMINA, DAVID, confirm, correct, sign, sign_and_confirm, typed

THANKS = "Thank you. Your signature is confirmed."


def test_a_correction_is_mailed_to_the_new_address_and_invalidates_the_old_link(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser, email="amina@exampel.org")
    (old,) = mailed()

    new_check = corrected(browser, check, name="Amina B. Example", postcode="CF10 1AA")
    pressed = [browser.get(link_in(old)), browser.post(link_in(old))]
    (new,) = mailed()
    pressed += [browser.get(link_in(old)), browser.post(link_in(old))]
    assert {answer.status_code for answer in pressed} == {404}

    assert new.to == ["amina@example.net"]
    assert "a•••@example.net" in browser.get(new_check).content.decode()
    assert THANKS in browser.post(link_in(new)).content.decode()
    assert tallies.total(petition.pk) == 1
    person = sealing.unsealed(Signer.objects.get())
    assert (person["name"], person["email"], person["postcode"]) == (
        "Amina B. Example",
        "amina@example.net",
        "CF101AA",
    )


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", "There is a newer message. We sent it at 14:05 on {day}."),
        ("ar", "هناك رسالة أحدث، أرسلناها الساعة 14:05 يوم {day}."),
        ("cy", "Mae neges fwy newydd. Fe’i hanfonwyd gennym am 14:05 ar {day}."),
    ],
)
def test_an_old_link_shows_when_the_newer_mail_was_sent(
    petition: Petition, browser: Client, language: str, says: str
) -> None:
    """Mail programs group messages with one subject, and show the first."""
    check = signed(browser)
    (old,) = mailed()
    corrected(browser, check, name="Amina B. Example", email=AMINA.email)
    (new,) = mailed()
    afternoon = timezone.localtime().replace(hour=14, minute=5) - timedelta(days=1)
    Mail.objects.filter(state=Mail.State.SENT).update(created_at=afternoon)
    Mail.objects.filter(signature__state=Signature.State.WITHDRAWN).update(
        created_at=afternoon - timedelta(minutes=3)
    )
    with translation.override(language):
        said = says.format(day=languages.day(afternoon))
    path = link_in(old).replace("/en/", f"/{language}/")
    for answer in (browser.get(path), browser.post(path)):
        assert answer.status_code == 404
        assert said in answer.content.decode()

    # Once the newer link is used, the page does not mention it.
    browser.post(link_in(new))
    assert says.partition(".")[0] not in browser.get(path).content.decode()


def test_an_old_link_reveals_nothing_about_mail_to_another_address(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser, email="amina@exampel.org")
    (old,) = mailed()
    corrected(browser, check)
    mailed()
    earlier = timezone.now() - timedelta(minutes=3)
    Mail.objects.filter(signature__state=Signature.State.WITHDRAWN).update(created_at=earlier)

    assert "There is a newer message" not in browser.get(link_in(old)).content.decode()


def test_a_correction_keeps_every_other_choice(petition: Petition, browser: Client) -> None:
    check = signed(browser, name_use="withheld", updates="on")

    page = page_at(corrected(browser, check))

    signature = Signature.objects.get(pk=page.attempt_id)
    assert signature.name_use == Signature.NameUse.WITHHELD
    assert signature.wants_updates
    assert signature.text_version == 1


def test_a_corrected_attempt_is_erased_and_its_queued_mail_cancelled(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser, email="amina@exampel.org")
    old = page_at(check).attempt_id

    corrected(browser, check)

    assert [message.to for message in mailed()] == [["amina@example.net"]]
    assert not Signer.objects.filter(pk=old).exists()
    assert Mail.objects.get(signature=old).state == Mail.State.CANCELLED
    assert Signature.objects.get(pk=old).state == Signature.State.WITHDRAWN
    assert not Correction.objects.exists()


def test_a_busy_worker_does_not_mail_a_corrected_attempt(
    petition: Petition, browser: Client
) -> None:
    """It withdraws what was corrected before it began, and later finds the mail and correction."""
    corrected(browser, signed(browser, email="amina@exampel.org"))
    sent.outbox.clear()
    outbox.deliver()
    assert [message.to for message in sent.outbox] == [["amina@example.net"]]


def test_the_code_of_a_corrected_attempt_is_invalid(petition: Petition, browser: Client) -> None:
    check = signed(browser)
    code = code_in(mailed()[0])
    new_check = corrected(browser, check)

    for path in (check, new_check):
        answer = browser.post(path + "code/", {"code": code})
        assert THANKS not in answer.content.decode()
    assert tallies.total(petition.pk) == 0


def test_the_code_of_a_correction_is_invalid_until_its_address_is_mailed(
    petition: Petition, browser: Client
) -> None:
    """The mail to one's own address must not make the code of another address valid."""
    check = signed(browser)
    mailed()
    page = page_at(corrected(browser, check, email="victim@example.net"))

    assert (
        check_email.link_by_code(page=page, code=codes_of(page), petition=petition, sender=NOWHERE)
        is None
    )


FATES_OF_A_VICTIM = ["new", "pending", "confirmed", "blocked", "confirmed meanwhile", "erased"]


def test_the_mail_after_a_correction_reveals_nothing_about_the_replaced_address(
    petition: Petition, browser: Client, moderator: Any
) -> None:
    """Somebody signs with another's name and address, then corrects it to their own."""
    seen = set()
    for number, fate in enumerate(FATES_OF_A_VICTIM):
        victim = replace(AMINA, email=f"victim{number}@example{number}.org")
        own = f"attacker{number}@example.net"
        prepare(petition, victim, fate)
        check = signed(browser, email=victim.email)
        before = page_at(check).attempt_id
        if fate == "confirmed meanwhile":
            confirm(before)
        if fate == "erased":
            withdraw.withdraw(signature_id=before)
        mailed()

        response = browser.post(correct_path(check), {**CORRECTION, "email": own})
        messages = [message for message in mailed() if message.to == [own]]
        page = browser.get(response["Location"]).content.decode()

        assert len(messages) == 1, fate
        (message,) = messages
        link = tokens.read_link(tokens.CONFIRM, link_in(message).split("/")[4])
        opened = browser.get(link_in(message))
        seen.add((
            response.status_code,
            len(response["Location"]),
            without_tokens(page),
            message.subject,
            len(message.body),
            tuple(sorted(message.message().keys())),
            # The link alone shows whether it belongs to an older attempt.
            link.epoch,
            link.signature_id == before,
            opened.status_code,
            without_tokens(opened.content.decode()),
        ))  # fmt: skip
    assert len(seen) == 1


def prepare(petition: Petition, victim: Any, fate: str) -> None:
    """Create an earlier state of somebody's address."""
    if fate == "pending":
        sign(petition, victim)
    if fate == "confirmed":
        sign_and_confirm(petition, victim)
    if fate == "blocked":
        domain = victim.email.rpartition("@")[2]
        Rule.objects.create(kind="domain", action="block", pattern=domain, note="x")
        from petitions.screening import rules

        rules.invalidate()


def test_a_resend_from_the_page_before_a_correction_mails_nobody(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    corrected(browser, check)
    mailed()

    browser.post(check + "again/")

    assert mailed() == []


def test_correcting_a_confirmed_signature_is_a_new_signing(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (message,) = mailed()
    browser.post(link_in(message))

    new = page_at(corrected(browser, check)).attempt_id

    assert new != page_at(check).attempt_id
    assert Signature.objects.get(pk=new).state == Signature.State.PENDING
    assert tallies.total(petition.pk) == 1


def test_a_page_allows_one_correction_and_then_redirects_to_the_petition(
    petition: Petition, browser: Client
) -> None:
    """Otherwise one solved challenge would allow any number of signings."""
    check = signed(browser)
    corrected(browser, check)
    number = Signature.objects.count()

    again = browser.post(correct_path(check), CORRECTION)

    assert (again.status_code, again["Location"]) == (303, PAGE)
    assert Signature.objects.count() == number


def test_a_correction_can_be_sent_again_after_a_database_error(
    petition: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = signed(browser)
    with monkeypatch.context() as away:
        away.setattr("petitions.signatures.submit.record_correction", _fail)
        assert browser.post(correct_path(check), CORRECTION).status_code == 503

    assert page_at(corrected(browser, check)).attempt_id != page_at(check).attempt_id


def _fail(_signature_id: object) -> None:
    raise OperationalError


def test_corrections_count_against_the_network_like_signings(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {"SIGN_NETWORK": parse("2/hour")}
    check = corrected(browser, signed(browser))
    assert browser.post(correct_path(check), CORRECTION).status_code == 429
    assert browser.post(PAGE, typed()).status_code == 429


def test_a_correction_keeps_the_fraud_signals_of_how_the_form_was_filled_in(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser, email="amina@mailinator.com", pace="3")

    page = page_at(corrected(browser, check))

    signature = Signature.objects.get(pk=page.attempt_id)
    # The new address is judged again. Signals of how the form was filled in stay.
    assert (signature.verdict, signature.signals) == (Signature.Verdict.HOLD, ["pace"])


@pytest.mark.parametrize(
    "how",
    [
        "pressed again and again",
        "refused for the signs of both forms",
        "corrected away before anybody was mailed",
        "not taken by the database",
    ],
)
def test_failed_corrections_do_not_count_against_the_mailbox_limit(
    petition: Petition,
    browser: Client,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """Otherwise its owner would be silenced, without any mail."""
    settings.LIMITS = {"SIGN_MAILBOX": parse("2/hour")}
    check = signed(browser)
    if how == "pressed again and again":
        corrected(browser, check)
        for _ in range(4):
            browser.post(correct_path(check), {**CORRECTION, "email": DAVID.email})
    elif how == "corrected away before anybody was mailed":
        for number in range(4):
            check = signed(browser, email=DAVID.email)
            corrected(browser, check, email=f"own{number}@example.net")
            with TestCase.captureOnCommitCallbacks(execute=True):
                check_email.settle()
    elif how == "not taken by the database":
        with monkeypatch.context() as away:
            away.setattr("petitions.signatures.submit.record_correction", _fail)
            for _ in range(4):
                answer = browser.post(correct_path(check), {**CORRECTION, "email": DAVID.email})
                assert answer.status_code == 503
    else:
        for number in range(4):
            check = signed(browser, email=f"own{number}@example.net", feedback="x", pace="3")
            page = page_at(corrected(browser, check, email=DAVID.email, name="Test Test"))
            assert Signature.objects.get(pk=page.attempt_id).state == Signature.State.REFUSED

    owner = page_at(signed(browser, email=DAVID.email))
    assert Signature.objects.get(pk=owner.attempt_id).state == Signature.State.PENDING


@pytest.mark.parametrize("happens", ["nothing", "objected", "withdrawn", "deleted"])
def test_the_result_of_a_correction_does_not_depend_on_the_attempts_state(
    petition: Petition, browser: Client, happens: str
) -> None:
    """A form filled in by a machine, in another's name, corrected to an address of one's own,
    and once more: it is held, also where the other has had everything of theirs deleted.
    """
    check = signed(browser, feedback="https://example.net")
    attempt_id = page_at(check).attempt_id
    if happens == "objected":
        inbox = sealing.inbox_of(AMINA.email)
        mailbox = tokens.Mailbox(attempt_id, 0, petition.pk, inbox.key_id, inbox.ix)
        assert disown.disown(mailbox=mailbox) is disown.Outcome.DISOWNED
    if happens == "withdrawn":
        withdraw.withdraw(signature_id=attempt_id)
    if happens == "deleted":
        Mail.objects.filter(signature=attempt_id).delete()
        Signature.objects.get(pk=attempt_id).delete()

    mine = corrected(browser, check, email="own@example.net")
    mine = corrected(browser, browser.post(mine + "again/")["Location"], email="mine@example.net")
    (message,) = mailed()

    assert message.to == ["mine@example.net"]
    assert THANKS in browser.post(link_in(message)).content.decode()
    signature = Signature.objects.get(pk=page_at(mine).attempt_id)
    assert (signature.state, signature.signals) == (Signature.State.HELD, ["honeypot"])
    assert tallies.total(petition.pk) == 0


def test_recording_a_correction_does_not_read_the_attempt(petition: Petition) -> None:
    with CaptureQueriesContext(connection) as queries:
        check_email.record_correction(sign(petition, AMINA))
    assert "petitions_signature" not in queries[-1]["sql"]
    assert Correction.objects.count() == 1


def test_a_correction_to_a_blocked_address_stores_a_refused_attempt_without_mail(
    petition: Petition, browser: Client
) -> None:
    Rule.objects.create(kind="domain", action="block", pattern="blocked.example", note="x")
    checks = [signed(browser), signed(browser)]
    mailed()

    good = corrected(browser, checks[0])
    bad = corrected(browser, checks[1], email="amina@blocked.example")

    assert len(good) == len(bad)
    state = Signature.objects.get(pk=page_at(bad).attempt_id).state
    assert state == Signature.State.REFUSED
    assert [message.to for message in mailed()] == [["amina@example.net"]]


def test_a_closed_petition_takes_no_correction_and_the_old_link_stays_valid(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (message,) = mailed()
    petition.closes_at = timezone.now()
    petition.save()

    response = browser.post(correct_path(check), CORRECTION)

    assert (response.status_code, response["Location"]) == (303, PAGE)
    assert THANKS in browser.post(link_in(message)).content.decode()


def test_a_petition_that_closes_during_a_correction_keeps_the_attempt_pending(
    petition: Petition,
) -> None:
    attempt_id = sign(petition)
    petition.closes_at = timezone.now() - timedelta(seconds=1)
    page = Page(attempt_id, petition.slug, AMINA)
    outcome = submit.submit(petition=petition, attempt=DAVID, evidence=Evidence(), corrects=page)
    assert outcome == submit.NotOpen()
    assert Signature.objects.get().state == Signature.State.PENDING


def test_corrected_attempts_are_deleted_with_unconfirmed_ones(petition: Petition) -> None:
    attempt_id = sign(petition)
    correct(Page(attempt_id, petition.slug, AMINA), petition, DAVID)
    check_email.withdraw_corrected()
    Signature.objects.filter(pk=attempt_id).update(created_at=timezone.now() - timedelta(days=15))

    assert retention.delete_expired_pending() == 1
    assert not Signature.objects.filter(pk=attempt_id).exists()


@pytest.mark.django_db(transaction=True)
def test_concurrent_correction_and_confirmation_never_count_the_corrected_attempt(
    petition: Petition,
) -> None:
    for number in range(5):
        attempt_id = sign(petition, replace(AMINA, email=f"amina{number}@example.org"))
        page = Page(attempt_id, petition.slug, AMINA)
        outcomes = at_once(
            partial(confirm, attempt_id),
            partial(correct, page, petition, DAVID),
        )
        confirmed = Outcome.CONFIRMED in outcomes
        assert confirmed or Outcome.GONE in outcomes
        check_email.withdraw_corrected()
        state = Signature.objects.get(pk=attempt_id).state
        assert state == (Signature.State.CONFIRMED if confirmed else Signature.State.WITHDRAWN)
        assert Signer.objects.filter(pk=attempt_id).exists() is confirmed
    assert not tallies.differences(petition.pk)
