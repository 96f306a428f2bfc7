"""Single-use nonces that have been consumed."""

from django.db import models


class UsedNonce(models.Model):
    """A consumed nonce, stored as its keyed hash until it expires (replay protection)."""

    key = models.BinaryField(primary_key=True, max_length=16)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="used_nonce_expires_at")]

    def __str__(self) -> str:
        return bytes(self.key).hex()
