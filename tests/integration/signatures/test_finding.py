""" "Find my signature": the same response for everybody. Only the mailbox learns more."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from anymail.signals import AnymailTrackingEvent, EventType
from django.core import mail as sent
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from limits import parse

from petitions import tasks
from petitions.crypto import tokens
from petitions.crypto.tokens import Inbox
from petitions.identity.providers import Provider
from petitions.mail import bounces, messages, outbox, pace, suppression
from petitions.models import Correction, FindRequest, Mail, Petition, PetitionText, Signature
from petitions.models.mail import THROTTLED
from petitions.privacy import retention
from petitions.screening import rate_limits
from petitions.screening.screen import Evidence, Screening
from petitions.signatures import find as finding
from petitions.signatures import submit
from petitions.signatures import withdraw as withdrawing
from petitions.signers import sealing
from petitions.signers.sealing import Attempt
from tests import shipped
from tests.people import AMINA, BASHIR, CARYS, DAVID, sign, sign_and_confirm
from tests.proof import solved, task_in

FIND = "/find/"
_LINK = re.compile(r"http\S+(/t/\w+/mine/\S+/)")


def inbox_of(address: str = AMINA.email) -> Inbox:
    return sealing.inbox_of(address)


def link_for(address: str = AMINA.email) -> str:
    return f"/t/en/mine/{tokens.recipient_link(sealing.recipient_of(address))}/"


def asked(browser: Client, address: str = AMINA.email, path: str = FIND) -> list[Any]:
    """Return the mails that are sent when somebody types an address."""
    sent.outbox.clear()
    assert browser.post(path, {"email": address}).status_code == 303
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


def test_the_footer_links_to_the_find_page_which_is_publicly_cacheable(
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
    """Leave the address unknown to the site."""


def sign_twice(petition: Petition, victim: Attempt) -> None:
    sign_and_confirm(petition, victim)
    sign_and_confirm(another(petition, victim.email.partition("@")[0]), victim)


def ask_too_often(petition: Petition, victim: Attempt) -> None:
    sign_and_confirm(petition, victim)
    while not rate_limits.hit(rate_limits.Act.FIND, address=victim.email, petition=0).is_silenced:
        pass


def object_(petition: Petition, victim: Attempt) -> None:
    sign_and_confirm(petition, victim)
    suppression.suppress_all(inbox=inbox_of(victim.email))


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


def test_every_find_request_gets_the_same_response_and_makes_the_same_query(
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


def test_a_request_is_sealed_until_the_worker_reads_it(petition: Petition, browser: Client) -> None:
    browser.post(FIND, {"email": AMINA.email})
    assert b"amina" not in bytes(FindRequest.objects.get().sealed).lower()
    tasks.deliver_mail()
    assert not FindRequest.objects.exists()


def test_a_request_that_cannot_be_unsealed_is_dropped(petition: Petition, browser: Client) -> None:
    browser.post(FIND, {"email": AMINA.email})
    FindRequest.objects.update(sealed=b"\1\1" + b"x" * 60)
    finding.settle()
    assert not FindRequest.objects.exists()


@pytest.mark.parametrize("form", [{}, {"email": ""}, {"email": "amina"}, {"email": "a@b.c\0"}])
def test_an_invalid_email_address_is_a_form_error_and_stores_no_find_request(
    petition: Petition, browser: Client, form: dict[str, str]
) -> None:
    answer = browser.post(FIND, form)
    assert answer.status_code == 422
    assert 'id="error-summary"' in answer.content.decode()
    assert not FindRequest.objects.exists()


def test_a_cross_site_find_request_returns_403_and_shows_the_form_again(petition: Petition) -> None:
    foreign = Client(headers={"Sec-Fetch-Site": "cross-site"})
    answer = foreign.post(FIND, {"email": AMINA.email})
    assert answer.status_code == 403
    assert AMINA.email in answer.content.decode()
    assert not FindRequest.objects.exists()


def test_too_many_find_requests_from_one_network_return_429(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {**settings.LIMITS, "FIND_NETWORK": parse("1/hour")}
    assert browser.post(FIND, {"email": "a@example.org"}).status_code == 303
    answer = browser.post(FIND, {"email": "b@example.org"})
    assert answer.status_code == 429
    assert answer["Retry-After"]
    assert FindRequest.objects.count() == 1


def test_many_find_requests_in_total_require_a_challenge(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {"FIND_PETITION_CHALLENGE": parse("1/hour")}
    assert browser.post(FIND, {"email": AMINA.email}).status_code == 303
    asked = browser.post(FIND, {"email": AMINA.email})
    assert asked.status_code == 403
    assert FindRequest.objects.count() == 1
    proof = solved(task_in(asked.content.decode()))
    assert browser.post(FIND, {"email": AMINA.email, "altcha": proof}).status_code == 303
    assert FindRequest.objects.count() == 2


def test_a_mailbox_over_its_find_limit_gets_no_mail(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {**settings.LIMITS, "FIND_MAILBOX": parse("1/hour")}
    sign_and_confirm(petition)
    assert len(asked(browser)) == 1
    assert asked(browser) == []


# --- The mail ------------------------------------------------------------------------------


def test_one_find_mail_links_to_all_signatures_of_an_address(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition, AMINA)
    sign_and_confirm(petition, BASHIR)
    sign_and_confirm(another(petition), AMINA)

    (message,) = asked(browser, "AMINA@Example.org")

    assert message.to == ["AMINA@example.org"]
    (link,) = _LINK.findall(message.body)
    page = browser.post(link).content.decode()
    for word in (AMINA.name, BASHIR.name, "Protect people", "Another cause"):
        assert word in page


@pytest.mark.parametrize("fate", [n for n in FATES if n not in {"silenced", "objected"}])
def test_find_mails_and_outbox_rows_do_not_reveal_whether_the_address_has_signed(
    petition: Petition, browser: Client, fate: str
) -> None:
    """Neither people who see the screen nor staff may learn whether it has signed."""

    def found(address: str) -> tuple[str, list[Any]]:
        before = set(Mail.objects.values_list("pk", flat=True))
        (message,) = asked(browser, address)
        assert message.to == [address]
        rows = Mail.objects.exclude(pk__in=before)
        written = sorted(rows.values_list("kind", "state", "signature", "attempts", "code"))
        link = _LINK.search(message.body)
        assert link
        return message.body.replace(link[1], "LINK") + message.subject, [len(link[1]), *written]

    victim = replace(AMINA, email="amina7@example.org")
    FATES[fate](petition, victim)
    outbox.deliver()
    told, written = found(victim.email)
    assert (told, written) == found("nobody7@example.org")
    assert [row[0] for row in written[1:]] == ["find", "find-other"]


def test_every_find_request_creates_outbox_rows_even_if_no_mail_is_sent(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {**settings.LIMITS, "FIND_MAILBOX": parse("2/hour")}
    for _ in range(4):
        browser.post(FIND, {"email": "nobody@example.org"})
    finding.settle()
    states = sorted(Mail.objects.values_list("kind", "state", "code"))
    queued, withheld = ("find", "queued", ""), ("find", "withheld", "limit")
    decoy = ("find-other", "queued", "")
    assert states == [queued, queued, withheld, withheld, decoy, decoy]


def test_another_spelling_that_has_signed_is_mailed_a_link_of_its_own(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition, replace(AMINA, email="an.na+x@gmail.com", language="cy"))

    mailed = {message.to[0]: message for message in asked(browser, "anna@gmail.com")}

    assert set(mailed) == {"anna@gmail.com", "an.na+x@gmail.com"}
    pages = {
        address: browser.post(_LINK.findall(message.body)[0]).content.decode()
        for address, message in mailed.items()
    }
    assert AMINA.name not in pages["anna@gmail.com"]
    assert "an.na" not in pages["anna@gmail.com"]
    assert AMINA.name in pages["an.na+x@gmail.com"]
    assert mailed["anna@gmail.com"].subject != mailed["an.na+x@gmail.com"].subject


def test_another_spelling_that_never_confirmed_gets_no_mail(
    petition: Petition, browser: Client
) -> None:
    """Anybody could invent any number of spellings."""
    sign(petition, replace(AMINA, email="an.na+x@gmail.com"))
    (message,) = asked(browser, "anna@gmail.com")
    assert message.to == ["anna@gmail.com"]


def test_other_spellings_share_a_separate_limit_of_five_mails_a_day(
    petition: Petition, browser: Client
) -> None:
    for number in range(2):
        person = replace(AMINA, email=f"an.na+{number}@gmail.com", name=f"{'AB'[number]} Example")
        sign_and_confirm(petition, person)
    to: list[str] = []
    for number in range(5):
        to += [message.to[0] for message in asked(browser, f"a.nna+{number}@gmail.com")]
        # `now()` is constant in a test's transaction.
        Mail.objects.filter(kind__in=(Mail.Kind.FIND, Mail.Kind.FIND_OTHER)).update(
            created_at=timezone.now() - timedelta(minutes=5 - number)
        )
    assert sum(address.startswith("a.nna") for address in to) == 5
    # They take turns.
    others = [address for address in to if address.startswith("an.na")]
    assert sorted(map(others.count, set(others))) == [2, 3]


@pytest.mark.parametrize("has_signed", [True, False])
def test_a_bouncing_alias_does_not_reveal_whether_another_spelling_has_signed(
    petition: Petition, browser: Client, has_signed: bool
) -> None:
    """An attacker requests links for an invalid alias twice, and gets a copy of the database."""
    if has_signed:
        sign_and_confirm(petition, replace(AMINA, email="anna@yahoo.com"))
    asked(browser, "anna-made.up@yahoo.com")
    suppression.suppress_bounced(address="anna-made.up@yahoo.com")
    Mail.objects.all().delete()

    asked(browser, "anna-made.up@yahoo.com")

    rows = sorted(Mail.objects.values_list("kind", "state", "code", "attempts"))
    assert rows == [("find", "cancelled", "undeliverable", 1), ("find-other", "sent", "", 1)]


@pytest.mark.parametrize("has_signed", [True, False])
def test_a_throttled_domain_does_not_reveal_whether_another_spelling_has_signed(
    petition: Petition,
    browser: Client,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    has_signed: bool,
) -> None:
    """An attacker first requests links for many addresses at the provider's other domain."""
    settings.MAILS_PER_DOMAIN_AND_MINUTE = 10
    monkeypatch.setattr(outbox, "_throttle", pace.Throttle())
    if has_signed:
        sign_and_confirm(petition, replace(AMINA, email="anna@gmail.com"))
    asked(browser, "nobody@googlemail.com")
    before = list(Mail.objects.values_list("pk", flat=True))

    asked(browser, "anna@googlemail.com")

    rows = sorted(Mail.objects.exclude(pk__in=before).values_list("kind", "state", "code"))
    assert rows == [("find", "sent", ""), ("find-other", "queued", THROTTLED)]


