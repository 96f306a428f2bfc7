""" "Check your email": the one-time code of the mail, and the limit of guesses."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from petitions.counting import tallies
from petitions.crypto import tokens
from petitions.infra.client_network import NOWHERE
from petitions.mail import outbox
from petitions.models import Correction, Mail, Petition, Signature
from petitions.publishing import changes, warm_cache
from petitions.screening.screen import Screening
from petitions.signatures import check_email, submit, withdraw
from petitions.signatures.check_email import Page
from tests.at_once import at_once
from tests.checking import PAGE, code_in, codes_of, link_in, mailed, other_than, page_at, signed
from tests.people import AMINA, sign

THANKS = "Thank you. Your signature is confirmed."
WRONG = "That code is wrong, or has been tried too many times"
ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


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
def test_the_mailed_code_confirms_the_signature_however_it_is_typed(
    petition: Petition, browser: Client, written: Callable[[str], str]
) -> None:
    check = signed(browser)
    (message,) = mailed()

    answer = browser.post(check + "code/", {"code": written(code_in(message))})

    assert answer.status_code == 200
    assert THANKS in answer.content.decode()
    assert Signature.objects.get().spoken_reference in answer.content.decode()
    assert tallies.total(petition.pk) == 1


def test_using_both_the_code_and_the_link_of_a_mail_counts_once(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (message,) = mailed()
    answers = [
        browser.post(check + "code/", {"code": code_in(message)}),
        browser.post(link_in(message)),
        browser.post(check + "code/", {"code": code_in(message)}),
    ]
    assert all(THANKS in answer.content.decode() for answer in answers)
    assert tallies.total(petition.pk) == 1


def test_the_code_and_the_resend_button_work_after_the_petition_slug_changes(
    petition: Petition, browser: Client, organiser: User
) -> None:
    check = signed(browser)
    (message,) = mailed()
    petition.slug = "protect-people"
    changes.save_petition(petition=petition, changed=["slug"], actor=organiser)
    warm_cache.invalidate()

    assert browser.post(check + "again/").status_code == 303
    assert THANKS in browser.post(check + "code/", {"code": code_in(message)}).content.decode()


def test_a_used_code_no_longer_shows_the_thank_you_page_after_ten_minutes(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    code = {"code": code_in(mailed()[0])}
    assert THANKS in browser.post(check + "code/", code).content.decode()
    Signature.objects.update(confirmed_at=timezone.now() - timedelta(minutes=11))

    page = browser.post(check + "code/", code).content.decode()

    assert "This link has been used" in page
    assert Signature.objects.get().spoken_reference not in page


def test_a_get_request_to_the_code_url_redirects_to_the_petition(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (message,) = mailed()
    browser.post(check + "code/", {"code": code_in(message)})

    opened = browser.get(check + "code/")

    assert (opened.status_code, opened["Location"]) == (303, PAGE)


def test_a_wrong_code_shows_an_error_and_the_right_code_still_confirms(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    code = code_in(mailed()[0])

    answer = browser.post(check + "code/", {"code": other_than(code)})

    assert answer.status_code == 422
    assert WRONG in answer.content.decode()
    assert tallies.total(petition.pk) == 0
    assert THANKS in browser.post(check + "code/", {"code": code}).content.decode()


def test_after_five_wrong_codes_the_code_is_refused_but_the_link_still_works(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    (message,) = mailed()
    for _ in range(check_email.CODE_TRIES):
        browser.post(check + "code/", {"code": other_than(code_in(message))})

    assert WRONG in browser.post(check + "code/", {"code": code_in(message)}).content.decode()
    assert tallies.total(petition.pk) == 0
    assert THANKS in browser.post(link_in(message)).content.decode()


@pytest.mark.parametrize(
    "nonsense", ["", "1234567", "123456789", "1234567x", "١٢٣٤", "x" * 50, "12\x0034", "²²²²²²²²"]
)
def test_a_malformed_code_is_refused_without_using_up_a_try(
    petition: Petition, browser: Client, nonsense: str
) -> None:
    answer = browser.post(signed(browser) + "code/", {"code": nonsense})

    assert answer.status_code == 422
    assert "Enter the 8 digits" in answer.content.decode()
    assert Signature.objects.get().code_tries == 0


def test_the_right_code_is_refused_until_its_mail_was_sent(
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


def test_the_code_of_a_refused_attempt_is_invalid(petition: Petition, browser: Client) -> None:
    attempt_id = submit.store(
        petition=petition, attempt=AMINA, screening=Screening(is_refused=True)
    )
    page = Page(attempt_id, petition.slug, AMINA)
    outbox.deliver()

    answer = browser.post(f"/t/en/check/{page.seal()}/code/", {"code": codes_of(page)})

    assert WRONG in answer.content.decode()
    assert tallies.total(petition.pk) == 0


def test_a_code_is_valid_only_for_its_own_attempt(petition: Petition, browser: Client) -> None:
    mine, other = signed(browser), signed(browser)
    mailed()

    answer = browser.post(mine + "code/", {"code": codes_of(page_at(other))})

    assert WRONG in answer.content.decode()


def test_wrong_codes_for_other_forms_do_not_use_up_the_tries_of_mine(
    petition: Petition, browser: Client
) -> None:
    """Anybody can send forms for somebody's address, and type codes on the pages that follow."""
    mine = signed(browser)
    (message,) = mailed()
    theirs = signed(browser, name="Somebody Else")
    for _ in range(50):
        assert browser.post(theirs + "code/", {"code": "1234-5678"}).status_code == 422

    answer = browser.post(mine + "code/", {"code": code_in(message), "chosen": "yes"})

    assert THANKS in answer.content.decode()


