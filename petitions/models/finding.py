"""Work queue of "find my signature": requests that the worker settles."""

import uuid

from django.db import models


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