def test_the_find_mail_is_in_the_language_of_the_page(petition: Petition, browser: Client) -> None:
    sign_and_confirm(petition, BASHIR)
    (message,) = asked(browser, path="/cy/find/")
    assert "/t/cy/mine/" in message.body


def test_a_spam_complaint_about_a_find_mail_objects_to_all_mail(
    petition: Petition, browser: Client
) -> None:
    asked(browser, "stranger@example.org")
    row = Mail.objects.get(kind=Mail.Kind.FIND)
    event = AnymailTrackingEvent(
        event_type=EventType.COMPLAINED, metadata={"mail": str(row.pk)}, esp_event={}
    )
    assert bounces.handle(event)
    assert asked(browser, "stranger@example.org") == []


def test_sent_and_failed_find_mails_are_deleted_after_a_week(
    petition: Petition,
) -> None:
    for state in ("sent", "failed", "queued"):
        finding.request_links(address=f"{state}@example.org", language="en", evidence=Evidence())
        finding.settle()
        Mail.objects.filter(state=Mail.State.QUEUED).update(state=state)
    confirmation = sign(petition)
    left = Mail.objects.filter(signature=None)
    # Each has a decoy row.
    for days, expected in ((6, 6), (8, 2)):
        Mail.objects.update(due_at=timezone.now() - timedelta(days=days))
        retention.apply()
        assert left.count() == expected
    assert set(left.values_list("state", flat=True)) == {Mail.State.QUEUED}
    assert Mail.objects.filter(signature=confirmation).exists()


