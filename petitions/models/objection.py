"""Suppression list: mailboxes not to be mailed (opt-out, "not me", bounce). Survives erasure."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class Objection(models.Model):
    """One suppressed mailbox: for one petition, or for all mail.

    `ix`, the global blind index of the mailbox, is all that is stored of it. `key_id` names its
    key, so that suppressions survive a key rotation.
    """

    class Reason(models.TextChoices):
        NOT_ME = "not-me", _("said that it was not them")
        NO_MAIL = "no-mail", _("wants no mail")
        UNDELIVERABLE = "bounced", _("takes no mail")

    ix = models.BinaryField(max_length=16)
    key_id = models.PositiveSmallIntegerField()
    petition = models.ForeignKey(Petition, models.CASCADE, null=True, db_index=False)
    reason = models.CharField(_("reason"), max_length=7, choices=Reason)
    # The one mail that said that the address was entered again; no foreign key, for it is deleted.
    notice_id = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("objection")
        verbose_name_plural = _("objections")
        constraints = [
            models.UniqueConstraint(
                fields=["ix", "key_id", "petition", "reason"],
                name="objection_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=~Q(reason="not-me") | Q(petition__isnull=False),
                name="objection_not_me_is_about_a_petition",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.pk}"
