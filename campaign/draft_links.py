"""Use cases of secret links to drafts, for colleagues without an account: make, find, end."""

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
MAX_DAYS = 14
# All tokens share one epoch, because a link is revoked by deleting its row.
_EPOCH = 0


@transaction.atomic
def make(*, of: Statement | Petition, days: int, actor: User, screen: str) -> DraftLink:
    """Make a link to a statement with its petition, or to a petition, for 1 to `MAX_DAYS` days.

    This also deletes expired links. Raises `ValueError` for another number of days.
    """
    roles.require(actor, PERMISSION)
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"A link to a draft works for 1 to {MAX_DAYS} days.")
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
    """End a link to a draft at once; return False if it had ended or expired before."""
    roles.require(actor, PERMISSION)
    found = [link for link in links_to(of) if str(link.pk) == link_id]
    if not found or not DraftLink.objects.filter(pk=found[0].pk).delete()[0]:
        return False
    made = f"made on {found[0].created_at:%Y-%m-%d}"
    _record(AuditRecord.Action.DRAFT_LINK_ENDED, of, actor, screen, why=made)
    return True


def links_to(of: Statement | Petition) -> models.QuerySet[DraftLink]:
    """Return the links to a draft that work now, the newest first."""
    name = "statement" if isinstance(of, Statement) else "petition"
    return DraftLink.objects.working().filter(**{name: of})


def address(link: DraftLink) -> str:
    """Return the absolute URL for colleagues. Its page is in English, and links other languages."""
    token = tokens.link(tokens.DRAFT, link.pk, _EPOCH)
    return settings.SITE_URL + reverse("drafts:draft", args=[settings.LANGUAGE_CODE, token])


def find(token: str) -> DraftLink | None:
    """Return the link of a token, or None if it has ended. Raises `tokens.BadToken`."""
    link_id = tokens.read_link(tokens.DRAFT, token).signature_id
    found = DraftLink.objects.working().filter(pk=link_id)
    return found.select_related("statement__petition", "petition").first()


def _record(
    action: AuditRecord.Action, of: models.Model, actor: User, screen: str, why: str
) -> None:
    audit.record(action=action, screen=screen, actor=actor, about=of, why=why)
