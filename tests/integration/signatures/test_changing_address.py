"""Moving a signature to another address, by the code that was mailed to it."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.core import mail as sent
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from petitions.counting import tallies
from petitions.crypto import tokens
from petitions.mail import outbox, suppression
from petitions.models import Decision, Mail, News, Petition, Rule, Signature, Signer
from petitions.moderation import decisions
from petitions.privacy import retention
from petitions.screening import rules
from petitions.screening.rate_limits import LimitResult
from petitions.signatures import change_address, self_service
from petitions.signatures import disown as disowning
from petitions.signatures import withdraw as withdrawing
from petitions.signatures.confirm import Outcome
from petitions.signers import sealing
from petitions.signers.sealing import Attempt, Use
from petitions.web.views.self_service import CONFIRMED
from tests.integration.signatures.test_finding import link_for
from tests.people import AMINA, BASHIR, CARYS, confirm, sign, sign_and_confirm

NEW = "amina@new.example"


@pytest.fixture
def mine(petition: Petition) -> Signature:
    return sign_and_confirm(petition, AMINA)


def page_of(signature: Signature, address: str = AMINA.email, language: str = "en") -> str:
    return f"{link_for(address)}{signature.reference}/".replace("/en/", f"/{language}/")


def ask(browser: Client, signature: Signature, address: str = NEW, **where: str) -> Any:
    outbox.deliver()
    sent.outbox.clear()
    return browser.post(page_of(signature, **where) + "address/", {"email": address})


def code() -> str:
    """Return the code in the mail that is sent."""
    outbox.deliver()
    (message,) = sent.outbox
    (found,) = re.findall(r"^\d{4}-\d{4}$", str(message.body), flags=re.MULTILINE)
    return str(found)


def type_in(browser: Client, signature: Signature, typed: str) -> Any:
    return browser.post(page_of(signature) + "address/code/", {"code": typed})


def address_of(signature: Signature) -> str:
    return sealing.unsealed(Signer.objects.get(pk=signature.pk))["email"]


def held(address: str) -> list[str]:
    recipient = sealing.recipient_of(address)
    return [one.signature.reference for one in self_service.own_signatures(recipient=recipient)]


def test_the_code_changes_the_email_address_and_nothing_else(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    before = Signature.objects.values().get(pk=mine.pk)
    asking = ask(browser, mine)
    assert "a•••@new.example" in asking.content.decode()
    assert address_of(mine) == AMINA.email
    typed = code()
    assert sent.outbox[0].to == [NEW]

    answer = type_in(browser, mine, typed)

    assert answer.status_code == 200
    assert "The email address is changed." in answer.content.decode()
    assert address_of(mine) == NEW
    assert (held(AMINA.email), held(NEW)) == ([], [mine.reference])
    after = Signature.objects.values().get(pk=mine.pk)
    assert after == {**before, "link_epoch": before["link_epoch"] + 1}
    assert tallies.total(petition.pk) == 1
    # The signer's row is the same as if they had signed with the new address.
    signer = Signer.objects.get(pk=mine.pk)
    expected = sealing.indexes_of(
        petition.pk, sealing.person_of(replace(AMINA, email=NEW)), is_pending=False
    )
    assert sealing.stored(signer)[:3] == expected[:3]
    assert bytes(signer.domain_ix or b"") == sealing.domain_index(NEW)
    assert not Mail.objects.filter(sealed__isnull=False).exists()
    indexes = Mail.objects.filter(signature=mine.pk).values_list("global_mailbox_ix", flat=True)
    assert {bytes(ix) for ix in indexes} == {expected.global_mailbox}
    # Signing again with the new address is the same person.
    assert confirm(sign(petition, replace(AMINA, email=NEW))) is Outcome.ALREADY
    assert tallies.total(petition.pk) == 1


@pytest.mark.parametrize(
    ("language", "subject", "gives"),
    [
        ("en", "Please confirm your email address", "Give it to nobody."),
        ("ar", "يرجى تأكيد عنوان بريدك الإلكتروني", "يرجى عدم إعطائه لأحد."),
        ("cy", "Cadarnhewch eich cyfeiriad e-bost", "Peidiwch â’i roi i neb."),
    ],
)
def test_the_mail_with_the_code_contains_no_personal_data_and_no_link(
    petition: Petition, browser: Client, mine: Signature, language: str, subject: str, gives: str
) -> None:
    assert ask(browser, mine, language=language).status_code == 200
    code()
    (message,) = sent.outbox

    whole = str(message.message())
    assert message.subject == subject
    assert gives in str(message.body)
    html = str(message.alternatives[0][0])  # type: ignore[attr-defined]
    for text in (str(message.body), html):
        assert "http" not in text
        assert settings.SITE_URL not in text
        for word in ("Amina", "Protect", "protect", "Idlib", mine.reference):
            assert word not in text
    assert AMINA.email not in whole


def nothing(petition: Petition) -> None:
    """Leave the address unknown to the site."""


def pending(petition: Petition) -> None:
    sign(petition, replace(BASHIR, email=NEW))


def signed(petition: Petition) -> None:
    sign_and_confirm(petition, replace(BASHIR, email=NEW))


def withdrawn(petition: Petition) -> None:
    withdrawing.withdraw(signature_id=sign_and_confirm(petition, replace(BASHIR, email=NEW)).pk)


@pytest.mark.parametrize("fate", [nothing, pending, signed, withdrawn])
def test_a_request_reveals_nothing_about_the_new_address(
    petition: Petition, browser: Client, mine: Signature, fate: Callable[[Petition], None]
) -> None:
    reference = ask(browser, mine, "someone@new.example").content.decode()
    with CaptureQueriesContext(connection) as queries:
        ask(browser, mine, "somebody@new.example")
    fate(petition)
    outbox.deliver()
    sent.outbox.clear()

    with CaptureQueriesContext(connection) as same:
        page = ask(browser, mine, NEW.replace("amina", "someone")).content.decode()
    mailed = ask(browser, mine).content.decode()

    assert len(same) == len(queries)
    hidden = re.compile(r"/mine/[^/]+/|[as]•••")
    assert hidden.sub("", page) == hidden.sub("", reference) == hidden.sub("", mailed)
    outbox.deliver()
    assert [message.to for message in sent.outbox].count([NEW]) == 1


def wants_none(_petition: Petition) -> None:
    suppression.suppress_all(inbox=sealing.inbox_of(NEW))


def said_not_me(petition: Petition) -> None:
    form = Signature.objects.get(pk=sign(petition, replace(BASHIR, email=NEW)))
    disowning.disown(mailbox=sealing.mailbox_of(form, NEW))


def bounced(_petition: Petition) -> None:
    suppression.suppress_bounced(address=NEW)


@pytest.mark.parametrize("fate", [nothing, wants_none, said_not_me, bounced])
def test_the_download_reveals_nothing_about_the_new_address(
    petition: Petition, browser: Client, mine: Signature, fate: Callable[[Petition], None]
) -> None:
    """Any signer can request a code to any address, and download their data at once."""
    fate(petition)
    ask(browser, mine)
    outbox.deliver()

    held = browser.post(f"{link_for()}download/").json()["signatures"][0]

    (asked,) = [mail for mail in held["mails"] if mail["kind"] == Mail.Kind.ADDRESS]
    assert asked.keys() == {"kind", "asked_for"}


def test_five_wrong_codes_invalidate_the_code_until_a_new_one_is_requested(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    ask(browser, mine)
    right = code()
    wrong = str((int(right.replace("-", "")) + 1) % 10**8).zfill(8)
    for _ in range(change_address.TRIES):
        answer = type_in(browser, mine, wrong)
        assert answer.status_code == 422
        assert "That code is wrong, too old" in answer.content.decode()
    assert type_in(browser, mine, right).status_code == 422
    assert address_of(mine) == AMINA.email

    ask(browser, mine)
    assert type_in(browser, mine, code()).status_code == 200
    assert address_of(mine) == NEW


def test_an_unsent_expired_or_used_code_is_refused(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    ask(browser, mine)
    unsent = Mail.objects.get(kind=Mail.Kind.ADDRESS)
    assert type_in(browser, mine, tokens.code(unsent.pk, 0)).status_code == 422
    typed = code()
    Mail.objects.update(created_at=timezone.now() - change_address.CODE_FOR)
    assert type_in(browser, mine, typed).status_code == 422
    Mail.objects.update(created_at=timezone.now())
    assert type_in(browser, mine, typed).status_code == 200
    assert browser.post(page_of(mine, NEW) + "address/code/", {"code": typed}).status_code == 422


def test_the_code_is_useless_without_the_link_to_the_old_address(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    ask(browser, mine)
    typed = code()

    assert browser.post(page_of(mine, NEW) + "address/code/", {"code": typed}).status_code == 409
    assert address_of(mine) == AMINA.email
    assert held(NEW) == []


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (
            [replace(AMINA, email=NEW)],
            "You have already signed this petition with the new address.",
        ),
        ([replace(BASHIR, email=NEW, postcode="EH11YZ")], "Somebody with another postcode"),
        (
            [replace(BASHIR, email=NEW, postcode=AMINA.postcode, name=n) for n in ("Ali", "Noor")],
            "Two people have signed this petition with the new address.",
        ),
    ],
)
def test_changing_the_address_obeys_the_limits_of_the_new_mailbox(
    petition: Petition, browser: Client, mine: Signature, there: list[Attempt], says: str
) -> None:
    for attempt in there:
        sign_and_confirm(petition, attempt)
    ask(browser, mine)
    outbox.deliver()
    mail = Mail.objects.get(kind=Mail.Kind.ADDRESS)

    answer = type_in(browser, mine, tokens.code(mail.pk, 0))

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert address_of(mine) == AMINA.email
    assert tallies.total(petition.pk) == 1 + len(there)


def test_changing_to_the_address_of_a_housemate_takes_the_second_household_slot(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    other = replace(BASHIR, email=NEW, postcode=AMINA.postcode, country=AMINA.country)
    sign_and_confirm(petition, other)
    ask(browser, mine)
    assert type_in(browser, mine, code()).status_code == 200
    assert Signer.objects.get(pk=mine.pk).slot == 2


def test_pending_forms_of_the_old_address_cannot_count_the_same_person_again(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    twin = sign(petition, AMINA)
    outbox.deliver()
    ask(browser, mine)

    assert type_in(browser, mine, code()).status_code == 200

    assert confirm(twin) is Outcome.GONE


def test_changing_the_address_does_not_delete_a_removed_form(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    """The moderator may have sent it. Neither "not me" nor a confirmation deletes it either."""
    form = sign(petition, AMINA)
    decisions.decide(
        kind=Decision.Kind.REMOVE,
        petition=petition,
        ids=[form],
        reason=Decision.Reason.DUPLICATE,
        note="",
        actor=None,
    )
    ask(browser, mine)
    type_in(browser, mine, code())
    assert address_of(mine) == NEW
    assert Signature.objects.get(pk=form).disowned_at is None


def test_withdrawing_erases_the_requested_new_address(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    ask(browser, mine)
    withdrawing.withdraw(signature_id=mine.pk)
    assert not Mail.objects.filter(sealed__isnull=False).exists()
    outbox.deliver()
    assert not sent.outbox


def test_a_requested_new_address_is_deleted_after_an_hour(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    ask(browser, mine)
    code()
    retention.apply()
    assert Mail.objects.filter(sealed__isnull=False).count() == 1
    Mail.objects.update(created_at=timezone.now() - change_address.CODE_FOR - timedelta(seconds=1))

    retention.apply()

    assert not Mail.objects.filter(sealed__isnull=False).exists()
    assert not Mail.objects.filter(signature=mine.pk, kind=Mail.Kind.ADDRESS).exists()


def test_the_current_an_invalid_and_an_empty_address_are_form_errors(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    for typed, says in (
        (AMINA.email.upper(), "This is the address that your signature has now."),
        ("anna@gmail..com", "Did you mean <bdi>anna@gmail.com</bdi>?"),
        ("", "Enter your email address."),
    ):
        answer = ask(browser, mine, typed)
        assert answer.status_code == 422
        assert says in answer.content.decode()
    assert not Mail.objects.filter(kind=Mail.Kind.ADDRESS).exists()


def test_the_address_of_a_pending_signature_cannot_be_changed(
    petition: Petition, browser: Client
) -> None:
    waiting = Signature.objects.get(pk=sign(petition, AMINA))

    assert ask(browser, waiting).status_code == 409
    assert "Change the email address" not in browser.post(link_for()).content.decode()


def test_a_rate_limited_address_change_returns_429_and_sends_no_mail(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    limited = LimitResult(is_refused=True)
    with patch("petitions.signatures.change_address.check_limits", return_value=limited):
        answer = ask(browser, mine)
    assert answer.status_code == 429
    assert answer["Retry-After"]
    assert not Mail.objects.filter(kind=Mail.Kind.ADDRESS).exists()


def test_an_address_gets_at_most_five_codes_a_day_even_if_the_signers_withdraw(
    petition: Petition, browser: Client
) -> None:
    """A withdrawal anonymises the rows by which the outbox limits mails to a mailbox."""
    codes = 0
    for one in (BASHIR, replace(BASHIR, email="b2@example.net")):
        signature = sign_and_confirm(petition, one)
        own = f"{link_for(one.email)}{signature.reference}/"
        for _ in range(4):
            outbox.deliver()
            sent.outbox.clear()
            browser.post(f"{own}address/", {"email": NEW})
            outbox.deliver()
            codes += [message.to for message in sent.outbox].count([NEW])
        browser.post(f"{own}withdraw/")
    assert codes == 5


def test_earlier_news_mails_lose_the_index_of_the_old_address(
    petition: Petition, browser: Client, mine: Signature
) -> None:
    old = sealing.stored_index(Use.NEWS, sealing.inbox_of(AMINA.email))
    mail = Mail.objects.create(
        signature=mine,
        news=News.objects.create(petition=petition),
        kind=Mail.Kind.NEWS,
        state=Mail.State.SENT,
        global_mailbox_ix=old,
        due_at=timezone.now(),
        created_at=timezone.now(),
    )
    ask(browser, mine)
    type_in(browser, mine, code())

    mail.refresh_from_db()
    assert address_of(mine) == NEW
    known = sealing.indexes_of(petition.pk, sealing.unsealed(Signer.objects.get(pk=mine.pk)))
    assert bytes(mail.global_mailbox_ix) not in {old, known.global_mailbox}


@pytest.mark.parametrize("action", [Rule.Action.BLOCK, Rule.Action.HOLD])
@pytest.mark.parametrize("kind", [Rule.Kind.DOMAIN, Rule.Kind.ADDRESS])
def test_changing_to_an_address_matched_by_a_rule_holds_the_signature_silently(
    petition: Petition, browser: Client, mine: Signature, action: str, kind: str
) -> None:
    uncaught = sign_and_confirm(petition, replace(CARYS, email="carys@example.net"))
    ask(browser, mine)
    is_address = kind == Rule.Kind.ADDRESS
    Rule.objects.create(
        kind=kind,
        action=action,
        note="x",
        pattern="" if is_address else "new.example",
        address_ix=rules.address_index(NEW) if is_address else None,
    )
    rules.invalidate()
    answer = type_in(browser, mine, code())

    assert "The email address is changed." in answer.content.decode()
    moved = Signature.objects.get(pk=mine.pk)
    assert (moved.state, moved.verdict) == (Signature.State.HELD, Signature.Verdict.HOLD)
    assert moved.signals == [f"{'held' if action == Rule.Action.HOLD else 'blocked'}-{kind}"]
    assert tallies.total(petition.pk) == 1
    assert Signature.objects.get(pk=uncaught.pk).state == Signature.State.CONFIRMED
    page = browser.post(page_of(mine, NEW).removesuffix(f"{mine.reference}/")).content.decode()
    assert str(CONFIRMED) in page


@pytest.mark.parametrize("is_approved", [False, True])
def test_changing_to_a_disposable_address_holds_the_signature_unless_approved(
    petition: Petition, browser: Client, mine: Signature, is_approved: bool
) -> None:
    if is_approved:
        Signature.objects.filter(pk=mine.pk).update(signals=["disposable"])
    ask(browser, mine, "amina@mailinator.com")
    answer = type_in(browser, mine, code())

    assert "The email address is changed." in answer.content.decode()
    moved = Signature.objects.get(pk=mine.pk)
    assert moved.state == (Signature.State.CONFIRMED if is_approved else Signature.State.HELD)
    assert moved.signals == ["disposable"]
    assert tallies.total(petition.pk) == is_approved
