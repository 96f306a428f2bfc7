"""Secret links to drafts, for colleagues without an account: made, found again, ended."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone

from campaign.models import DraftLink, Statement
from petitions.crypto import tokens
from petitions.models import AuditRecord, Petition
from petitions.staff import audit, roles

PERMISSION = "petitions.change_petition"
MOST_DAYS = 14
# One epoch for all: a link is ended by deleting its row.
_EPOCH = 0


@transaction.atomic
def make(*, of: Statement | Petition, days: int, actor: User, screen: str) -> DraftLink:
    """A link to a statement with its petition, or to a petition, for 1 to `MOST_DAYS` days.

    Rows of expired links are deleted on this occasion. Raises `ValueError` for other days.
    """
    roles.require(actor, PERMISSION)
    if not 1 <= days <= MOST_DAYS:
        raise ValueError(f"A link to a draft works for 1 to {MOST_DAYS} days.")
    DraftLink.objects.filter(expires_at__lte=timezone.now()).delete()
    link = DraftLink.objects.create(
        statement=of if isinstance(of, Statement) else None,
        petition=of if isinstance(of, Petition) else None,
        actor=actor,
        expires_at=timezone.now() + timedelta(days=days),
    )
    _record(AuditRecord.Action.DRAFT_LINK_MADE, of, actor, screen, why=f"for {days} days")
    return link


@transaction.atomic
def end(*, of: Statement | Petition, link_id: str, actor: User, screen: str) -> bool:
    """End a link to a draft at once; False if it did not work any more."""
    roles.require(actor, PERMISSION)
    found = [link for link in links_to(of) if str(link.pk) == link_id]
    if not found or not DraftLink.objects.filter(pk=found[0].pk).delete()[0]:
        return False
    made = f"made on {found[0].created_at:%Y-%m-%d}"
    _record(AuditRecord.Action.DRAFT_LINK_ENDED, of, actor, screen, why=made)
    return True


def links_to(of: Statement | Petition) -> models.QuerySet[DraftLink]:
    """The links to a draft that work now, the newest first."""
    name = "statement" if isinstance(of, Statement) else "petition"
    return DraftLink.objects.working().filter(**{name: of})


def address(link: DraftLink) -> str:
    """The absolute URL to give to colleagues; it begins in English, and offers the others."""
    token = tokens.link(tokens.DRAFT, link.pk, _EPOCH)
    return settings.SITE_URL + reverse("drafts:draft", args=[settings.LANGUAGE_CODE, token])


def find(token: str) -> DraftLink | None:
    """The link of a token, if it works still. Raises `tokens.BadToken` if the token is not ours."""
    link_id = tokens.read_link(tokens.DRAFT, token).signature_id
    found = DraftLink.objects.working().filter(pk=link_id)
    return found.select_related("statement__petition", "petition").first()


def _record(
    action: AuditRecord.Action, of: models.Model, actor: User, screen: str, why: str
) -> None:
    audit.record(action=action, screen=screen, actor=actor, about=of, why=why)
