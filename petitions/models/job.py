"""Named work that comes again and again: who is at it, and when it last came to its end."""

from django.db import models


class Job(models.Model):
    """One kind of work. While its lease lasts, one process alone does it."""

    name = models.CharField(max_length=40, primary_key=True)
    # A random number of whoever is at it: a lease that ran out cannot be renewed or given back.
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(lease=None, leased_until=None)
                | models.Q(lease__isnull=False, leased_until__isnull=False),
                name="job_lease_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name
