"""Wrong passwords of the last minutes, which limit how many more may be tried."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class LoginFailure(models.Model):
    """One wrong password. Under keyed hashes, because a name that was typed may be a password."""

    name_ix = models.BinaryField(max_length=16)
    network_ix = models.BinaryField(max_length=16)
    # Of IPv6 the /48 around the network; of IPv4 nothing.
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
