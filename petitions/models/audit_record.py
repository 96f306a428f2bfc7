"""The audit log: what staff did, one append-only row an act."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditRecord(models.Model):
    """One entry of the audit log: who, what, about which object, when, and on which screen.

    Append-only: the trigger `audit_record_append_only` allows only the retention of
    `petitions.staff.audit`, and `audit_record_no_truncate` refuses TRUNCATE. The only free text is
    `why`, the reason that somebody gave.
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
        # English alone from here on, as all of the admin.
        PASSWORD_MAILED = "password-mailed", "link for a new password mailed"
        PASSWORD_SET = "password-set", "password set"
        SECOND_FACTOR_SET = "second-factor-set", "authenticator set up"
        SECOND_FACTOR_WRONG = "second-factor-wrong", "wrong code of an authenticator"
        SECOND_FACTOR_RESET = "second-factor-reset", "authenticator removed"
        RECOVERY_CODE_USED = "recovery-code-used", "recovery code used"
        RECOVERY_CODES_MADE = "recovery-codes-made", "new recovery codes made"
        PERSON_INVITED = "person-invited", "person invited"
        PERSON_CHANGED = "person-changed", "name or address of a person changed"
        ROLES_CHANGED = "roles-changed", "roles changed"
        PERSON_DEACTIVATED = "person-deactivated", "account deactivated"
        PERSON_REACTIVATED = "person-reactivated", "account activated again"
        ADDRESS_REVEALED = "address-revealed", "address of a signer revealed"
        REVEAL_REFUSED = "reveal-refused", "address not revealed: too many this hour"
        SEARCHED = "searched", "signatures searched"
        DECIDED = "decided", "signatures decided about"
        EXPORTED = "exported", "signatures exported"
        RECORDS_EXPORTED = "records-exported", "audit records exported"
        ADDED = "added", "added by a form"
        CHANGED = "changed", "changed by a form"
        DELETED = "deleted", "deleted by a form"

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
    # The reason that its actor gave, or the names of roles or form fields: never signers' data.
    why = models.CharField("why", max_length=300, blank=True, default="", db_default="")
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
            models.Index(fields=["action", "id"], name="audit_record_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"
