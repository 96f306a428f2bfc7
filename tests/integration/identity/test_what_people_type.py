"""What people type, paste and autofill is read as they mean it, in a form that is sent for real."""

import re
from html import unescape

import pytest
from django.test import Client

from petitions.mail import enquiries
from petitions.models import Enquiry, Petition, Signature, Signer
from petitions.signers import sealing
from tests.people import typed
from tests.unit.identity.test_typed_text import WALES

PATHS = {
    "en": "/petitions/protect/",
    "ar": "/ar/petitions/protect/",
    "cy": "/cy/petitions/protect/",
}
LANGUAGES = pytest.mark.parametrize("language", ["en", "ar", "cy"])


def stored(browser: Client, **changes: str) -> dict[str, str]:
    """What a form with these changes leaves sealed."""
    assert browser.post(PATHS["en"], typed(**changes)).status_code == 303
    return sealing.unsealed(Signer.objects.get())


def refused(browser: Client, language: str = "en", **changes: str) -> str:
    """The page on which a form comes back."""
    answer = browser.post(PATHS[language], typed(**changes))
    assert answer.status_code == 422
    assert not Signature.objects.exists()
    return unescape(answer.content.decode())


def value_of(page: str, field: str) -> str:
    (tag,) = re.findall(rf'<input[^>]*name="{field}"[^>]*>', page)
    return re.search(r'value="([^"]*)"', tag)[1]  # type: ignore[index]


@pytest.mark.parametrize(
    ("field", "entered", "read"),
    [
        ("name", "J.Smith/M.Jones", "J.Smith/M.Jones"),
        ("name", "Dr.Co", "Dr.Co"),
        ("name", "\u202aأمينة مثال\u202c", "أمينة مثال"),
        ("name", "\u2068Amina\u2069 Example", "Amina Example"),
        ("name", "សុខ\u200bសុភា", "សុខសុភា"),
        ("name", "Ann\u00adMarie", "AnnMarie"),
        ("name", "Amina\tExample", "Amina Example"),
        ("name", f"Siân Llŷr {WALES}", "Siân Llŷr"),
        ("name", "李\U0002ebf0", "李\U0002ebf0"),
        ("name", "李\U0003fffd", "李\U0003fffd"),
        ("email", "\u200bamina@example.org", "amina@example.org"),
        ("email", "\ufeffamina@example.org", "amina@example.org"),
        ("email", "\u202aamina@example.org\u202c", "amina@example.org"),
        ("email", "amina@example.org.", "amina@example.org"),
        ("postcode", "\u202aM14 5RX\u202c", "M145RX"),
        ("postcode", "M14 5RX,", "M145RX"),
        ("postcode", "(M14 5RX)", "M145RX"),
        ("postcode", "BFPO 61", "BFPO61"),
    ],
    ids=ascii,
)
def test_typed_text_is_normalised_before_it_is_stored(
    petition: Petition, browser: Client, field: str, entered: str, read: str
) -> None:
    assert stored(browser, **{field: entered})[field] == read


@pytest.mark.parametrize(
    "name", ["Ami\u202ena", "\u202dAmina", "Ami\x07na", "Ami\ufffdna"], ids=ascii
)
def test_a_name_with_deceptive_characters_is_refused(
    petition: Petition, browser: Client, name: str
) -> None:
    assert "You have used a character that we cannot accept." in refused(browser, name=name)


@LANGUAGES
def test_a_corrected_postcode_is_suggested_and_accepted_on_resubmission(
    petition: Petition, browser: Client, language: str
) -> None:
    page = refused(browser, language, postcode="W1A OAA")

    says = {
        "en": "We read your postcode as <bdi>W1A 0AA</bdi>. If that is right, press",
        "ar": "قرأنا رمزك البريدي هكذا: <bdi>W1A 0AA</bdi>.",
        "cy": "Rydym wedi darllen eich cod post fel <bdi>W1A 0AA</bdi>.",
    }
    # In the summary and beside the field.
    assert page.count(says[language]) == 2
    assert value_of(page, "postcode") == "W1A 0AA"
    assert stored(browser, postcode=value_of(page, "postcode"))["postcode"] == "W1A0AA"


