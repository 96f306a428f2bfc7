"""Opening a petition: its preconditions, and publishing its texts. Recording when it closes."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from petitions.formatting.languages import moment_in_london
from petitions.models import AuditRecord, Organisation, Petition
from petitions.models.petition import CLOSE_HAS_PASSED
from petitions.staff import audit


class NotReady(Exception):
    """A petition cannot open yet. `reasons` say what an organiser has to do first."""

    def __init__(self, reasons: Sequence[Promise | str]) -> None:
        super().__init__(len(reasons))
        self.reasons = reasons


@transaction.atomic
def open_petition(*, petition: Petition, actor: User | None, screen: str) -> None:
    """Open a draft now, or at its own opening time, and publish its drafts of texts.

    A text with a time of its own keeps it: where every text has one, the petition opens with the
    first of them.

    Signers consent to a named organisation, and need its contact for their rights: without either
    nothing opens. Source: UK GDPR Articles 7(1) and 13(1)(a). Raises `NotReady`.
    """
    appears_at = _appears_at(petition)
    if reasons := missing(petition):
        raise NotReady(reasons)
    now = timezone.now()
    petition.texts.filter(published_at=None).update(published_at=now)
    if petition.state == Petition.State.DRAFT:
        petition.state = Petition.State.OPEN
        petition.opens_at = petition.opens_at or appears_at or now
        petition.save(update_fields=["state", "opens_at"])
    audit.record(
        action=AuditRecord.Action.PETITION_PUBLISHED,
        screen=screen,
        actor_id=actor.pk if actor else None,
        about=petition,
    )


def record_closes() -> None:
    """Write `closed_at` of petitions that have closed since, and empty it of those opened again:
    retention periods count from the close that the program saw.

    Idempotent. `Petition.save` does it for what is saved one by one; this also sees what closes by
    the clock and what is updated past the model. A close is recorded as of now, whatever
    `closes_at` says: a date that somebody typed never makes it older.
    """
    now = timezone.now()
    Petition.objects.running(now).filter(closed_at__isnull=False).update(closed_at=None)
    Petition.objects.over(now).filter(closed_at=None).update(closed_at=now)


def _appears_at(petition: Petition) -> datetime | None:
    """When the embargo of the first text ends, if all of them have one; else None: at once."""
    waiting = petition.texts.embargoed()
    if petition.texts.exclude(pk__in=waiting).exists():
        return None
    return waiting.order_by("published_at").values_list("published_at", flat=True).first()


def missing(petition: Petition) -> list[Promise | str]:
    """What an organiser has to do before the petition can open, a sentence each."""
    organisation = Organisation.load()
    is_to_open = petition.state == Petition.State.DRAFT
    needs = (
        (not (is_to_open and petition.has_closed), CLOSE_HAS_PASSED),
        (organisation.name, _("Enter the organisation’s name: signers consent to it.")),
        (organisation.privacy_email, _("Enter the privacy contact: signers have a right to one.")),
        (petition.texts.exists(), _("Write the petition’s text in at least one language.")),
    )
    found: list[Promise | str] = [reason for is_there, reason in needs if not is_there]
    appears_at = _appears_at(petition)
    if appears_at and petition.opens_at and petition.opens_at < appears_at:
        early = _(
            "It would open before its text appears, %(moment)s. Set “opens” to then or later, or "
            "empty “opens”: it then opens with its text."
        )
        found.append(early % {"moment": moment_in_london(appears_at)})
    return found
