"""Recent failed logins, by which further attempts are rate limited (brute-force protection)."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class LoginFailure(models.Model):
    """One failed login, under keyed hashes: what was typed as a user name may be a password."""

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
