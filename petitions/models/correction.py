"""Which attempts were corrected before anybody confirmed them, until the worker has seen to it."""

from django.db import models


class Correction(models.Model):
    """An attempt that another one replaces: its link and its code are dead from this row on.

    Written for every correction alike, whether or not there is still an attempt to take back:
    hence no foreign key. What there is to take back the worker takes back a moment later, and
    deletes the row, so that how long a correction takes tells nothing.
    """

    attempt_id = models.UUIDField(primary_key=True)

    class Meta:
        verbose_name = "correction"
        verbose_name_plural = "corrections"

    def __str__(self) -> str:
        return str(self.attempt_id)