def test_a_mailbox_gets_at_most_five_find_mails_a_day(petition: Petition, browser: Client) -> None:
    sign_and_confirm(petition)
    for _ in range(5):
        assert len(asked(browser)) == 1
        # `now()` is constant in a test's transaction.
        Mail.objects.filter(kind=Mail.Kind.FIND).update(
            created_at=timezone.now() - timedelta(minutes=5)
        )
    assert asked(browser) == []


def test_the_subject_and_preview_of_the_find_mail_mention_no_petition(
    petition: Petition, browser: Client
) -> None:
    telling = re.compile(
        r"petition|signature|sign|Syria|Idlib|SBC|protect|Amina|عريضة|توقيع|deiseb|llofnod",
        re.IGNORECASE,
    )
    for language in ("en", "ar", "cy"):
        person = replace(AMINA, email=f"{language}@example.org", language=language)
        sign_and_confirm(petition, person)
        prefix = "" if language == "en" else f"/{language}"
        (message,) = asked(browser, person.email, f"{prefix}/find/")
        with translation.override(language):
            assert message.subject == messages.find_subject()
        assert isinstance(message, EmailMultiAlternatives)
        first = str(message.body)[:150].partition("http")[0]
        assert not telling.search(f"{message.subject} {first}"), (language, first)
        assert "track" not in str(message.message())


