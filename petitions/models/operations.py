"""State of running processes: leases, used nonces, rate limits without Redis, failed logins."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Lease(models.Model):
    """The lease of one job. Until it expires, only its holder runs the job (mutual exclusion)."""

    name = models.CharField(max_length=40, primary_key=True)
    # A random token: a process that has lost the lease can neither renew nor release it.
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


class UsedNonce(models.Model):
    """A used nonce, stored as its keyed hash until it expires (replay protection)."""

    key = models.BinaryField(primary_key=True, max_length=16)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="used_nonce_expires_at")]

    def __str__(self) -> str:
        return bytes(self.key).hex()


class RateCount(models.Model):
    """A fixed-window counter under a keyed hash of its subject.

    The table is UNLOGGED: counting never waits for the disk, and a crash empties the table.
    """

    key = models.BinaryField(primary_key=True, max_length=32)
    number = models.IntegerField()
    # Not indexed, so that counting updates no index (HOT updates). The table is small.
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return bytes(self.key).hex()


class LoginFailure(models.Model):
    """A failed login, under keyed hashes: a typed user name may in fact be a password."""

    name_ix = models.BinaryField(max_length=16)
    network_ix = models.BinaryField(max_length=16)
    # The /48 of an IPv6 network; null for IPv4.
    prefix_ix = models.BinaryField(max_length=16, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("wrong password")
        verbose_name_plural = _("wrong passwords")
        indexes = [
            models.Index(fields=["name_ix", "created_at"], name="login_failure_name"),
            models.Index(fields=["network_ix", "created_at"], name="login_failure_network"),
            models.Index(
                fields=["prefix_ix", "created_at"],
                condition=models.Q(prefix_ix__isnull=False),
                name="login_failure_prefix",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
