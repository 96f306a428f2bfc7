"""Leases of periodic jobs: the holder of each, its expiry, and its last success."""

from django.db import models


class Lease(models.Model):
    """The lease of one job: until it expires, only its holder runs the job (mutual exclusion)."""

    name = models.CharField(max_length=40, primary_key=True)
    # Random token of the holder: who has lost the lease can neither renew nor release it.
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
