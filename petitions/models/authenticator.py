"""Second factors of staff: an authenticator app (TOTP, RFC 6238) and its recovery codes."""

import time
import uuid
from collections.abc import Iterable

from django.conf import settings
from django.db import models
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from petitions.crypto import vault

# Part of the associated data of sealed secrets. Their row id is `row_key`.
TABLE = "authenticator"
# Codes of the previous and the next 30 seconds are accepted too, because phones' clocks differ.
TOLERANCE = 1
DIGITS = 6


class Authenticator(ThrottlingMixin, Device):  # type: ignore[misc]
    """The authenticator app of one account. `confirmed` is set when its first code is entered.

    This is a device of django-otp. Unlike django-otp's own, it stores its secret sealed, so that a
    stolen dump reveals no second factor. Wrong codes are throttled (1, 2, 4, 8 … seconds).
    """

    # Sealing binds to a UUID, but django-otp requires an integer primary key.
    row_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="authenticator"
    )
    sealed = models.BinaryField()
    # The time step of the last accepted code, so that each code works once.
    last_t = models.BigIntegerField(default=-1)

    class Meta:
        verbose_name = "authenticator"
        verbose_name_plural = "authenticators"

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def secret(self) -> bytes:
        """The secret shared with the app. Raises `vault.CannotOpen`."""
        value = vault.unseal(self.sealed, table=TABLE, row_id=self.row_key)
        return bytes.fromhex(str(value["secret"]))

    def seal(self, secret: bytes) -> None:
        """Set the secret, sealed under the first key of the ring."""
        value = {"secret": secret.hex()}
        self.sealed = vault.seal(value, table=TABLE, row_id=self.row_key)

    def verify_token(self, token: str) -> bool:
        """Accept and use up an app code or a recovery code. Call it with the row locked."""
        if not self.verify_is_allowed()[0]:
            return False
        is_right = (
            self._matches_now(token)
            if is_app_code(token)
            else bool(self.codes.filter(code_ix__in=code_indexes(token)).delete()[0])
        )
        if is_right:
            self.throttle_reset()
        else:
            self.throttle_increment()
        return is_right

    def get_throttle_factor(self) -> int:
        return 1

    def _matches_now(self, token: str) -> bool:
        totp = TOTP(self.secret)
        # Fix the time: otherwise it could pass into the next step before `last_t` is set.
        totp.time = time.time()
        is_right = bool(totp.verify(int(token), TOLERANCE, self.last_t + 1))
        if is_right:
            self.last_t = totp.t()
        return is_right


class RecoveryCode(models.Model):
    """A one-time code for somebody who has lost their phone, stored as its blind index."""

    authenticator = models.ForeignKey(Authenticator, models.CASCADE, related_name="codes")
    code_ix = models.BinaryField(max_length=vault.INDEX_BYTES)

    class Meta:
        verbose_name = "recovery code"
        verbose_name_plural = "recovery codes"

    def __str__(self) -> str:
        return str(self.pk)


def is_app_code(token: str) -> bool:
    """Return whether this looks like a code of an app; recovery codes are longer."""
    return len(token) == DIGITS and token.isdecimal()


def code_indexes(code: str) -> Iterable[bytes]:
    """Return the blind indexes of a recovery code, one per key, newest key first."""
    return [vault.blind_index("recovery code", code, key_id=key) for key in settings.INDEX_KEYS]
