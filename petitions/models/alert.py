"""Alerts: unusual activity that a moderator should look at."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class Alert(models.Model):
    """An alert about one petition, open until a moderator dismisses it (`seen_at`)."""

    class Kind(models.TextChoices):
        BURST = "burst", _("many signatures from one network")

    petition = models.ForeignKey(Petition, models.CASCADE)
    kind = models.CharField(_("type"), max_length=10, choices=Kind)
    # Blind index of the network under a daily key: finds the signatures, and a repeated alert.
    network_ix = models.BinaryField(max_length=16, null=True)
    number = models.PositiveIntegerField(_("signatures"))
    created_at = models.DateTimeField(_("first noticed"), auto_now_add=True)
    seen_at = models.DateTimeField(_("checked"), null=True, blank=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints = [
            models.UniqueConstraint(
                fields=["petition", "kind", "network_ix"],
                name="alert_once_a_network_and_day",
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
