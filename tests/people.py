"""Fixtures of signers: invented people, their form data, and helpers to sign and confirm."""

from uuid import UUID

from petitions.models import Petition, Signature
from petitions.screening.screen import Evidence
from petitions.signatures import confirm as confirming
from petitions.signatures import submit
from petitions.signatures.check_email import Page
from petitions.signatures.confirm import Outcome
from petitions.signers.sealing import Attempt

AMINA = Attempt(
    name="Amina Example",
    email="amina@example.org",
    postcode="M145RX",
    name_use=Signature.NameUse.GOVERNMENT,
)
# Shares Amina's mailbox and home.
BASHIR = Attempt(
    name="بشير مثال",
    email="amina@example.org",
    postcode="M145RX",
    language="ar",
    name_use=Signature.NameUse.WITHHELD,
)
# Uses Amina's mailbox from another home.
CARYS = Attempt(
    name="Carys Enghraifft",
    email="amina@example.org",
    postcode="CF101AA",
    language="cy",
    name_use=Signature.NameUse.PUBLIC,
)
DAVID = Attempt(
    name="David Sample",
    email="david@example.net",
    country="JO",
    name_use=Signature.NameUse.PUBLIC,
    wants_updates=True,
)


def typed(**changes: str) -> dict[str, str]:
    """POST data of Amina's form; a change to "" leaves the field out, as an unticked box is."""
    form = {
        "name": "Amina Example",
        "name_use": "government",
        "email": "amina@example.org",
        "residence": "uk",
        "postcode": "M14 5RX",
        "country": "",
        "consent": "on",
        "text_version": "1",
        **changes,
    }
    return {name: value for name, value in form.items() if value or name == "country"}


def somebody(number: int) -> Attempt:
    """The `number`th of many signers who have nothing in common."""
    return Attempt(
        name=f"Person {number}",
        email=f"p{number}@mail{number}.example",
        postcode="M145RX",
        name_use=Signature.NameUse.PUBLIC,
    )


def sign(petition: Petition, attempt: Attempt = AMINA) -> UUID:
    """Store a pending signature."""
    return submit.store(petition=petition, attempt=attempt)


def confirm(signature_id: UUID) -> Outcome:
    """Confirm it, as the button behind the mailed link does once it was asked whose it is."""
    return confirming.confirm(signature_id=signature_id, epoch=0, is_chosen=True).outcome


def sign_and_confirm(petition: Petition, attempt: Attempt = AMINA) -> Signature:
    """Store and confirm a signature."""
    signature_id = sign(petition, attempt)
    assert confirm(signature_id) is Outcome.CONFIRMED
    return Signature.objects.get(pk=signature_id)


def correct(page: Page, petition: Petition, attempt: Attempt) -> Page:
    """Correct the attempt of a "check your e-mail" page, as its form does."""
    outcome = submit.submit(petition=petition, attempt=attempt, evidence=Evidence(), corrects=page)
    assert isinstance(outcome, submit.Accepted)
    return outcome.page
