"""The stored count of signatures: a sharded counter."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from petitions.models.petition import Petition
from petitions.models.place import Place


class Tally(models.Model):
    """The counter of signatures for one petition, place, kind and shard.

    Shards spread a hot place over several rows, because confirmations would otherwise wait on one
    row lock for each other's flush to disk.
    """

    class Kind(models.TextChoices):
        ONLINE = "online", _("online")
        PAPER = "paper", _("on paper")

    petition = models.ForeignKey(Petition, models.CASCADE, db_index=False)
    place = models.ForeignKey(Place, models.PROTECT, db_index=False)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.ONLINE)
    shard = models.PositiveSmallIntegerField(default=0)
    n = models.IntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["petition", "place", "kind", "shard"], name="tally_once"
            ),
            models.CheckConstraint(condition=Q(n__gte=0), name="tally_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.petition_id} {self.place_id} {self.kind} {self.shard}: {self.n}"