def test_wrong_alias_rules_do_not_show_another_persons_signature(
    petition: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stranger gets a link to their own signatures, and the requester sees only theirs."""
    shipped.release_with(monkeypatch, Provider(("example.org", "example.net")))
    sign_and_confirm(petition, AMINA)
    sign(petition, replace(AMINA, email="amina@example.net", name="Stranger"))

    pages = {
        message.to[0]: browser.post(_LINK.findall(message.body)[0]).content.decode()
        for message in asked(browser, "amina@example.net")
    }

    assert set(pages) == {AMINA.email, "amina@example.net"}
    assert "Stranger" in pages["amina@example.net"]
    assert AMINA.name not in pages["amina@example.net"]
    assert AMINA.email not in pages["amina@example.net"]


def test_a_corrected_attempt_is_not_found(petition: Petition, browser: Client) -> None:
    Correction.objects.create(attempt_id=sign(petition))
    assert "We hold no signature" in browser.post(link_for()).content.decode()


def test_a_refused_attempt_is_not_found(petition: Petition, browser: Client) -> None:
    submit.store(petition=petition, attempt=AMINA, screening=Screening(is_refused=True))
    assert "We hold no signature" in browser.post(link_for()).content.decode()


@pytest.mark.parametrize("state", ["closed", "removed", "draft"])
def test_finding_works_in_every_state_of_the_petition(
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
def test_a_find_mail_is_sent_for_held_and_removed_signatures(
    petition: Petition, browser: Client, state: str
) -> None:
    signature = sign_and_confirm(petition)
    Signature.objects.filter(pk=signature.pk).update(state=state)
    assert len(asked(browser)) == 1
    assert AMINA.name in browser.post(link_for()).content.decode()


def test_not_me_does_not_suppress_find_mails(petition: Petition, browser: Client) -> None:
    signature = sign_and_confirm(petition)
    inbox = inbox_of()
    suppression.suppress_petition(
        mailbox=tokens.Mailbox(signature.pk, 0, petition.pk, inbox.key_id, inbox.ix)
    )
    assert len(asked(browser)) == 1


def test_the_link_in_a_delayed_find_mail_still_works(petition: Petition, browser: Client) -> None:
    sign_and_confirm(petition)
    browser.post(FIND, {"email": AMINA.email})
    finding.settle()
    Mail.objects.filter(kind=Mail.Kind.FIND).update(created_at=timezone.now() - timedelta(hours=3))
    sent.outbox.clear()
    outbox.deliver()
    (link,) = _LINK.findall("".join(str(message.body) for message in sent.outbox))
    assert browser.post(link).status_code == 200


# --- The link ------------------------------------------------------------------------------


def test_a_get_request_to_the_find_link_shows_only_a_button(
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


def test_the_find_link_returns_410_after_one_hour_and_links_to_the_form(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition)
    link, now = link_for(), time.time()
    with patch("petitions.crypto.tokens.time.time", return_value=now + 3590):
        assert AMINA.name in browser.post(link).content.decode()
    with patch("petitions.crypto.tokens.time.time", return_value=now + 3610):
        for answer in (browser.get(link), browser.post(link), browser.post(link + "download/")):
            assert answer.status_code == 410
            assert 'href="/find/"' in answer.content.decode()
            assert AMINA.name not in answer.content.decode()


@pytest.mark.parametrize(
    "spoil",
    [lambda t: t[:-2], lambda t: t[:8] + ("B" if t[8] == "A" else "A") + t[9:], lambda t: "x"],
)
def test_a_damaged_find_link_returns_404_and_links_to_the_form(
    petition: Petition, browser: Client, spoil: Callable[[str], str]
) -> None:
    sign_and_confirm(petition)
    token = spoil(link_for().split("/")[-2])
    for answer in (browser.get(f"/t/en/mine/{token}/"), browser.post(f"/t/en/mine/{token}/")):
        assert answer.status_code == 404
        assert 'href="/find/"' in answer.content.decode()


def test_find_links_and_other_links_are_not_interchangeable(
    petition: Petition, browser: Client
) -> None:
    signature = sign_and_confirm(petition)
    inbox = inbox_of()
    find = tokens.recipient_link(sealing.recipient_of(AMINA.email))
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


def test_finding_logs_no_names_and_no_addresses(
    petition: Petition, browser: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sign_and_confirm(petition)
    asked(browser)
    browser.post(link_for())
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith("django.db")]
    assert not any(AMINA.email in line or AMINA.name in line for line in ours)


def test_a_pending_form_of_another_home_is_shown_as_not_counted(
    petition: Petition, browser: Client
) -> None:
    sign_and_confirm(petition, AMINA)
    sign(petition, CARYS)
    page = browser.post(link_for()).content.decode()
    assert CARYS.name in page
    assert "does not count" in page
