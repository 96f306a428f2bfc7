"""Publishing statements."""

from django.db import transaction
from django.utils import timezone

from campaign.models import Statement


@transaction.atomic
def publish(*, statement: Statement, language: str = "") -> None:
    """Show a statement's texts, or the one in a language, to the public.

    The first statement that is published becomes the front page.
    """
    drafts = statement.texts.filter(published_at=None)
    if language:
        drafts = drafts.filter(language=language)
    drafts.update(published_at=timezone.now())
    if not Statement.objects.filter(is_featured=True).exists():
        statement.is_featured = True
        statement.save(update_fields=["is_featured"])
