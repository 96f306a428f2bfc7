"""What mailboxes asked not to get, and those that take no mail. Outlives every erasure."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class Objection(models.Model):
    """One mailbox that is not to be mailed: about one petition, or at all.

    `ix` is the index of the mailbox over all petitions and nothing else is kept of it. The key
    it was made with is noted, so that objections outlive the exchange of that key.
    """

    class Reason(models.TextChoices):
        NOT_ME = "not-me", _("said that it was not them")
        NO_MAIL = "no-mail", _("wants no mail")
        UNDELIVERABLE = "bounced", _("takes no mail")

    ix = models.BinaryField(max_length=16)
    key_id = models.PositiveSmallIntegerField()
    petition = models.ForeignKey(Petition, models.CASCADE, null=True, db_index=False)
    reason = models.CharField(_("reason"), max_length=7, choices=Reason)
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
