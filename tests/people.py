"""The cast: invented people, and what they type into the form."""

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
    """What Amina's browser sends; a change to "" leaves the field out, as an unticked box is."""
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
    """One of many, who have nothing to do with each other."""
    return Attempt(
        name=f"Person {number}",
        email=f"p{number}@mail{number}.example",
        postcode="M145RX",
        name_use=Signature.NameUse.PUBLIC,
    )


def sign(petition: Petition, attempt: Attempt = AMINA) -> UUID:
    """A pending signature of somebody."""
    return submit.store(petition=petition, attempt=attempt)


def confirm(signature_id: UUID) -> Outcome:
    """Press the button behind the mailed link."""
    return confirming.confirm(signature_id=signature_id, epoch=0)[0]


def sign_and_confirm(petition: Petition, attempt: Attempt = AMINA) -> Signature:
    """A signature that counts."""
    signature_id = sign(petition, attempt)
    assert confirm(signature_id) is Outcome.CONFIRMED
    return Signature.objects.get(pk=signature_id)


def correct(page: Page, petition: Petition, attempt: Attempt) -> Page:
    """Correct what a "check your e-mail" page was for, as its form does."""
    outcome = submit.submit(petition=petition, attempt=attempt, evidence=Evidence(), corrects=page)
    assert isinstance(outcome, submit.Accepted)
    return outcome.page
