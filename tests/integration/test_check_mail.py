""" "Check your e-mail": asking again, the code, the correction, and that none of them tells."""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.core import mail as sent
from django.db import connection, connections
from django.test import Client
from django.utils import timezone
from limits import parse

from petitions import attempts, retention, signers, signing, tallies, tasks, tokens, withdrawing
from petitions.attempts import MAILS_PER_PAGE, Page
from petitions.confirming import Outcome
from petitions.mail import outbox
from petitions.models import Correction, Mail, Petition, Resend, Rule, Signature, Signer
from petitions.screening import limits, once
from petitions.screening.verdicts import Screening
from tests.people import AMINA, BASHIR, DAVID, confirm, sign, sign_and_confirm, typed

PAGE = "/petitions/protect/"
THANKS = "Thank you. Your signature is confirmed."
NO_MORE = "No more messages can be asked for today"
WRONG = "This is not the code"
CORRECTION = {
    "name": "Amina Example", "email": "amina@example.net", "residence": "uk",
    "postcode": "M14 5RX", "country": "",
}  # fmt: skip
ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@pytest.fixture(autouse=True)
def _nothing_used() -> Iterator[None]:
    once.forget()
    yield
    once.forget()


def signed(browser: Client, **changes: str) -> str:
    """The address of the page that somebody comes to who has just signed."""
    return str(browser.post(PAGE, typed(**changes))["Location"])


def page_at(address: str) -> Page:
    return Page.open(address.rstrip("/").split("/")[4])


def correct_path(check: str) -> str:
    return check.replace("/check/", "/correct/")


def corrected(browser: Client, check: str, **changes: str) -> str:
    response = browser.post(correct_path(check), {**CORRECTION, **changes})
    assert response.status_code == 303, response.content.decode()
    return str(response["Location"])


def mailed() -> list[Any]:
    """The mails that went out since the last time."""
    sent.outbox.clear()
    tasks.deliver_mail()
    return list(sent.outbox)


def code_in(message: Any) -> str:
    (code,) = re.findall(r"^(\d{4}-\d{4})$", message.body, re.MULTILINE)
    return str(code)


def link_in(message: Any) -> str:
    return str(re.findall(r"https?://[^/]+(/t/\w+/confirm/\S+)", message.body)[0])


def other_than(code: str) -> str:
    return str((int(code.replace("-", "")) + 1) % 10**8).zfill(8)


def codes_of(page: Page) -> str:
    return tokens.code(page.attempt_id, 0)


# --- Asking again ------------------------------------------------------------------------


