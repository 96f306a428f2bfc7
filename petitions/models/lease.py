"""Leases of named periodic work: who holds each, until when, and its last success."""

from django.db import models


class Lease(models.Model):
    """The lease of one kind of work. While it lasts, one process alone does the work."""

    name = models.CharField(max_length=40, primary_key=True)
    # A random number of its holder: a lease that ran out cannot be renewed or given back.
    holder = models.UUIDField(null=True)
    expires_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(holder=None, expires_at=None)
                | models.Q(holder__isnull=False, expires_at__isnull=False),
                name="lease_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name
