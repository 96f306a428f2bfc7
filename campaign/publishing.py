"""Use cases of statements: publish, and feature on the front page."""

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from campaign.models import FRONT_PAGE, Statement
from petitions.infra import locks
from petitions.models import AuditRecord
from petitions.staff import audit


@transaction.atomic
def publish(*, statement: Statement, actor: User | None, screen: str, language: str = "") -> None:
    """Publish a statement's drafts, or the one in a language.

    A text that has a time of publication (embargo) keeps it. The first statement that is
    published becomes the front page.
    """
    # Of two that are published at once only one may be the first.
    locks.lock_named(FRONT_PAGE)
    drafts = statement.texts.filter(published_at=None)
    if language:
        drafts = drafts.filter(language=language)
    drafts.update(published_at=timezone.now())
    if not Statement.objects.filter(is_featured=True).exists():
        feature(statement=statement)
    audit.record(
        action=AuditRecord.Action.STATEMENT_PUBLISHED,
        screen=screen,
        actor_id=actor.pk if actor else None,
        about=statement,
    )


def feature(*, statement: Statement) -> None:
    """Feature a statement on the front page instead of the one that is there."""
    statement.is_featured = True
    statement.save(update_fields=["is_featured"])
