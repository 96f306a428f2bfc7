"""Use cases of statements: save, publish (also with their petition), feature, change the URL."""

from collections.abc import Collection
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from campaign.models import FRONT_PAGE, Statement, StatementText
from petitions.formatting.languages import moment_in_london
from petitions.infra import locks
from petitions.models import AuditRecord, Petition
from petitions.publishing import changes, life, opening
from petitions.publishing.texts import changed, correct
from petitions.staff import audit, roles
from petitions.staff.refusal import Refused

PERMISSION = "campaign.change_statement"


@transaction.atomic
def publish(
    *,
    statement: Statement,
    actor: User | None,
    screen: str,
    language: str = "",
    at: datetime | None = None,
) -> None:
    """Publish a statement's drafts, or only the one in `language`, now or `at` a time (embargo).

    A text that already has a publication time keeps it. The first statement to be published becomes
    the front page.
    """
    roles.require(actor, PERMISSION)
    # Of two statements published at the same time only one can be the first.
    locks.lock_named(FRONT_PAGE)
    drafts = statement.texts.filter(published_at=None)
    if language:
        drafts = drafts.filter(language=language)
    drafts.update(published_at=at or timezone.now())
    if not Statement.objects.filter(is_featured=True).exists():
        feature(statement=statement)
    audit.record(
        action=AuditRecord.Action.STATEMENT_PUBLISHED,
        screen=screen,
        actor=actor,
        about=statement,
        why=f"It appears {moment_in_london(at)}" if at and at > timezone.now() else "",
    )


@transaction.atomic
def save_texts(
    *, statement: Statement, texts: Collection[StatementText], actor: User | None, screen: str
) -> None:
    """Save changed texts. The earlier wording of a public text is kept in its history."""
    roles.require(actor, "campaign.change_statementtext")
    Statement.objects.select_for_update().get(pk=statement.pk)
    for text, stored in changed(texts):
        if stored is not None and stored.was_public:
            correct(text, stored, actor=actor, screen=screen)
            continue
        text.save()
        audit.record(
            action=AuditRecord.Action.TEXTS_SAVED,
            screen=screen,
            actor=actor,
            about=statement,
            why=text.language,
        )


@transaction.atomic
def publish_together(
    *,
    statement: Statement,
    actor: User | None,
    screen: str,
    at: datetime | None = None,
    override: str = "",
) -> None:
    """Publish a statement's drafts and open its draft petition, now or `at` a future time.

    With `at`, both are under an embargo that ends at that minute. No process has to run then,
    because views compare the times. Texts that already have a publication time keep it. Raises
    `Refused`, for example if the statement would not be public by then, or if the petition is not
    a draft: so the second of two simultaneous calls is refused.
    """
    roles.require(actor, PERMISSION)
    now = timezone.now()
    if at is not None:
        at = at.replace(second=0, microsecond=0)
        if at <= now:
            raise Refused("Nothing was done. That time has passed in London. Choose a later one.")
    # `publish` takes this lock before it locks any row: the same order prevents deadlocks.
    locks.lock_named(FRONT_PAGE)
    petition = _petition_of(statement)
    opening.open_petition(
        petition=petition, actor=actor, screen=screen, override=override, at=at or now
    )
    if statement.texts.filter(published_at=None).exists():
        publish(statement=statement, actor=actor, screen=screen, at=at or now)
    if not statement.texts.filter(published_at__lte=at or now).exists():
        raise Refused(
            "Nothing was done. No text of the statement would be public by then. Write one, or "
            "empty “published” where it is a later time."
        )


def planned_for(statement: Statement) -> datetime | None:
    """Return when a statement's petition is planned to become public and open, or None."""
    petition = Petition.objects.filter(statements=statement).first()
    if petition is None or not petition.is_announced():
        return None
    waits = petition.texts.filter(published_at=petition.opens_at).exists()
    return petition.opens_at if waits and not petition.texts.published().exists() else None


@transaction.atomic
def take_back(*, statement: Statement, actor: User | None, screen: str) -> None:
    """Undo what `publish_together` planned: statement and petition become drafts again.

    Raises `Refused` if the petition has opened, or if nothing is planned.
    """
    roles.require(actor, PERMISSION)
    petition = life.locked_for(_petition_of(statement), life.RECALL)
    if (planned := planned_for(statement)) is None:
        raise Refused(
            "Nothing was done. Nothing is planned for both. Use the petition’s own buttons."
        )
    life.perform(petition=petition, name=life.RECALL, actor=actor, screen=screen)
    statement.texts.filter(published_at=planned).update(published_at=None)
    petition.texts.filter(published_at=planned).update(published_at=None)
    Petition.objects.filter(pk=petition.pk).update(opens_at=None)
    audit.record(
        action=AuditRecord.Action.STATEMENT_RECALLED, screen=screen, actor=actor, about=statement
    )


def _petition_of(statement: Statement) -> Petition:
    """Return the statement's petition, read again. Raises `Refused` if it has none."""
    petition = Petition.objects.filter(statements=statement).first()
    if petition is None:
        raise Refused("Nothing was done. First choose the petition to which the statement leads.")
    return petition


def feature(*, statement: Statement) -> None:
    """Put a statement on the front page, in place of the current one."""
    statement.is_featured = True
    statement.save(update_fields=["is_featured"])


@transaction.atomic
def save(*, statement: Statement, actor: User | None) -> None:
    """Save a statement. If its slug changes, a URL that was public redirects from now on."""
    roles.require(actor, PERMISSION)
    if statement.pk:
        changes.keep_address(statement)
    statement.save()
