"""The audit log: what staff did, one append-only row an act."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditRecord(models.Model):
    """One entry of the audit log: who, what, about which object, when, and on which screen.

    Append-only: the trigger `audit_record_append_only` allows only the retention of
    `petitions.staff.audit`, and `audit_record_no_truncate` refuses TRUNCATE. No free text.
    """

    class Action(models.TextChoices):
        PASSWORD_RIGHT = "password-right", _("right password")
        PASSWORD_WRONG = "password-wrong", _("wrong password")
        PASSWORD_REFUSED = "password-refused", _("too many wrong passwords: not looked at")
        LOGIN_UNLOCKED = "login-unlocked", _("wrong passwords forgotten")
        ERASURE_STOPPED = "erasure-stopped", _("deletion of people’s data stopped")
        ERASURE_RELEASED = "erasure-released", _("stopped deletion let go on")
        MAIL_REQUEUED = "mail-requeued", _("failed emails queued again")
        RULE_SAVED = "rule-saved", _("rule saved")
        RULE_ENDED = "rule-ended", _("rule ended")
        PETITION_PUBLISHED = "petition-published", _("petition published")
        STATEMENT_PUBLISHED = "statement-published", _("statement published")
        ENQUIRY_ACKNOWLEDGED = "enquiry-acknowledged", _("message marked as acknowledged")
        ENQUIRY_ANSWERED = "enquiry-answered", _("message marked as answered")
        ENQUIRY_REOPENED = "enquiry-reopened", _("message reopened")
        ALERT_DISMISSED = "alert-dismissed", _("alert marked as checked")
        EXPORTED = "exported", "signatures exported"

    # No constraint: an account may be deleted, and its acts stay on record under its id.
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="+",
        verbose_name=_("who"),
    )
    action = models.CharField(_("what"), max_length=40, choices=Action)
    # A model's label in lower case, such as "petitions.signature", and its primary key as text.
    object_type = models.CharField(_("about"), max_length=80, blank=True)
    object_id = models.CharField(_("its number"), max_length=40, blank=True)
    screen = models.CharField(_("screen or command"), max_length=80)
    created_at = models.DateTimeField(_("when"), auto_now_add=True)
    network_ix = models.BinaryField(max_length=16, null=True)

    class Meta:
        verbose_name = _("audit record")
        verbose_name_plural = _("audit records")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["actor", "action", "created_at"], name="audit_record_actor"),
            models.Index(fields=["object_type", "object_id"], name="audit_record_object"),
            models.Index(fields=["created_at"], name="audit_record_time"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"
