"""Counters of rate limits while Redis does not answer."""

from django.db import models


class RateCount(models.Model):
    """A fixed-window counter under the keyed hash of what it counts.

    The table is UNLOGGED: counting waits for no disk, and a crash empties it.
    """

    key = models.BinaryField(primary_key=True, max_length=32)
    number = models.IntegerField()
    # Not indexed, so that counting changes no index (HOT updates); the table is small.
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return bytes(self.key).hex()
