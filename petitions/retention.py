"""What is deleted by itself, and when."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from petitions.models import Mail, Signature, Signer


def delete_expired_pending() -> int:
    """Delete what nobody confirmed within `PENDING_DAYS`; return how many.

    Source: storage limitation, UK GDPR Article 5(1)(e). Removed signatures stay: a moderator
    may still restore them.
    """
    before = timezone.now() - timedelta(days=settings.PENDING_DAYS)
    expired = Signature.objects.filter(state=Signature.State.PENDING, created_at__lt=before)
    with transaction.atomic():
        ids = list(
            expired.select_for_update(skip_locked=True).order_by("id").values_list("id", flat=True)[
                :5000
            ]
        )
        # One statement a table: the ORM's own cascade would read every row first.
        Mail.objects.filter(signature__in=ids)._raw_delete(Mail.objects.db)
        Signer.objects.filter(signature__in=ids)._raw_delete(Signer.objects.db)
        Signature.objects.filter(id__in=ids)._raw_delete(Signature.objects.db)
    return len(ids)