def test_redis_keys_do_not_reveal_for_which_address_a_code_was_typed(
    petition: Petition, browser: Client, settings: Any
) -> None:
    """A form for somebody's address, and a copy of Redis, would tell that they have confirmed."""
    pages = [signed(browser), signed(browser, email="somebody@example.net")]
    kept = []
    with redis.Redis.from_url(settings.REDIS_URL) as counters:
        for page in pages:
            browser.post(page + "code/", {"code": "1234-5678"})
            kept.append({bytes(key) for key in counters.scan_iter()})
    assert kept[0] == kept[1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [False, True])
def test_of_fifty_concurrent_guesses_only_five_are_compared_with_the_code(
    petition: Petition, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If tries were read first and counted afterwards, all fifty would be compared."""
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
        if signature.code_tries >= check_email.CODE_TRIES:
            return None
        Signature.objects.filter(pk=signature_id).update(code_tries=signature.code_tries + 1)
        return signature.link_epoch, True

    monkeypatch.setattr(tokens, "is_code", look)
    if not guarded:
        monkeypatch.setattr(check_email, "_count_try", read_then_count)
    guesses = [str(number).zfill(8) for number in range(50)]

    link_by_code = partial(check_email.link_by_code, page=page, petition=petition, sender=NOWHERE)

    links = at_once(*(partial(link_by_code, code=guess) for guess in guesses))

    assert links == [None] * 50
    assert len(looked_at) == (check_email.CODE_TRIES if guarded else 50)
    if guarded:
        assert link_by_code(code=codes_of(page)) is None


@pytest.mark.parametrize("is_gone", [False, True], ids=["there", "gone"])
def test_a_try_over_the_limit_makes_the_same_write_if_the_form_is_withdrawn(
    petition: Petition, browser: Client, is_gone: bool
) -> None:
    """Otherwise its time would tell whether the owner of the address has withdrawn the form."""
    check = signed(browser)
    for _try in range(check_email.CODE_TRIES):
        browser.post(check + "code/", {"code": "00000000"})
    if is_gone:
        withdraw.withdraw(signature_id=Signature.objects.get().pk)
    assert not Correction.objects.exists()

    browser.post(check + "code/", {"code": "00000000"})

    assert Correction.objects.count() == 1
