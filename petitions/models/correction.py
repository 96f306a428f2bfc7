"""What was asked for on "check your email", until the worker has seen to it a moment later.

One row for each request, whether or not there is anything left that it could be about: hence
no foreign keys. So how long the answer takes tells nothing of what became of an attempt.
"""

from django.db import models


class Correction(models.Model):
    """An attempt that another one replaces: its link and its code are dead from this row on.

    What there is to take back the worker takes back, and deletes the row.
    """

    attempt_id = models.UUIDField(primary_key=True)

    class Meta:
        verbose_name = "correction"
        verbose_name_plural = "corrections"

    def __str__(self) -> str:
        return str(self.attempt_id)


class Resend(models.Model):
    """One more mail that somebody asked for; silenced if their mailbox was asked for too many."""

    id = models.BigAutoField(primary_key=True)
    attempt_id = models.UUIDField()
    is_silenced = models.BooleanField()

    class Meta:
        verbose_name = "request for another mail"
        verbose_name_plural = "requests for another mail"

    def __str__(self) -> str:
        return str(self.attempt_id)
