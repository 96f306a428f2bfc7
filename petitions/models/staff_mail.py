"""Mail to staff that waits for the worker: invitations, new passwords, and warnings."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from petitions.models.base import with_checked_choices


@with_checked_choices
class StaffMail(models.Model):
    """One message to an account, deleted once it is sent.

    For a forgotten password the row holds what was typed, sealed. The worker looks up whether an
    account has that address, while nobody waits (constant work, docs/architecture.md).
    """

    class Kind(models.TextChoices):
        INVITATION = "invitation", "invitation"
        PASSWORD = "password", "forgotten password"
        CHANGED = "changed", "the account was changed"
        SWITCHED = "switched", "a moderator used a switch of a petition"
        CONTACT = "contact", "the privacy contact was changed"
        ROLES = "roles", "roles were given or taken"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    # `{"email": ...}`: the typed address, or the former one of an account or the organisation.
    sealed = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "mail to staff"
        verbose_name_plural = "mails to staff"
        indexes = [models.Index(fields=["created_at"], name="staff_mail_time")]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False) | Q(sealed__isnull=False),
                name="staff_mail_has_an_addressee",
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)