def test_asking_again_sends_another_mail_with_the_same_link_and_code(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (first,) = mailed()

    again = browser.post(check + "again/")
    (second,) = mailed()

    assert again.status_code == 303
    assert "We are sending another message" in browser.get(again["Location"]).content.decode()
    assert (link_in(first), code_in(first)) == (link_in(second), code_in(second))
    assert first.extra_headers["Message-ID"] != second.extra_headers["Message-ID"]


def test_opening_the_addresses_of_the_buttons_changes_nothing(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    for path in (check + "again/", check + "code/", check + "meant/", correct_path(check)):
        assert browser.get(path).status_code == 303
    attempts.settle()
    assert Mail.objects.count() == 1
    assert Signature.objects.get().code_tries == 0


def test_after_five_requests_for_mail_a_page_says_no_more_today(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    for _ in range(MAILS_PER_PAGE - 1):
        assert NO_MORE not in browser.get(check).content.decode()
        check = browser.post(check + "again/")["Location"]

    assert NO_MORE in browser.get(check).content.decode()
    assert browser.post(check + "again/").status_code == 303
    assert browser.post(correct_path(check), CORRECTION).status_code == 303
    attempts.settle()
    assert Mail.objects.count() == MAILS_PER_PAGE


def test_going_back_to_an_earlier_page_gives_no_more_mails(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    for _ in range(2 * MAILS_PER_PAGE):
        browser.post(check + "again/")
        attempts.settle()
    assert Mail.objects.count() == MAILS_PER_PAGE


@pytest.mark.django_db(transaction=True)
def test_asking_many_times_at_once_gives_no_more_mails_either(petition: Petition) -> None:
    page = Page(sign(petition), petition.slug, AMINA)
    together([lambda: attempts.ask_again(page=page)] * 12)
    together([attempts.settle] * 3)
    assert not Resend.objects.exists()
    assert Mail.objects.count() == MAILS_PER_PAGE


def test_everybody_reads_the_same_whatever_became_of_the_attempt(
    petition: Petition, browser: Client
) -> None:
    """The pages of a pending, a confirmed, a refused and an erased attempt, token aside."""
    seen: list[list[Any]] = []
    for number, happens in enumerate(FATES):
        check = signed(browser, email=f"amina{number}@example.org")
        happens(page_at(check).attempt_id)
        answers: list[Any] = []
        for _ in range(MAILS_PER_PAGE):
            again = browser.post(check + "again/")
            answers.append(
                (
                    again.status_code,
                    sorted(again.headers.items() - {("Location", again["Location"])}),
                    len(again["Location"]),
                )
            )
            check = again["Location"]
            page = browser.get(check)
            answers.append((page.status_code, without_tokens(page.content.decode())))
            wrong = browser.post(check + "code/", {"code": "00000000"})
            answers.append((wrong.status_code, without_tokens(wrong.content.decode())))
        seen.append(answers)
    for answers in seen:
        assert answers == seen[0]


def pending(attempt_id: UUID) -> None:
    """Nothing happens."""


def confirmed(attempt_id: UUID) -> None:
    confirm(attempt_id)


def refused(attempt_id: UUID) -> None:
    Signature.objects.filter(pk=attempt_id).update(state=Signature.State.REFUSED)
    Mail.objects.filter(signature=attempt_id).update(state=Mail.State.WITHHELD)


def erased(attempt_id: UUID) -> None:
    withdrawing.withdraw(signature_id=attempt_id)


FATES: tuple[Callable[[UUID], None], ...] = (pending, confirmed, refused, erased)


def without_tokens(html: str) -> str:
    return re.sub(r"/(check|confirm|correct)/[\w.-]+/", r"/\1/TOKEN/", html)


@pytest.mark.parametrize("happens", FATES[1:])
def test_only_a_pending_attempt_is_mailed_again(
    petition: Petition, browser: Client, happens: Callable[[UUID], None]
) -> None:
    check = signed(browser)
    mailed()
    happens(page_at(check).attempt_id)

    browser.post(check + "again/")

    assert mailed() == []


def test_a_mailbox_that_has_had_enough_is_answered_alike_and_mailed_no_more(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {**settings.LIMITS, "RESEND_MAILBOX": limit(1)}
    limits.forget()
    check = signed(browser)
    mailed()
    first, second = browser.post(check + "again/"), browser.post(check + "again/")

    assert (first.status_code, len(first["Location"])) == (
        second.status_code,
        len(second["Location"]),
    )
    assert len(mailed()) == 1


def test_a_network_that_asks_too_often_is_told_to_wait(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {**settings.LIMITS, "RESEND_NETWORK": limit(1)}
    limits.forget()
    check = signed(browser)
    browser.post(check + "again/")

    response = browser.post(check + "again/")

    assert response.status_code == 429
    assert response["Retry-After"] == str(limits.RETRY_AFTER)
    assert "Try again in five minutes" in response.content.decode()
    attempts.settle()
    assert Mail.objects.count() == 2


def limit(number: int) -> Any:
    from limits import parse

    return parse(f"{number}/hour")


# --- The code ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        lambda code: code,
        lambda code: code.replace("-", ""),
        lambda code: f" {code.replace('-', ' ')}\n",
        lambda code: code.translate(ARABIC_INDIC),
        lambda code: f"\u200f{code.replace('-', '').translate(ARABIC_INDIC)}\u200e",
        lambda code: code.replace("-", " – "),
    ],
    ids=["as mailed", "in one go", "with spaces", "Arabic-Indic", "pasted from Arabic", "dashes"],
)
def test_the_code_of_the_mail_confirms_as_its_link_does(
    petition: Petition, browser: Client, written: Callable[[str], str]
) -> None:
    check = signed(browser)
    (message,) = mailed()

    answer = browser.post(check + "code/", {"code": written(code_in(message))})

    assert answer.status_code == 200
    assert THANKS in answer.content.decode()
    assert Signature.objects.get().spoken_reference in answer.content.decode()
    assert tallies.total(petition.pk) == 1


def test_code_and_link_of_one_mail_count_once(petition: Petition, browser: Client) -> None:
    check = signed(browser)
    (message,) = mailed()
    answers = [
        browser.post(check + "code/", {"code": code_in(message)}),
        browser.post(link_in(message)),
        browser.post(check + "code/", {"code": code_in(message)}),
    ]
    assert all(THANKS in answer.content.decode() for answer in answers)
    assert tallies.total(petition.pk) == 1


def test_whoever_opens_the_address_of_the_thanks_is_invited_to_sign(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (message,) = mailed()
    browser.post(check + "code/", {"code": code_in(message)})

    opened = browser.get(check + "code/")

    assert (opened.status_code, opened["Location"]) == (303, PAGE)


def test_a_wrong_code_says_so_and_the_right_one_still_counts(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    code = code_in(mailed()[0])

    answer = browser.post(check + "code/", {"code": other_than(code)})

    assert answer.status_code == 422
    assert WRONG in answer.content.decode()
    assert tallies.total(petition.pk) == 0
    assert THANKS in browser.post(check + "code/", {"code": code}).content.decode()


def test_after_five_wrong_codes_the_right_one_is_refused_too_but_not_the_link(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (message,) = mailed()
    for _ in range(attempts.CODE_TRIES):
        browser.post(check + "code/", {"code": other_than(code_in(message))})

    assert WRONG in browser.post(check + "code/", {"code": code_in(message)}).content.decode()
    assert tallies.total(petition.pk) == 0
    assert THANKS in browser.post(link_in(message)).content.decode()


@pytest.mark.parametrize(
    "nonsense", ["", "1234567", "123456789", "1234567x", "١٢٣٤", "x" * 50, "12\x0034", "²²²²²²²²"]
)
def test_what_cannot_be_a_code_costs_no_try(
    petition: Petition, browser: Client, nonsense: str
) -> None:
    answer = browser.post(signed(browser) + "code/", {"code": nonsense})

    assert answer.status_code == 422
    assert "Enter the 8 digits" in answer.content.decode()
    assert Signature.objects.get().code_tries == 0


def test_a_right_code_is_refused_where_no_mail_went_out(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    page = page_at(check)
    for state in set(Mail.State.values) - {Mail.State.SENT}:
        Mail.objects.update(state=state)
        Signature.objects.update(code_tries=0)
        answer = browser.post(check + "code/", {"code": codes_of(page)})
        assert WRONG in answer.content.decode(), state
    assert tallies.total(petition.pk) == 0

    Mail.objects.update(state=Mail.State.SENT)
    assert THANKS in browser.post(check + "code/", {"code": codes_of(page)}).content.decode()


def test_a_refused_attempt_has_no_code(petition: Petition, browser: Client) -> None:
    attempt_id = signing.sign(
        petition=petition, attempt=AMINA, screening=Screening(is_refused=True)
    )
    page = Page(attempt_id, petition.slug, AMINA)
    outbox.deliver()

    answer = browser.post(f"/t/en/check/{page.seal()}/code/", {"code": codes_of(page)})

    assert WRONG in answer.content.decode()
    assert tallies.total(petition.pk) == 0


def test_the_code_of_one_attempt_is_none_for_another_of_the_same_person(
    petition: Petition, browser: Client
) -> None:
    mine, other = signed(browser), signed(browser)
    mailed()

    answer = browser.post(mine + "code/", {"code": codes_of(page_at(other))})

    assert WRONG in answer.content.decode()


def together(actions: list[Callable[[], object]]) -> list[object]:
    """Run actions at the same moment, each on a connection of its own."""
    barrier, results = threading.Barrier(len(actions)), []

    def run(action: Callable[[], object]) -> None:
        connection.ensure_connection()
        barrier.wait(timeout=30)
        try:
            results.append(action())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(results) == len(actions)
    return results


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [False, True])
def test_of_fifty_codes_guessed_at_once_at_most_five_are_looked_at(
    petition: Petition, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where tries are read first and counted afterwards, all fifty are looked at."""
    page = Page(sign(petition), petition.slug, AMINA)
    Mail.objects.update(state=Mail.State.SENT)
    looked_at: list[str] = []
    is_code = tokens.is_code

    def look(typed: str, *which: Any) -> bool:
        looked_at.append(typed)
        return is_code(typed, *which)

    all_have_read = threading.Barrier(50)

    def read_then_count(signature_id: UUID) -> tuple[int, bool] | None:
        signature = Signature.objects.get(pk=signature_id)
        all_have_read.wait(timeout=30)
        if signature.code_tries >= attempts.CODE_TRIES:
            return None
        Signature.objects.filter(pk=signature_id).update(code_tries=signature.code_tries + 1)
        return signature.link_epoch, True

    monkeypatch.setattr(tokens, "is_code", look)
    if not guarded:
        monkeypatch.setattr(attempts, "_count_try", read_then_count)
    guesses = [str(number).zfill(8) for number in range(50)]

    links = together([partial(attempts.link_by_code, page=page, code=guess) for guess in guesses])

    assert links == [None] * 50
    assert len(looked_at) == (attempts.CODE_TRIES if guarded else 50)
    if guarded:
        assert attempts.link_by_code(page=page, code=codes_of(page)) is None


# --- Correcting --------------------------------------------------------------------------


def test_a_correction_is_mailed_to_the_new_address_and_the_old_link_dies(
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
    person = signers.unsealed(Signer.objects.get())
    assert (person["name"], person["email"], person["postcode"]) == (
        "Amina B. Example",
        "amina@example.net",
        "CF101AA",
    )


def test_a_correction_keeps_every_other_choice(petition: Petition, browser: Client) -> None:
    check = signed(browser, name_use="withheld", updates="on")

    page = page_at(corrected(browser, check))

    signature = Signature.objects.get(pk=page.attempt_id)
    assert signature.name_use == Signature.NameUse.WITHHELD
    assert signature.wants_updates
    assert signature.text_version == 1


def test_what_was_corrected_leaves_nothing_personal_and_its_queued_mail_is_cancelled(
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


def test_what_was_corrected_is_not_mailed_by_a_worker_that_is_busy_sending(
    petition: Petition, browser: Client
) -> None:
    """It took back what there was when it began, and finds the mail and the correction later."""
    corrected(browser, signed(browser, email="amina@exampel.org"))
    sent.outbox.clear()
    outbox.deliver()
    assert [message.to for message in sent.outbox] == [["amina@example.net"]]


def test_the_old_code_is_dead_too(petition: Petition, browser: Client) -> None:
    check = signed(browser)
    code = code_in(mailed()[0])
    new_check = corrected(browser, check)

    for path in (check, new_check):
        answer = browser.post(path + "code/", {"code": code})
        assert THANKS not in answer.content.decode()
    assert tallies.total(petition.pk) == 0


def test_correcting_to_an_address_that_was_never_mailed_gives_no_code_to_guess(
    petition: Petition, browser: Client
) -> None:
    """The mail to one's own address must not open the code of somebody else's."""
    check = signed(browser)
    mailed()
    page = page_at(corrected(browser, check, email="victim@example.net"))

    assert attempts.link_by_code(page=page, code=codes_of(page)) is None


FATES_OF_A_VICTIM = ["new", "pending", "confirmed", "blocked", "confirmed meanwhile", "erased"]


def test_the_inbox_looks_the_same_whatever_the_corrected_address_had_done(
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
            withdrawing.withdraw(signature_id=before)
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
            # The link tells by itself whether it is an older attempt's.
            link.epoch,
            link.signature_id == before,
            opened.status_code,
            without_tokens(opened.content.decode()),
        ))  # fmt: skip
    assert len(seen) == 1


def prepare(petition: Petition, victim: Any, fate: str) -> None:
    """Let something have happened to somebody's address before."""
    if fate == "pending":
        sign(petition, victim)
    if fate == "confirmed":
        sign_and_confirm(petition, victim)
    if fate == "blocked":
        domain = victim.email.rpartition("@")[2]
        Rule.objects.create(kind="domain", action="block", pattern=domain, note="x")
        from petitions.screening import rules

        rules.forget()


def test_asking_again_on_the_page_of_before_a_correction_mails_nobody(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    corrected(browser, check)
    mailed()

    browser.post(check + "again/")

    assert mailed() == []


def test_a_correction_of_what_was_confirmed_is_a_new_signing_and_takes_nothing_back(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (message,) = mailed()
    browser.post(link_in(message))

    new = page_at(corrected(browser, check)).attempt_id

    assert new != page_at(check).attempt_id
    assert Signature.objects.get(pk=new).state == Signature.State.PENDING
    assert tallies.total(petition.pk) == 1


def test_a_page_corrects_once_and_leads_to_the_form_afterwards(
    petition: Petition, browser: Client
) -> None:
    """Otherwise one challenge, solved once, would do for any number of signings."""
    check = signed(browser)
    corrected(browser, check)
    number = Signature.objects.count()

    again = browser.post(correct_path(check), CORRECTION)

    assert (again.status_code, again["Location"]) == (303, PAGE)
    assert Signature.objects.count() == number


def test_corrections_count_against_the_network_like_signings(
    petition: Petition, browser: Client, settings: Any
) -> None:
    settings.LIMITS = {"SIGN_NETWORK": parse("2/hour")}
    limits.forget()
    check = corrected(browser, signed(browser))
    assert browser.post(correct_path(check), CORRECTION).status_code == 429
    assert browser.post(PAGE, typed()).status_code == 429


def test_a_correction_does_not_wash_off_what_was_suspicious(petition: Petition) -> None:
    suspected = Screening(
        verdict=Signature.Verdict.HOLD, signals=("pace", "disposable"), network="192.0.2.0/24"
    )
    attempt_id = signing.sign(petition=petition, attempt=AMINA, screening=suspected)

    page = attempts.correct(
        page=Page(attempt_id, petition.slug, AMINA), petition=petition, attempt=DAVID
    )

    signature = Signature.objects.get(pk=page.attempt_id)
    # The other address is judged by itself; how the form was filled in is not mended.
    assert (signature.verdict, signature.signals) == (Signature.Verdict.HOLD, ["pace"])


def test_a_correction_to_a_blocked_address_is_of_nobody_and_looks_alike(
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


def test_a_petition_that_has_closed_takes_no_correction_and_the_old_link_lives(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (message,) = mailed()
    petition.closes_at = timezone.now()
    petition.save()

    response = browser.post(correct_path(check), CORRECTION)

    assert (response.status_code, response["Location"]) == (303, PAGE)
    assert THANKS in browser.post(link_in(message)).content.decode()


def test_a_close_in_the_last_moment_takes_nothing_back(petition: Petition) -> None:
    attempt_id = sign(petition)
    petition.closes_at = timezone.now() - timedelta(seconds=1)
    with pytest.raises(signing.NotAccepting):
        attempts.correct(
            page=Page(attempt_id, petition.slug, AMINA), petition=petition, attempt=DAVID
        )
    assert Signature.objects.get().state == Signature.State.PENDING


def test_what_was_corrected_is_deleted_with_what_nobody_confirmed(petition: Petition) -> None:
    attempt_id = sign(petition)
    attempts.correct(page=Page(attempt_id, petition.slug, AMINA), petition=petition, attempt=DAVID)
    attempts.take_back_corrected()
    Signature.objects.filter(pk=attempt_id).update(created_at=timezone.now() - timedelta(days=15))

    assert retention.delete_expired_pending() == 1
    assert not Signature.objects.filter(pk=attempt_id).exists()


@pytest.mark.django_db(transaction=True)
def test_correcting_and_confirming_at_once_never_counts_what_was_corrected(
    petition: Petition,
) -> None:
    for number in range(5):
        attempt_id = sign(petition, replace(AMINA, email=f"amina{number}@example.org"))
        page = Page(attempt_id, petition.slug, AMINA)
        outcomes = together(
            [
                lambda: confirm(attempt_id),  # noqa: B023 - run before the next round
                lambda: attempts.correct(page=page, petition=petition, attempt=DAVID),  # noqa: B023
            ]
        )
        confirmed = Outcome.CONFIRMED in outcomes
        assert confirmed or Outcome.GONE in outcomes
        attempts.take_back_corrected()
        state = Signature.objects.get(pk=attempt_id).state
        assert state == (Signature.State.CONFIRMED if confirmed else Signature.State.WITHDRAWN)
        assert Signer.objects.filter(pk=attempt_id).exists() is confirmed
    assert not tallies.differences(petition.pk)


# --- What the pages show -----------------------------------------------------------------


def test_the_address_of_the_correction_shows_nothing_until_a_button_is_pressed(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)

    opened = browser.get(correct_path(check), follow=True).content.decode()
    pressed = browser.post(correct_path(check)).content.decode()

    for word in ("Amina", "amina@", "M14 5RX", "M145RX"):
        assert word not in opened
    for word in ('value="Amina Example"', 'value="amina@example.org"', 'value="M14 5RX"'):
        assert word in pressed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "Enter your name."),
        ({"email": "amina"}, "This is not an e-mail address."),
        ({"postcode": "11118"}, "This is not a UK postcode."),
        ({"residence": "abroad"}, "Choose the country where you live."),
        ({"admin": "1"}, "parts that do not belong"),
    ],
)
def test_a_correction_is_checked_like_a_signing_and_keeps_what_was_typed(
    petition: Petition, browser: Client, changes: dict[str, str], words: str
) -> None:
    check = signed(browser)
    response = browser.post(correct_path(check), {**CORRECTION, "name": "Åsa", **changes})

    page = response.content.decode()
    assert response.status_code == 422
    assert words in page
    assert 'id="error-summary" role="alert" tabindex="-1" autofocus' in page
    assert ("Åsa" in page) is ("name" not in changes)
    assert Signature.objects.count() == 1


def test_somebody_abroad_and_somebody_without_postcode_find_what_they_chose(
    petition: Petition, browser: Client
) -> None:
    abroad = signed(browser, residence="abroad", country="TR", postcode="")
    page = browser.post(correct_path(abroad)).content.decode()
    assert '<option value="TR" selected>' in page
    unsaid = signed(browser, postcode="", postcode_unsaid="on")
    page = browser.post(correct_path(unsaid)).content.decode()
    assert re.search(r'<input[^>]*name="postcode_unsaid"[^>]*checked', page)


def test_a_slip_in_the_domain_is_asked_about_and_one_press_mends_it(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser, email="amina@gmial.com")
    mailed()
    assert "a•••@gmail.com" in browser.get(check).content.decode()

    answer = browser.post(check + "meant/")

    assert "a•••@gmail.com" in browser.get(answer["Location"]).content.decode()
    assert [message.to for message in mailed()] == [["amina@gmail.com"]]


def test_a_slip_blocks_nothing_and_a_good_address_is_asked_nothing(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser, email="amina@gmial.com")
    assert [message.to for message in mailed()] == [["amina@gmial.com"]]
    assert "Did you mean" in browser.get(check).content.decode()
    good = signed(browser)
    assert "Did you mean" not in browser.get(good).content.decode()
    assert browser.post(good + "meant/").status_code == 303
    assert Signature.objects.count() == 2


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("amina@gmail.com", "Promotions"), ("amina@hotmail.co.uk", "“Junk” and “Other”"),
        ("amina@yahoo.com", "under “Spam”"), ("amina@icloud.com", "under “Junk”"),
        ("amina@example.org", "spam or junk"),
    ],
)  # fmt: skip
def test_each_provider_has_its_own_words_for_where_to_look(
    petition: Petition, browser: Client, address: str, words: str
) -> None:
    assert words in browser.get(signed(browser, email=address)).content.decode()


def test_the_page_needs_no_database(petition: Petition, browser: Client) -> None:
    check = signed(browser)
    browser.get(check)
    with connection.execute_wrapper(forbidden):
        assert browser.get(check).status_code == 200


def forbidden(*_arguments: Any) -> Any:
    raise AssertionError("asked the database")


@pytest.mark.parametrize("path", ["again/", "code/", "meant/", ""])
def test_a_damaged_or_old_page_is_explained(
    petition: Petition, browser: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = signed(browser)
    damaged = check[:-3] + "/" + path
    assert browser.get(damaged).status_code == 404
    later = timezone.now().timestamp() + tokens.ATTEMPT_SECONDS + 1
    monkeypatch.setattr("petitions.tokens.time.time", lambda: later)
    assert browser.get(check + path).status_code == 410


def test_a_page_of_an_earlier_version_of_the_site_has_expired(
    petition: Petition, browser: Client
) -> None:
    old = tokens.seal_attempt(AMINA_ID, {"petition": "protect", "email": "amina@example.org"})
    assert browser.get(f"/t/en/check/{old}/").status_code == 410


AMINA_ID = UUID("5b8dbb1c-7f7c-4c6b-9df1-3f3c2b8de001")


def test_the_longest_that_can_be_typed_makes_a_page_of_the_usual_length() -> None:
    usual = Page(AMINA_ID, "p", AMINA)
    labels = ["𐌰" * 40, "𐌱" * 40, "𐌲" * 40, "org"]
    longest = Page(
        AMINA_ID,
        "p" * 80,
        replace(BASHIR, name="𐌰" * 200, email="a" * 64 + "@" + ".".join(labels), country="JO"),
    )
    assert len(longest.seal()) == len(usual.seal())
    assert Page.open(longest.seal()) == longest
    # gunicorn refuses a first line of a request that is longer than 4094 bytes.
    assert len(f"POST /t/ar/check/{usual.seal()}/again/ HTTP/1.1") < 4000
