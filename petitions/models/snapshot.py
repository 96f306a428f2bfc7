"""The count as it stood after a day: what public series and breakdowns are made of."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition


class Snapshot(models.Model):
    """How many signatures stood after one day in London. Written once, never changed."""

    petition = models.ForeignKey(Petition, models.CASCADE, related_name="snapshots", db_index=False)
    day = models.DateField(_("after the day"))
    total = models.PositiveIntegerField(_("signatures"))

    class Meta:
        verbose_name = _("daily count")
        verbose_name_plural = _("daily counts")
        constraints = [
            models.UniqueConstraint(fields=["petition", "day"], name="snapshot_once_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.petition_id} {self.day}: {self.total}"


class SnapshotPart(models.Model):
    """The exact share of one region, of "UK, not known", or of abroad, in a day's count.

    What the public sees of it goes through `progress`, which rounds and delays it.
    """

    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="parts", db_index=False)
    # A code of `Region`, or of the place that is no constituency.
    group = models.CharField(max_length=9)
    n = models.PositiveIntegerField()
    # What is behind the public share if this day's are public: an earlier `n`, unless the region
    # has moved enough since. 0 for a region of which nothing is said.
    shown = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["snapshot", "group"], name="snapshot_part_once"),
            models.CheckConstraint(condition=~Q(group=""), name="snapshot_part_has_a_group"),
        ]

    def __str__(self) -> str:
        return f"{self.snapshot_id} {self.group}: {self.n}"
