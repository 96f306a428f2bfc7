""" "Find my signature": everybody is told the same, and the mailbox alone learns more."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from limits import parse

from petitions import finding, objections, providers, signers, signing, tasks, tokens, withdrawing
from petitions.addresses import Provider, by_domain
from petitions.mail import messages, outbox
from petitions.models import Correction, FindRequest, Mail, Petition, PetitionText, Signature
from petitions.screening import limits
from petitions.screening.verdicts import Screening
from petitions.signers import Attempt
from petitions.tokens import Inbox
from tests import shipped
from tests.people import AMINA, BASHIR, CARYS, DAVID, sign, sign_and_confirm

FIND = "/find/"
_LINK = re.compile(r"http\S+(/t/\w+/mine/\S+/)")


def inbox_of(address: str = AMINA.email) -> Inbox:
    return Inbox(*next(iter(signers.mail_indexes(address).items())))


def link_for(address: str = AMINA.email) -> str:
    return f"/t/en/mine/{tokens.inbox_link(tokens.FIND, inbox_of(address))}/"


def asked(browser: Client, address: str = AMINA.email) -> list[Any]:
    """What the mailboxes get when somebody types an address."""
    sent.outbox.clear()
    assert browser.post(FIND, {"email": address}).status_code == 303
    finding.settle()
    outbox.deliver()
    return [message for message in sent.outbox if _LINK.search(str(message.body))]


def another(petition: Petition, slug: str = "other") -> Petition:
    other = Petition.objects.create(
        slug=slug, state=Petition.State.OPEN, opens_at=petition.opens_at
    )
    PetitionText.objects.create(
        petition=other, language="en", title="Another cause", published_at=timezone.now()
    )
    return other


# --- The form ------------------------------------------------------------------------------


def test_the_page_is_in_every_footer_and_the_same_for_everybody(
    petition: Petition, browser: Client
) -> None:
    for prefix in ("", "/ar", "/cy"):
        assert (
            f'href="{prefix}/find/"' in browser.get(f"{prefix}/petitions/protect/").content.decode()
        )
        page = browser.get(f"{prefix}/find/")
        assert "public" in page["Cache-Control"]
        assert not page.cookies


def nothing(petition: Petition, victim: Attempt) -> None:
    """An address that nobody has typed yet."""


def sign_twice(petition: Petition, victim: Attempt) -> None:
    sign_and_confirm(petition, victim)
    sign_and_confirm(another(petition, victim.email.partition("@")[0]), victim)


def ask_too_often(petition: Petition, victim: Attempt) -> None:
    sign_and_confirm(petition, victim)
    while not limits.take(limits.Act.FIND, address=victim.email, petition=0).is_silenced:
        pass


def object_(petition: Petition, victim: Attempt) -> None:
    sign_and_confirm(petition, victim)
    objections.want_no_mail(inbox=inbox_of(victim.email))


def withdraw(petition: Petition, victim: Attempt) -> None:
    withdrawing.withdraw(signature_id=sign_and_confirm(petition, victim).pk)


FATES: dict[str, Callable[[Petition, Attempt], Any]] = {
    "new": nothing,
    "pending": sign,
    "confirmed": sign_and_confirm,
    "confirmed twice": sign_twice,
    "silenced": ask_too_often,
    "objected": object_,
    "withdrawn": withdraw,
}


def test_everybody_is_answered_alike_byte_for_byte_and_by_the_same_statements(
    petition: Petition, browser: Client
) -> None:
    seen = {}
    for number, (name, happens) in enumerate(FATES.items()):
        victim = replace(AMINA, email=f"amina{number}@example.org")
        happens(petition, victim)
        browser.post(FIND, {"email": f"x{number}@example.org"})
        with CaptureQueriesContext(connection) as queries:
            answer = browser.post(FIND, {"email": victim.email})
        said = [re.sub(r"'[^']*'", "X", query["sql"]) for query in queries]
        page = browser.get(answer["Location"])
        row = FindRequest.objects.order_by().last()
        assert row
        lengths = {
            len(bytes(sealed)) for sealed in FindRequest.objects.values_list("sealed", flat=True)
        }
        seen[name] = (
            answer.status_code, sorted(answer.items()), answer.content, page.content, said, lengths
        )  # fmt: skip

    assert len(seen["new"][4]) == 1
    for name, answers in seen.items():
        assert answers == seen["new"], name


def test_what_was_typed_is_sealed_until_the_worker_has_looked(
    petition: Petition, browser: Client
) -> None:
    browser.post(FIND, {"email": AMINA.email})
    assert b"amina" not in bytes(FindRequest.objects.get().sealed).lower()
    tasks.deliver_mail()
    assert not FindRequest.objects.exists()


def test_a_request_that_does_not_open_is_dropped(petition: Petition, browser: Client) -> None:
    browser.post(FIND, {"email": AMINA.email})
    FindRequest.objects.update(sealed=b"\1\1" + b"x" * 60)
    finding.settle()
    assert not FindRequest.objects.exists()


@pytest.mark.parametrize("form", [{}, {"email": ""}, {"email": "amina"}, {"email": "a@b.c\0"}])
def test_what_is_no_address_is_refused_kindly(
    petition: Petition, browser: Client, form: dict[str, str]
) -> None:
    answer = browser.post(FIND, form)
    assert answer.status_code == 422
    assert 'id="error-summary"' in answer.content.decode()
    assert not FindRequest.objects.exists()


def test_a_form_from_another_site_is_shown_again(petition: Petition) -> None:
    foreign = Client(headers={"Sec-Fetch-Site": "cross-site"})
    answer = foreign.post(FIND, {"email": AMINA.email})
    assert answer.status_code == 403
    assert AMINA.email in answer.content.decode()
    assert not FindRequest.objects.exists()


def test_too_many_from_one_network_are_told_to_come_back(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {**settings.LIMITS, "FIND_NETWORK": parse("1/hour")}
    limits.forget()
    assert browser.post(FIND, {"email": "a@example.org"}).status_code == 303
    answer = browser.post(FIND, {"email": "b@example.org"})
    assert answer.status_code == 429
    assert answer["Retry-After"]
    assert FindRequest.objects.count() == 1


def test_too_many_for_one_mailbox_are_not_told_and_mail_nobody(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {**settings.LIMITS, "FIND_MAILBOX": parse("1/hour")}
    limits.forget()
    sign_and_confirm(petition)
    assert len(asked(browser)) == 1
    assert asked(browser) == []


# --- The mail ------------------------------------------------------------------------------


def test_whoever_signed_gets_one_mail_for_all_their_signatures(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition, AMINA)
    # Within a test all are confirmed at one moment, and any of them says the page's language.
    sign_and_confirm(petition, replace(BASHIR, language="en"))
    sign_and_confirm(another(petition), AMINA)

    (message,) = asked(browser, "Amina+tag@Example.org")

    assert message.to == [AMINA.email]
    (link,) = _LINK.findall(message.body)
    page = browser.post(link).content.decode()
    for word in (AMINA.name, BASHIR.name, "Protect people", "Another cause"):
        assert word in page


def test_whoever_did_not_sign_gets_no_mail(petition: Petition, browser: Client) -> None:
    sign_and_confirm(petition, AMINA)
    assert asked(browser, "nobody@example.org") == []
    withdrawing.withdraw(signature_id=Signature.objects.get().pk)
    assert asked(browser) == []


def test_asking_twice_before_the_first_went_out_sends_one(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition)
    browser.post(FIND, {"email": AMINA.email})
    assert len(asked(browser)) == 1


def test_a_mailbox_gets_five_a_day_then_one_an_hour(petition: Petition, browser: Client) -> None:
    sign_and_confirm(petition)
    for _ in range(5):
        assert len(asked(browser)) == 1
        # A test's transaction has but one moment.
        Mail.objects.filter(kind=Mail.Kind.FIND).update(
            created_at=timezone.now() - timedelta(minutes=5)
        )
    assert asked(browser) == []


def test_subject_and_first_words_name_nothing_in_any_language(
    petition: Petition, browser: Client
) -> None:
    telling = re.compile(
        r"petition|signature|sign|Syria|Idlib|SBC|protect|Amina|عريضة|توقيع|deiseb|llofnod",
        re.IGNORECASE,
    )
    for language in ("en", "ar", "cy"):
        person = replace(AMINA, email=f"{language}@example.org", language=language)
        sign_and_confirm(petition, person)
        (message,) = asked(browser, person.email)
        with translation.override(language):
            assert message.subject == messages.find_subject()
        assert isinstance(message, EmailMultiAlternatives)
        first = str(message.body)[:150].partition("http")[0]
        assert not telling.search(f"{message.subject} {first}"), (language, first)
        assert "track" not in str(message.message())


def test_what_a_stranger_types_reaches_only_an_address_that_was_signed_with(
    petition: Petition, browser: Client
) -> None:
    """Also where an organiser was wrong about which addresses are one mailbox."""
    provider = Provider("example.org", frozenset({"example.org", "example.net"}))
    providers.keep({**shipped.RULES, **by_domain([provider])}, seconds=3600)
    sign_and_confirm(petition, AMINA)
    sign(petition, replace(AMINA, email="amina@example.net", name="Stranger"))

    (message,) = asked(browser, "amina@example.net")

    assert message.to == [AMINA.email]


def test_a_corrected_attempt_is_not_found(petition: Petition, browser: Client) -> None:
    Correction.objects.create(attempt_id=sign(petition))
    assert asked(browser) == []


def test_a_refused_attempt_is_of_nobody(petition: Petition, browser: Client) -> None:
    signing.sign(petition=petition, attempt=AMINA, screening=Screening(is_refused=True))
    assert asked(browser) == []


@pytest.mark.parametrize("state", ["closed", "removed", "draft"])
def test_it_works_whatever_became_of_the_petition(
    petition: Petition, browser: Client, state: str
) -> None:
    sign_and_confirm(petition)
    closed = timezone.now() - timedelta(days=100)
    Petition.objects.update(state=state, closes_at=closed, opens_at=closed - timedelta(days=9))

    (message,) = asked(browser)
    page = browser.post(_LINK.findall(message.body)[0])

    assert page.status_code == 200
    assert AMINA.name in page.content.decode()


@pytest.mark.parametrize("state", ["held", "removed"])
def test_what_moderators_decided_keeps_nobody_from_their_data(
    petition: Petition, browser: Client, state: str
) -> None:
    signature = sign_and_confirm(petition)
    Signature.objects.filter(pk=signature.pk).update(state=state)
    assert len(asked(browser)) == 1


def test_that_it_was_not_me_about_a_petition_does_not_stop_the_link(
    petition: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(petition)
    inbox = inbox_of()
    objections.was_not_me(
        mailbox=tokens.Mailbox(signature.pk, 0, petition.pk, inbox.key_id, inbox.ix)
    )
    assert len(asked(browser)) == 1


def test_a_mail_that_waited_for_the_server_still_works_for_an_hour(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition)
    browser.post(FIND, {"email": AMINA.email})
    finding.settle()
    Mail.objects.filter(kind=Mail.Kind.FIND).update(created_at=timezone.now() - timedelta(hours=3))
    sent.outbox.clear()
    outbox.deliver()
    (link,) = _LINK.findall("".join(str(message.body) for message in sent.outbox))
    assert browser.post(link).status_code == 200


# --- The link ------------------------------------------------------------------------------


def test_opening_the_link_shows_a_button_and_nothing_else(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition)
    for answer in (browser.get(link_for()), browser.get(link_for(DAVID.email))):
        page = answer.content.decode()
        assert answer.status_code == 200
        assert answer["Cache-Control"] == "no-store"
        assert page.count("<button") == 1
        for word in ("Amina", AMINA.email, "Protect people", "Manchester"):
            assert word not in page
    masked = [
        browser.get(link).content.decode().replace(link.split("/")[-2], "")
        for link in (link_for(), link_for(DAVID.email))
    ]
    assert masked[0] == masked[1]


def test_the_link_works_for_an_hour_and_then_says_how_to_get_another(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition)
    link, now = link_for(), time.time()
    with patch("petitions.tokens.time.time", return_value=now + 3590):
        assert AMINA.name in browser.post(link).content.decode()
    with patch("petitions.tokens.time.time", return_value=now + 3610):
        for answer in (browser.get(link), browser.post(link), browser.post(link + "download/")):
            assert answer.status_code == 410
            assert 'href="/find/"' in answer.content.decode()
            assert AMINA.name not in answer.content.decode()


@pytest.mark.parametrize("spoil", [lambda t: t[:-2], lambda t: t[:8] + "A" + t[9:], lambda t: "x"])
def test_a_damaged_link_opens_a_helpful_page(
    petition: Petition, browser: Client, spoil: Callable[[str], str]
) -> None:
    sign_and_confirm(petition)
    token = spoil(link_for().split("/")[-2])
    for answer in (browser.get(f"/t/en/mine/{token}/"), browser.post(f"/t/en/mine/{token}/")):
        assert answer.status_code == 404
        assert 'href="/find/"' in answer.content.decode()


def test_a_link_for_something_else_opens_nothing(petition: Petition, browser: Client) -> None:
    signature = sign_and_confirm(petition)
    inbox = inbox_of()
    find = tokens.inbox_link(tokens.FIND, inbox)
    others = [
        tokens.link(tokens.CONFIRM, signature.pk, 0),
        tokens.mailbox_link(
            tokens.NOT_ME,
            tokens.Mailbox(signature.pk, 0, petition.pk, inbox.key_id, inbox.ix),
        ),
        tokens.inbox_link(tokens.MAIL_AGAIN, inbox),
    ]
    for other in others:
        assert browser.post(f"/t/en/mine/{other}/").status_code == 404
    for path in ("confirm", "not-me", "mail-again", "check"):
        assert browser.post(f"/t/en/{path}/{find}/").status_code in {404, 405}


def test_nothing_personal_reaches_the_logs(
    petition: Petition, browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sign_and_confirm(petition)
    asked(browser)
    browser.post(link_for())
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("django.db")]
    assert not any(AMINA.email in line or AMINA.name in line for line in ours)


def test_a_person_of_another_home_shows_too_for_it_is_held(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition, AMINA)
    sign(petition, CARYS)
    page = browser.post(link_for()).content.decode()
    assert CARYS.name in page
    assert "does not count" in page
