"""Dismissal of alerts."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now

from petitions.models import Alert, AuditRecord
from petitions.staff import audit


@transaction.atomic
def dismiss(*, alert: Alert, actor: User, screen: str) -> None:
    """Mark an alert as seen by a moderator, on the audit record: it leaves the admin's home."""
    if Alert.objects.filter(pk=alert.pk, seen_at=None).update(seen_at=Now()):
        audit.record(
            action=AuditRecord.Action.ALERT_DISMISSED,
            screen=screen,
            actor_id=actor.pk,
            about=alert,
        )
