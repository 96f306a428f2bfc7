"""Opening a petition: what must be there first, and what becomes public."""

from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from petitions.models import Organisation, Petition
from petitions.models.petition import CLOSE_HAS_PASSED


class NotReady(Exception):
    """A petition cannot open yet. `reasons` say what an organiser has to do first."""

    def __init__(self, reasons: list[Promise]) -> None:
        super().__init__(len(reasons))
        self.reasons = reasons


@transaction.atomic
def open_petition(*, petition: Petition) -> None:
    """Open a draft now, or at its own opening time, and publish its unpublished texts.

    Consent names the organisation, and rights need somebody to write to: without either
    nothing opens. Source: UK GDPR Articles 7(1) and 13(1)(a). Raises `NotReady`.
    """
    if reasons := _missing(petition):
        raise NotReady(reasons)
    now = timezone.now()
    petition.texts.filter(published_at=None).update(published_at=now)
    if petition.state == Petition.State.DRAFT:
        petition.state = Petition.State.OPEN
        petition.opens_at = petition.opens_at or now
        petition.save(update_fields=["state", "opens_at"])


def _missing(petition: Petition) -> list[Promise]:
    organisation = Organisation.load()
    is_to_open = petition.state == Petition.State.DRAFT
    needs = (
        (not (is_to_open and petition.has_closed), CLOSE_HAS_PASSED),
        (organisation.name, _("Enter the organisation’s name: signers consent to it.")),
        (organisation.privacy_email, _("Enter the privacy contact: signers have a right to one.")),
        (petition.texts.exists(), _("Write the petition’s text in at least one language.")),
    )
    return [reason for is_there, reason in needs if not is_there]
