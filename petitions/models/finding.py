"""Who asked for "find my signature", until the worker has looked a moment later."""

import uuid

from django.db import models


class FindRequest(models.Model):
    """An address that somebody typed, sealed, and whether to look at all.

    One row for each request, the same whether or not somebody has signed with that address: the
    looking is the worker's. So neither the answer nor its time tells. It holds no time, and is
    deleted as soon as the worker has looked.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sealed = models.BinaryField()

    class Meta:
        verbose_name = "request to find signatures"
        verbose_name_plural = "requests to find signatures"

    def __str__(self) -> str:
        return str(self.pk)