@LANGUAGES
def test_a_postcode_outside_the_uk_offers_its_country(
    petition: Petition, browser: Client, language: str
) -> None:
    page = refused(browser, language, postcode="GX11 1AA")

    choice = {
        "en": "<bdi>Gibraltar</bdi>, which counts as outside the UK. If you live there, choose “I "
        "live outside the UK”",
        "ar": "<bdi>جبل طارق</bdi>، وهذا المكان يُحتسب خارج المملكة المتحدة.",
        "cy": "<bdi>Gibraltar</bdi>, sy’n cyfrif fel y tu allan i’r DU.",
    }
    assert choice[language] in page
    assert value_of(page, "postcode") == "GX11 1AA"
    assert '<option value="GI" selected>' in page
    # Nobody is moved abroad unasked.
    assert re.search(r'value="uk"[^>]* checked', page)
    assert not re.search(r'value="abroad"[^>]* checked', page)


@pytest.mark.parametrize(
    "changes", [{"residence": "abroad", "country": "GI"}, {"postcode_unsaid": "on"}]
)
def test_a_postcode_that_is_not_needed_is_ignored(
    petition: Petition, browser: Client, changes: dict[str, str]
) -> None:
    person = stored(browser, postcode="GX11 1AA", **changes)

    assert (person["postcode"], person["country"]) == ("", changes.get("country", ""))


@LANGUAGES
def test_an_email_address_with_an_invalid_typo_gets_a_suggestion(
    petition: Petition, browser: Client, language: str
) -> None:
    page = refused(browser, language, email="anna@gmail..com")

    asks = {"en": "Did you mean", "ar": "هل المقصود", "cy": "Ai"}
    assert f"{asks[language]} <bdi>anna@gmail.com</bdi>" in page
    assert value_of(page, "email") == "anna@gmail.com"


@LANGUAGES
def test_an_address_with_non_ascii_letters_is_refused_with_an_explanation(
    petition: Petition, browser: Client, language: str
) -> None:
    page = refused(browser, language, email="josé@example.org")

    says = {
        "en": "We cannot send mail yet to an address that has letters other than a to z",
        "ar": "يرجى كتابة عنوان آخر لك.",
        "cy": "Rhowch gyfeiriad arall sydd gennych.",
    }
    assert says[language] in page
    assert value_of(page, "email") == "josé@example.org"


def test_markup_in_a_suggested_correction_is_escaped(petition: Petition, browser: Client) -> None:
    page = browser.post(PATHS["en"], typed(postcode="<b>GX11 1AA", email='"><b>x</b>@gmail..com'))

    assert b"<b>" not in page.content


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("www.example.org", "If it is not one, put a space after each full stop."),
        ("amina@example.org", "Your email address goes into the next field."),
    ],
)
def test_a_refused_name_is_answered_with_an_explanation(
    petition: Petition, browser: Client, name: str, says: str
) -> None:
    assert says in refused(browser, name=name)


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "Robert'); DROP TABLE--", "Amina evil.co.uk"]
)
def test_a_name_with_code_is_stored_as_typed_and_held(
    petition: Petition, browser: Client, name: str
) -> None:
    assert stored(browser, name=name)["name"] == name
    signature = Signature.objects.get()
    assert (signature.verdict, signature.signals) == ("hold", ["name-code"])


def test_an_enquiry_keeps_emoji_and_line_breaks_and_no_invisible_characters(
    petition: Petition, browser: Client
) -> None:
    form = {
        "kind": "question",
        "name": f"Siân {WALES}",
        "email": "sian@example.org",
        "message": f"Diolch {WALES}!\u200b\r\n\u202aYn gywir\u202c\x0bSi\u00e2n\u2028",
    }
    assert browser.post("/contact/", form).status_code == 303

    letter = enquiries.read(Enquiry.objects.get())
    assert letter.message == f"Diolch {WALES}!\nYn gywir\nSiân"
    assert letter.name == "Siân"
