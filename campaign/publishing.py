"""Use cases of statements: write, publish, feature on the front page, move to another address."""

from collections.abc import Collection

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from campaign.models import FRONT_PAGE, FormerStatementAddress, Statement, StatementText
from petitions.infra import locks
from petitions.models import AuditRecord
from petitions.publishing.texts import changed, correct
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


@transaction.atomic
def save_texts(
    *, statement: Statement, texts: Collection[StatementText], actor: User | None, screen: str
) -> None:
    """Save texts that have changed; of a public one the earlier wording stays in its history."""
    Statement.objects.select_for_update().get(pk=statement.pk)
    for text, stored in changed(texts):
        if stored is not None and stored.was_public:
            correct(text, stored, actor=actor, screen=screen)
            continue
        text.save()
        audit.record(
            action=AuditRecord.Action.TEXTS_SAVED,
            screen=screen,
            actor_id=actor.pk if actor else None,
            about=statement,
            why=text.language,
        )


def feature(*, statement: Statement) -> None:
    """Feature a statement on the front page instead of the one that is there."""
    statement.is_featured = True
    statement.save(update_fields=["is_featured"])


def taken_address(statement: Statement) -> str:
    """Why a statement cannot have its new slug; "" if it can."""
    former = FormerStatementAddress.objects.filter(slug=statement.slug)
    other = former.exclude(statement_id=statement.pk).select_related("statement").first()
    if other is None:
        return ""
    return f"This was the address of “{other.statement}”, and leads there. Choose another."


def moves_from(statement: Statement) -> str:
    """The slug that people may know, if saving would change it; else ""."""
    before = Statement.objects.filter(pk=statement.pk).first()
    if before is None or before.slug == statement.slug or not before.texts.published().exists():
        return ""
    return before.slug


@transaction.atomic
def save(*, statement: Statement) -> None:
    """Save a statement; an address that people may know redirects from now on."""
    if former := moves_from(statement):
        FormerStatementAddress.objects.create(slug=former, statement=statement)
    FormerStatementAddress.objects.filter(slug=statement.slug, statement=statement.pk).delete()
    statement.save()
