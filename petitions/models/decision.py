"""Moderation decisions: what was decided, why, and each signature's state before (for undo)."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class Decision(models.Model):
    """One moderation decision about a set of signatures of any size."""

    class Kind(models.TextChoices):
        REMOVE = "remove", _("remove")
        RESTORE = "restore", _("restore")
        HOLD = "hold", _("hold")
        APPROVE = "approve", _("approve")
        ERASE = "erase", _("delete the person’s data")

    class Reason(models.TextChoices):
        FALSE_NAME = "false-name", _("not a real name")
        DUPLICATE = "duplicate", _("the same person signed more than once")
        AUTOMATED = "automated", _("automated")
        SUSPICIOUS = "suspicious", _("possibly automated, needs checking")
        CHECKED = "checked", _("checked, no problem")
        REQUESTED = "requested", _("the signer asked us")
        MISTAKE = "mistake", _("an earlier decision was a mistake")
        OTHER = "other", _("another reason, given in the note")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.ForeignKey(Petition, models.PROTECT)
    kind = models.CharField(_("decision"), max_length=8, choices=Kind)
    reason = models.CharField(_("reason"), max_length=12, choices=Reason)
    note = models.CharField(
        _("note"),
        max_length=300,
        blank=True,
        help_text=_("Other moderators can read this. Do not write names or email addresses."),
    )
    # Null: a command or a rule of the site decided.
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    created_at = models.DateTimeField(_("decided"), auto_now_add=True)

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        permissions = [("approve_bulk_decision", "Can approve other people's bulk decisions")]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class DecisionItem(models.Model):
    """One signature of a decision, and its state before. Kept after the signer is erased."""

    decision = models.ForeignKey(Decision, models.CASCADE, related_name="items")
    signature_id = models.UUIDField(db_index=True)
    previous_state = models.CharField(max_length=9)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["decision", "signature_id"], name="decision_item_once"),
        ]

    def __str__(self) -> str:
        return str(self.signature_id)
