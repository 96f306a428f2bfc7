"""Rollups of a petition's signatures for organisers, counted anew every hour."""

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class Figures(models.Model):
    """The newest rollup of one petition: counts by place, day, text version, name use and state.

    One row a petition, overwritten: two hours are never both stored, so that no stored difference
    tells of one signing.
    """

    # Binds the sealed counts to their row.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    petition = models.OneToOneField(Petition, models.CASCADE, related_name="figures")
    counted_at = models.DateTimeField(_("counted"))
    # {table: {key: n}}; the tables and their keys are in `counting.figures`.
    counts = models.JSONField(default=dict)
    # Counts by country and language, which are sealed as the signers are whom they count.
    sealed = models.BinaryField(null=True)
    sealed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("figures")
        verbose_name_plural = _("figures")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.petition_id} {self.counted_at}"
