"""Work queues of the worker: corrections, resends and requests to find one's signature.

One row for each request, written alike whether or not what it is about exists: hence no foreign
keys. So the response time does not depend on it (constant work: docs/architecture.md).
"""

import uuid

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


class FindRequest(models.Model):
    """One request: a sealed address and language, padded to one length.

    Written alike whether or not the address has signed, which only the worker looks up (constant
    work: docs/architecture.md). It has no timestamp, and is deleted once the worker has looked.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sealed = models.BinaryField()

    class Meta:
        verbose_name = "request to find signatures"
        verbose_name_plural = "requests to find signatures"

    def __str__(self) -> str:
        return str(self.pk)
