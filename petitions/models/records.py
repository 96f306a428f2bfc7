"""Records of acts: the audit log, and scheduled erasures."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from petitions.models.base import with_checked_choices
from petitions.models.petition import Petition


class AuditRecordQuerySet(models.QuerySet["AuditRecord"]):
    """Queries about acts of staff."""

    def about(self, one: models.Model) -> "AuditRecordQuerySet":
        """Return the records about one object."""
        return self.filter(object_type=one._meta.label_lower, object_id=str(one.pk))

    def lately(self, action: str, within: timedelta) -> "AuditRecordQuerySet":
        """Return records of an action within a period up to now, for rate limits."""
        return self.filter(action=action, created_at__gt=timezone.now() - within)


@with_checked_choices
class AuditRecord(models.Model):
    """One entry of the audit log: who did what, to which object, when, and on which screen.

    Append-only: the trigger `audit_record_append_only` allows only the retention of
    `petitions.staff.audit`, and `audit_record_no_truncate` refuses TRUNCATE. The only free text is
    `why`, the reason that the actor gave.
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
        PETITION_PAUSED = "petition-paused", "signing paused"
        PETITION_RESUMED = "petition-resumed", "signing resumed"
        PETITION_CLOSED = "petition-closed", "petition closed"
        PETITION_REOPENED = "petition-reopened", "petition opened again"
        PETITION_RESTORED = "petition-restored", "petition put back on the site"
        PETITION_RECALLED = "petition-recalled", "petition taken back to draft"
        PETITION_REMOVED = "petition-removed", "petition taken off the site"
        OPENED_UNREADY = "opened-unready", "petition opened before everything was ready"
        READINESS_TICKED = "readiness-ticked", "ticked on the checklist"
        READINESS_UNTICKED = "readiness-unticked", "unticked on the checklist"
        ORGANISATION_RENAMED = "organisation-renamed", "organisation renamed"
        TEXTS_SAVED = "texts-saved", "texts saved"
        TEXTS_PUBLISHED = "texts-published", "texts published"
        TEXT_CORRECTED = "text-corrected", "public text corrected"
        VERSION_BEGUN = "version-begun", "new version of the text started"
        STATEMENT_PUBLISHED = "statement-published", _("statement published")
        STATEMENT_RECALLED = "statement-recalled", "statement taken back to draft"
        DRAFT_LINK_MADE = "draft-link-made", "secret link to a draft made"
        DRAFT_LINK_ENDED = "draft-link-ended", "secret link to a draft ended"
        ENQUIRY_ACKNOWLEDGED = "enquiry-acknowledged", _("message marked as acknowledged")
        ENQUIRY_ANSWERED = "enquiry-answered", _("message marked as answered")
        ENQUIRY_REOPENED = "enquiry-reopened", _("message reopened")
        ENQUIRY_CLOSED = "enquiry-closed", "message closed"
        ENQUIRIES_MAILED = "enquiries-mailed", "organisation mailed about messages"
        ANSWER_SENT = "answer-sent", "answer to a message sent"
        ALERT_DISMISSED = "alert-dismissed", _("alert marked as checked")
        BULK_STARTED = "bulk-started", _("bulk decision started")
        BULK_APPROVED = "bulk-approved", _("bulk decision approved")
        BULK_CANCELLED = "bulk-cancelled", _("bulk decision cancelled")
        # In English only from here on, like the rest of the admin.
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
        SEARCH_REFUSED = "search-refused", "search refused: too many this hour"
        DECIDED = "decided", "decision about signatures"
        EXPORTED = "exported", "signatures exported"
        RECORDS_EXPORTED = "records-exported", "audit records exported"
        NEWS_TESTED = "news-tested", "test of news mailed to its sender"
        NEWS_STARTED = "news-started", "sending of news started"
        NEWS_APPROVED = "news-approved", "news approved"
        NEWS_PAUSED = "news-paused", "sending of news paused"
        NEWS_RESUMED = "news-resumed", "sending of news resumed"
        NEWS_STOPPED = "news-stopped", "sending of news stopped for good"
        ADDED = "added", "added by a form"
        CHANGED = "changed", "changed by a form"
        DELETED = "deleted", "deleted by a form"
        SIGNING_PAUSED = "signing-paused", "signing paused by a switch"
        SIGNING_RESUMED = "signing-resumed", "signing resumed by a switch"
        CHALLENGE_ON = "challenge-on", "extra check for everybody switched on"
        CHALLENGE_OFF = "challenge-off", "extra check for everybody switched off"
        HOLDING_ON = "holding-on", "holding of all new signatures switched on"
        HOLDING_OFF = "holding-off", "holding of all new signatures switched off"
        NAMES_SHOWN = "names-shown", "publication of names switched on"
        NAMES_HIDDEN = "names-hidden", "publication of names switched off"
        MAIL_TRIED = "mail-tried", "every message sent to oneself"
        SENDER_CHECKED = "sender-checked", "DNS records of the sender checked"

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
    # The actor's reason, or names of roles or form fields. Never signers' data.
    why = models.CharField("why", max_length=300, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("when"), auto_now_add=True)
    network_ix = models.BinaryField(max_length=16, null=True)

    objects = AuditRecordQuerySet.as_manager()

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


