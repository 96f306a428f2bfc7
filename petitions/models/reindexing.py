"""Runs of the reindexing job, after the e-mail alias rules or the blind index key changed."""

from django.db import models
from django.db.models.functions import Now


class ReindexingQuerySet(models.QuerySet["Reindexing"]):
    """Queries about runs."""

    def unfinished(self) -> "ReindexingQuerySet":
        """Runs that were interrupted."""
        return self.filter(finished_at=None)


class Reindexing(models.Model):
    """One resumable run over all signers, under one set of alias rules and one index key.

    `cursor` is the keyset cursor, the id of the last signer read: a run resumes from there.
    """

    # `identity.providers.FINGERPRINT`, and the id of the first index key, at the start.
    rules = models.CharField(max_length=16)
    key_id = models.PositiveSmallIntegerField()
    asked_at = models.DateTimeField(db_default=Now())
    cursor = models.UUIDField(null=True)
    looked_at = models.PositiveIntegerField(default=0)
    moved = models.PositiveIntegerField(default=0)
    held = models.PositiveIntegerField(default=0)
    unreadable = models.PositiveIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)

    objects = ReindexingQuerySet.as_manager()

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def fraction(self) -> float:
        """Progress from 0 to 1, estimated from the cursor, as ids are uniformly random."""
        if self.finished_at:
            return 1.0
        return self.cursor.int / 2**128 if self.cursor else 0.0
