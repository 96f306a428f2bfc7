""" "Check your email": the page, its advice, and expired pages."""

import re
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from petitions.crypto import tokens
from petitions.models import Petition, Signature
from petitions.screening import fraud_signals
from petitions.signatures.check_email import MAILS_PER_PAGE, Page
from tests.checking import CORRECTION, correct_path, corrected, mailed, signed
from tests.people import AMINA, BASHIR, typed


def test_the_correction_page_shows_personal_data_only_after_a_post(
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
        ({"email": "amina"}, "This is not an email address."),
        ({"postcode": "11118"}, "This is not a UK postcode."),
        ({"residence": "abroad"}, "Choose the country where you live."),
        ({"admin": "1"}, "Something was wrong with the form."),
    ],
)
def test_a_correction_is_validated_like_a_signing_and_keeps_the_input(
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


def test_the_correction_form_keeps_a_country_or_a_missing_postcode(
    petition: Petition, browser: Client
) -> None:
    abroad = signed(browser, residence="abroad", country="TR", postcode="")
    page = browser.post(correct_path(abroad)).content.decode()
    assert '<option value="TR" selected>' in page
    unsaid = signed(browser, postcode="", postcode_unsaid="on")
    page = browser.post(correct_path(unsaid)).content.decode()
    assert re.search(r'<input[^>]*name="postcode_unsaid"[^>]*checked', page)


def test_a_typo_in_the_domain_is_corrected_by_one_button(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser, email="amina@gmial.com")
    mailed()
    assert "a•••@gmail.com" in browser.get(check).content.decode()

    answer = browser.post(check + "meant/")

    assert "a•••@gmail.com" in browser.get(answer["Location"]).content.decode()
    assert [message.to for message in mailed()] == [["amina@gmail.com"]]


def test_a_mistyped_domain_is_still_mailed_and_a_good_one_gets_no_suggestion(
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
def test_each_provider_has_its_own_advice_on_spam_folders(
    petition: Petition, browser: Client, address: str, words: str
) -> None:
    assert words in browser.get(signed(browser, email=address)).content.decode()


def test_the_check_your_email_page_makes_no_database_queries(
    petition: Petition, browser: Client
) -> None:
    check = signed(browser)
    browser.get(check)
    with connection.execute_wrapper(forbidden):
        assert browser.get(check).status_code == 200


def forbidden(*_arguments: Any) -> Any:
    raise AssertionError("asked the database")


@pytest.mark.parametrize("path", ["again/", "code/", "meant/", ""])
def test_a_damaged_page_url_returns_404_and_an_expired_one_410(
    petition: Petition, browser: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = signed(browser)
    damaged = check[:-3] + "/" + path
    assert browser.get(damaged).status_code == 404
    later = timezone.now().timestamp() + tokens.ATTEMPT_SECONDS + 1
    monkeypatch.setattr("petitions.crypto.tokens.time.time", lambda: later)
    assert browser.get(check + path).status_code == 410


def test_following_pages_expire_with_the_first_one(
    petition: Petition, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each resend would show the typed data for another hour."""
    began = time.time()
    pages = [signed(browser)]
    forward(monkeypatch, began + tokens.ATTEMPT_SECONDS - 60)
    pages.append(browser.post(pages[-1] + "again/")["Location"])
    pages.append(corrected(browser, pages[-1]))
    pages.append(browser.post(pages[-1] + "again/")["Location"])
    assert [browser.get(page).status_code for page in pages] == [200] * 4
    assert len(mailed()) == 2

    forward(monkeypatch, began + tokens.ATTEMPT_SECONDS + 2)

    assert [browser.get(page).status_code for page in pages] == [410] * 4
    shown = browser.post(correct_path(pages[-1]))
    assert (shown.status_code, b"Amina" in shown.content) == (410, False)


def forward(monkeypatch: pytest.MonkeyPatch, moment: float) -> None:
    monkeypatch.setattr("time.time", lambda: moment)


def test_a_page_token_of_an_earlier_release_returns_410(
    petition: Petition, browser: Client
) -> None:
    typed = {"petition": "protect", "email": "amina@example.org"}
    old = tokens.seal_attempt(AMINA_ID, typed, at=int(time.time()))
    assert browser.get(f"/t/en/check/{old}/").status_code == 410


AMINA_ID = UUID("5b8dbb1c-7f7c-4c6b-9df1-3f3c2b8de001")


# All signals that a correction cannot clear.
WORST = ("honeypot", "pace", "burst:1000000", "no-origin")


def test_the_page_token_has_the_same_length_for_the_longest_input() -> None:
    usual = Page(AMINA_ID, "p", AMINA)
    # An address of 254 characters, because a domain of such letters has at most 253 in ASCII.
    labels = ["𐌰" * 52, "𐌱" * 52, "𐌲" * 52, "𐌳" * 30]
    longest = Page(
        AMINA_ID,
        "p" * 80,
        replace(
            BASHIR,
            name="𐌰" * 200,
            email="a" * 64 + "@" + ".".join(labels),
            country="JO",
            source="s" * 32,
        ),
        mails=MAILS_PER_PAGE,
        signals=WORST,
    )
    assert len(longest.seal()) == len(usual.seal())
    assert Page.open(longest.seal()) == longest
    # gunicorn refuses a request whose first line is longer than 4094 bytes.
    assert len(f"POST /t/ar/check/{usual.seal()}/again/ HTTP/1.1") < 4000


def test_the_page_token_keeps_only_signals_that_a_correction_cannot_clear() -> None:
    """Test all signals, so that new ones that a correction cannot clear are noticed here."""
    sealed = Page(AMINA_ID, "p", AMINA, signals=(*fraud_signals._RULES, *WORST)).seal()
    kept = {signal.partition(":")[0] for signal in Page.open(sealed).signals}
    assert kept == {signal.partition(":")[0] for signal in WORST} | {"same-mailbox"}
    assert len(sealed) == len(Page(AMINA_ID, "p", AMINA).seal())


@pytest.mark.parametrize(
    ("home", "words"),
    [
        ("/", "the browser’s “back” could show what you typed."),
        ("/ar/", "فقد يُظهر زر «الرجوع» في المتصفح ما كتبته."),
        ("/cy/", "gallai botwm “yn ôl” y porwr ddangos yr hyn a deipiwyd gennych."),
    ],
)
def test_without_javascript_the_page_advises_to_close_the_window(
    petition: Petition, browser: Client, home: str, words: str
) -> None:
    check = browser.post(f"{home}petitions/protect/", typed())["Location"]
    page = browser.get(check).content.decode()
    (told,) = re.findall(r"<noscript>(.*?)</noscript>", page, re.DOTALL)
    assert words in told
