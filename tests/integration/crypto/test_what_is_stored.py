"""What the page keeps of what was typed: all that the signer chose, and nothing besides."""

import pytest
from django.test import Client
from django.utils import timezone

from petitions.models import Petition, PetitionText, Signature, Signer
from petitions.signers import consent, sealing
from tests.people import typed

PAGE = "/petitions/protect/"
AMINA = {
    "name": "Amina Example",
    "email": "amina@example.org",
    "postcode": "M145RX",
    "country": "",
    "language": "en",
}


@pytest.fixture
def second_version(petition: Petition) -> None:
    PetitionText.objects.create(
        petition=petition, version=2, language="en", title="Protect people now",
        addressee="the British Government", ask="Now.", published_at=timezone.now(),
    )  # fmt: skip


def post(browser: Client, path: str = PAGE, **changes: str) -> Signature:
    """Send the form, and read the one signature that it makes."""
    response = browser.post(path, typed(**changes))
    assert response.status_code == 303, response.content.decode()
    return Signature.objects.get()


def person() -> dict[str, str]:
    """Who signed, out of the seal."""
    return sealing.unsealed(Signer.objects.get())


def test_the_sealed_signer_has_the_normalised_name_address_and_postcode(
    petition: Petition, browser: Client
) -> None:
    signature = post(
        browser, name="  Amina   Example ", email=" Amina+x@Example.org", postcode="m14 5rx"
    )

    assert person() == {**AMINA, "email": "Amina+x@Example.org"}
    assert signature.petition == petition
    assert signature.place_id == "unknown"
    assert signature.state == Signature.State.PENDING
    assert signature.consent_version == consent.CURRENT


@pytest.mark.parametrize("name_use", Signature.NameUse.values)
def test_the_submitted_name_choice_is_stored(
    petition: Petition, browser: Client, name_use: str
) -> None:
    Petition.objects.update(publishes_names=True)
    assert post(browser, name_use=name_use).name_use == name_use


@pytest.mark.parametrize(("box", "wanted"), [("", False), ("on", True)])
def test_wants_updates_is_stored_only_if_the_box_was_ticked(
    petition: Petition, browser: Client, box: str, wanted: bool
) -> None:
    assert post(browser, updates=box).wants_updates is wanted


@pytest.mark.parametrize("typed_besides", ["", "M14 5RX"])
def test_i_would_rather_not_say_stores_no_postcode(
    petition: Petition, browser: Client, typed_besides: str
) -> None:
    signature = post(browser, postcode=typed_besides, postcode_unsaid="on")

    assert person() == {**AMINA, "postcode": ""}
    assert signature.place_id == "unknown"


@pytest.mark.parametrize("typed_besides", ["", "11118", "M14 5RX"])
def test_a_signer_abroad_has_a_country_and_no_postcode_stored(
    petition: Petition, browser: Client, typed_besides: str
) -> None:
    signature = post(browser, residence="abroad", country="TR", postcode=typed_besides)

    assert person() == {**AMINA, "postcode": "", "country": "TR"}
    assert signature.place_id == "abroad"


def test_a_signer_in_the_uk_has_no_country_stored(petition: Petition, browser: Client) -> None:
    signature = post(browser, country="TR")

    assert person() == AMINA
    assert signature.place_id == "unknown"


@pytest.mark.parametrize(
    ("path", "language"), [(f"/ar{PAGE}", "ar"), (f"/cy{PAGE}", "cy"), (PAGE, "en")]
)
def test_the_language_of_the_petition_page_is_stored(
    petition: Petition, browser: Client, path: str, language: str
) -> None:
    post(browser, path)
    assert person() == {**AMINA, "language": language}


@pytest.mark.parametrize("version", [1, 2])
def test_the_text_version_shown_on_the_page_is_stored(
    petition: Petition, browser: Client, second_version: None, version: int
) -> None:
    """Also that of a page which was opened before the newer version came."""
    assert post(browser, text_version=str(version)).text_version == version
