"""Daily snapshots of the count, the source of public time series and breakdowns."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class Snapshot(models.Model):
    """The total at the end of one day in London. Write-once."""

    petition = models.ForeignKey(Petition, models.CASCADE, related_name="snapshots", db_index=False)
    day = models.DateField(_("after the day"))
    total = models.PositiveIntegerField(_("signatures"))
    # {table: {key: n}} of `counting.states`: fit to publish, as `SnapshotPart.shown` is.
    states = models.JSONField(default=dict, db_default={}, editable=False)

    class Meta:
        verbose_name = _("daily count")
        verbose_name_plural = _("daily counts")
        constraints = [
            models.UniqueConstraint(fields=["petition", "day"], name="snapshot_once_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.petition_id} {self.day}: {self.total}"


class SnapshotPart(models.Model):
    """The exact count of one region, of "UK, not known", or of abroad, in a day's snapshot.

    Published only through `counting.breakdowns`, which rounds and delays it (disclosure control).
    """

    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="parts", db_index=False)
    # A code of `Region`, `unknown` or `abroad`.
    group = models.CharField(max_length=9)
    n = models.PositiveIntegerField()
    # The `n` to publish (rounded) if this day is released: an earlier one until the region has
    # moved enough. 0 if the region is suppressed.
    shown = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "group"], name="snapshot_part_once"),
            models.CheckConstraint(condition=~Q(group=""), name="snapshot_part_has_a_group"),
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_id} {self.group}: {self.n}"
