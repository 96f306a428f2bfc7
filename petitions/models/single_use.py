"""Nonces that were used."""

from django.db import models


class UsedNonce(models.Model):
    """A nonce that nobody may use again before it expires; named by its keyed hash alone."""

    key = models.BinaryField(primary_key=True, max_length=16)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="used_nonce_expires_at")]

    def __str__(self) -> str:
        return bytes(self.key).hex()