class ErasureQuerySet(models.QuerySet["Erasure"]):
    """Queries about scheduled erasures."""

    def stopped(self) -> "ErasureQuerySet":
        """Return erasures that an organiser has stopped and nobody has released."""
        return self.filter(_is_stopped())

    def standing(self) -> "ErasureQuerySet":
        """Return erasures that are not stopped."""
        return self.filter(~_is_stopped())


def _is_stopped() -> Exists:
    return Exists(ErasureStop.objects.standing().filter(petition=OuterRef("petition")))


class Erasure(models.Model):
    """The pending erasure of a closed petition's signers. The row is deleted with them.

    This is a table of its own, written by sweeps, because the admin form of a petition saves all
    columns of the petition and could overwrite the schedule with an older one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.OneToOneField(
        Petition, models.CASCADE, related_name="erasure", verbose_name=_("petition")
    )
    scheduled_at = models.DateTimeField(_("scheduled"))
    erasure_due_at = models.DateTimeField(_("due"))
    # On how many days a sweep has seen it, so that a clock that jumps ahead triggers no erasure.
    days_seen = models.PositiveSmallIntegerField(default=1)
    seen_on = models.DateField()
    mailed_at = models.DateTimeField(_("organisation mailed"), null=True)

    objects = ErasureQuerySet.as_manager()

    class Meta:
        verbose_name = _("erasure to come")
        verbose_name_plural = _("erasures to come")
        ordering = ("erasure_due_at", "id")

    def __str__(self) -> str:
        return str(self.petition)


class ErasureStopQuerySet(models.QuerySet["ErasureStop"]):
    """Queries about stops."""

    def standing(self) -> "ErasureStopQuerySet":
        """Return stops that nobody has released."""
        return self.filter(released_at=None)


class ErasureStop(models.Model):
    """The record of a stop: who stopped an erasure, why, and who released it."""

    petition = models.ForeignKey(Petition, models.PROTECT, related_name="erasure_stops")
    reason = models.CharField(_("why it was stopped"), max_length=300)
    stopped_at = models.DateTimeField(_("stopped"), auto_now_add=True)
    stopped_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("stopped by")
    )
    release_reason = models.CharField(_("why it goes on"), max_length=300, blank=True)
    released_at = models.DateTimeField(_("goes on since"), null=True, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        verbose_name=_("let go on by"),
    )

    objects = ErasureStopQuerySet.as_manager()

    class Meta:
        verbose_name = _("stop of an erasure")
        verbose_name_plural = _("stops of erasures")
        ordering = ("-stopped_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=["petition"],
                condition=Q(released_at__isnull=True),
                name="erasure_stop_once_a_petition",
            ),
            models.CheckConstraint(
                condition=Q(released_at=None, released_by=None)
                | Q(released_at__isnull=False, released_by__isnull=False),
                name="erasure_stop_released_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return str(self.petition)
