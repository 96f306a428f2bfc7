"""Second factors of staff: an authenticator app (TOTP, RFC 6238), and its recovery codes."""

import time
import uuid
from collections.abc import Iterable

from django.conf import settings
from django.db import models
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from petitions.crypto import vault

# In the associated data of sealed secrets; the row's id is `row_key`.
TABLE = "authenticator"
# Codes of the previous and the next 30 seconds are accepted, too: telephones' clocks differ.
TOLERANCE = 1
DIGITS = 6


class Authenticator(ThrottlingMixin, Device):  # type: ignore[misc]
    """The authenticator app of one account; `confirmed` once a first code of it was typed.

    A device of django-otp, whose own stores its secret in clear: here it is sealed, so that a
    stolen dump gives nobody's second factor. Wrong codes are throttled (1, 2, 4, 8 … seconds).
    """

    # The associated data of sealing takes a UUID; django-otp wants an integer as primary key.
    row_key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="authenticator"
    )
    sealed = models.BinaryField()
    # The time step of the last accepted code: each code works once.
    last_t = models.BigIntegerField(default=-1)

    class Meta:
        verbose_name = "authenticator"
        verbose_name_plural = "authenticators"

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def secret(self) -> bytes:
        """The secret that it shares with the app. Raises `vault.CannotOpen`."""
        value = vault.unseal(self.sealed, table=TABLE, row_id=self.row_key)
        return bytes.fromhex(str(value["secret"]))

    def seal(self, secret: bytes) -> None:
        """Set the secret, sealed under the first key of the ring."""
        value = {"secret": secret.hex()}
        self.sealed = vault.seal(value, table=TABLE, row_id=self.row_key)

    def verify_token(self, token: str) -> bool:
        """Accept and use up a code of the app, or a recovery code. Call with the row locked."""
        if not self.verify_is_allowed()[0]:
            return False
        is_right = (
            self._is_of_now(token)
            if is_of_an_app(token)
            else bool(self.codes.filter(code_ix__in=code_indexes(token)).delete()[0])
        )
        if is_right:
            self.throttle_reset()
        else:
            self.throttle_increment()
        return is_right

    def get_throttle_factor(self) -> int:
        return 1

    def _is_of_now(self, token: str) -> bool:
        totp = TOTP(self.secret)
        # Else the clock may tick between comparing and noting the step.
        totp.time = time.time()
        is_right = bool(totp.verify(int(token), TOLERANCE, self.last_t + 1))
        if is_right:
            self.last_t = totp.t()
        return is_right


class RecoveryCode(models.Model):
    """A one-time code for who has lost their telephone, as its blind index."""

    authenticator = models.ForeignKey(Authenticator, models.CASCADE, related_name="codes")
    code_ix = models.BinaryField(max_length=vault.INDEX_BYTES)

    class Meta:
        verbose_name = "recovery code"
        verbose_name_plural = "recovery codes"

    def __str__(self) -> str:
        return str(self.pk)


def is_of_an_app(token: str) -> bool:
    """Whether this looks like the code of an app; recovery codes are longer."""
    return len(token) == DIGITS and token.isdecimal()


def code_indexes(code: str) -> Iterable[bytes]:
    """The blind indexes of a recovery code, under each key, the newest first."""
    return [vault.blind_index("recovery code", code, key_id=key) for key in settings.INDEX_KEYS]
