"""Comparisons of all signers' mailboxes, after the alias rules or the index key changed."""

from django.db import models
from django.db.models.functions import Now


class ReindexingQuerySet(models.QuerySet["Reindexing"]):
    """Questions about comparisons."""

    def unfinished(self) -> "ReindexingQuerySet":
        """What was interrupted."""
        return self.filter(finished_at=None)


class Reindexing(models.Model):
    """One pass over all signers, under one set of alias rules and one index key.

    `cursor` is the last signer that was looked at: after a crash it goes on from there.
    """

    # `identity.providers.FINGERPRINT`, and the id of the first index key, when it began.
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
        """How much is done, from 0 to 1: ids are random, so the cursor tells."""
        if self.finished_at:
            return 1.0
        return self.cursor.int / 2**128 if self.cursor else 0.0
