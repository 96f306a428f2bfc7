"""Work queue of "check your email": corrections and resends that the worker settles.

One row for each request, whether or not its attempt still exists: hence no foreign keys. So the
response time does not depend on the attempt (constant work: docs/architecture.md).
"""

from django.db import models


class Correction(models.Model):
    """An attempt that another one replaces: this row revokes its link and its code at once.

    The worker then withdraws the attempt, if it is still there, and deletes the row.
    """

    attempt_id = models.UUIDField(primary_key=True)

    class Meta:
        verbose_name = "correction"
        verbose_name_plural = "corrections"

    def __str__(self) -> str:
        return str(self.attempt_id)


class Resend(models.Model):
    """A request to resend a confirmation mail; silenced if its mailbox is over the rate limit."""

    id = models.BigAutoField(primary_key=True)
    attempt_id = models.UUIDField()
    is_silenced = models.BooleanField()

    class Meta:
        verbose_name = "request for another mail"
        verbose_name_plural = "requests for another mail"

    def __str__(self) -> str:
        return str(self.attempt_id)
