"""Second factors: set up an authenticator app, check its codes, make recovery codes, reset."""

import math
import secrets
from base64 import b32encode
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from petitions.crypto import vault
from petitions.models import AuditRecord, Authenticator, RecoveryCode
from petitions.models.authenticator import code_indexes, is_app_code
from petitions.staff import audit, roles, sessions

Action = AuditRecord.Action
# RFC 4226 recommends 20 bytes for SHA-1, which all apps support.
SECRET_BYTES = 20
RECOVERY_CODES = 10
# 59 bits: too many to try, even with the index keys. Without 0, 1, i, l and o.
_ALPHABET, _LENGTH = "23456789abcdefghjkmnpqrstuvwxyz", 12
_GROUP = 4
ISSUER = "Undersigned"


class AlreadySetUp(Exception):
    """The account has a confirmed authenticator, which must be reset first."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A code was wrong, or was not checked. The next code is checked after `wait` seconds."""

    wait: int


def is_missing(user: object) -> bool:
    """Return whether this user must still give a second factor in this session."""
    is_required: bool = settings.SECOND_FACTOR_REQUIRED
    is_given: bool = getattr(user, "otp_device", None) is not None
    return is_required and not is_given


def has_one(user: User) -> bool:
    return bool(Authenticator.objects.filter(user=user, confirmed=True).exists())


@transaction.atomic
def start_set_up(user: User) -> Authenticator:
    """Give the account an unconfirmed authenticator with a new secret, and return it.

    The secret is new each time, so that somebody who saw an earlier page does not know the one that
    is confirmed. Raises `AlreadySetUp` if the account has a confirmed authenticator.
    """
    rows = Authenticator.objects.select_for_update()
    authenticator: Authenticator
    authenticator, _created = rows.get_or_create(
        user=user, defaults={"name": "app", "confirmed": False}
    )
    if authenticator.confirmed:
        raise AlreadySetUp
    authenticator.seal(secrets.token_bytes(SECRET_BYTES))
    authenticator.save(update_fields=["sealed"])
    return authenticator


def unconfirmed(user: User) -> Authenticator | None:
    found: Authenticator | None = Authenticator.objects.filter(user=user, confirmed=False).first()
    return found


def fingerprint_of(authenticator: Authenticator) -> str:
    """Return a keyed hash of the sealed secret, by which a session recognises its own set-up."""
    return vault.blind_index("authenticator", bytes(authenticator.sealed)).hex()


def typeable_secret(authenticator: Authenticator) -> str:
    """Return the secret for typing it into an app: base32, in groups of four."""
    return _grouped(b32encode(authenticator.secret).decode())


def otpauth_url(authenticator: Authenticator) -> str:
    """Return the `otpauth:` URL for the QR code.

    Source: https://github.com/google/google-authenticator/wiki/Key-Uri-Format
    """
    parameters = {"secret": b32encode(authenticator.secret).decode(), "issuer": ISSUER}
    label = quote(f"{ISSUER}:{authenticator.user.get_username()}")
    return f"otpauth://totp/{label}?{urlencode(parameters)}"


@transaction.atomic
def confirm(*, user: User, code: str, screen: str) -> Authenticator | Wrong:
    """Confirm the authenticator with a first code from the app."""
    return _verified(user, code, screen, confirmed=False)


@transaction.atomic
def check(*, user: User, code: str, screen: str) -> Authenticator | Wrong:
    """Check a code from the app, or a recovery code, which is then used up."""
    return _verified(user, code, screen, confirmed=True)


def _verified(user: User, code: str, screen: str, *, confirmed: bool) -> Authenticator | Wrong:
    rows = Authenticator.objects.select_for_update().filter(user=user, confirmed=confirmed)
    authenticator: Authenticator | None = rows.first()
    if authenticator is None:
        return Wrong(0)
    if wait := _wait(authenticator):
        # Not recorded, so that repeated tries cannot fill the table.
        return Wrong(wait)
    token = normalised(code)
    if not authenticator.verify_token(token):
        _record(Action.SECOND_FACTOR_WRONG, user, screen)
        return Wrong(_wait(authenticator))
    if not confirmed:
        authenticator.confirmed = True
        authenticator.save(update_fields=["confirmed"])
        _record(Action.SECOND_FACTOR_SET, user, screen)
    elif not is_app_code(token):
        _record(Action.RECOVERY_CODE_USED, user, screen)
    return authenticator


def _wait(authenticator: Authenticator) -> int:
    """Return the seconds until the next code is checked; 0 means now."""
    may, why = authenticator.verify_is_allowed()
    return 0 if may else max(1, math.ceil((why["locked_until"] - timezone.now()).total_seconds()))


@transaction.atomic
def make_recovery_codes(*, user: User, screen: str) -> list[str]:
    """Replace the recovery codes of a confirmed authenticator; return the new ones to show once."""
    authenticator = Authenticator.objects.get(user=user, confirmed=True)
    codes = [
        "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)) for _ in range(RECOVERY_CODES)
    ]
    authenticator.codes.all().delete()
    RecoveryCode.objects.bulk_create(
        RecoveryCode(authenticator=authenticator, code_ix=next(iter(code_indexes(code))))
        for code in codes
    )
    _record(Action.RECOVERY_CODES_MADE, user, screen)
    return [_grouped(code, "-") for code in codes]


@transaction.atomic
def reset(*, user: User, actor: User | None, screen: str) -> bool:
    """Remove an account's authenticator and codes, and record it; return False if it had none.

    All its sessions end, and the next log-in asks to set up another: in a session that somebody has
    stolen, they could set up an app of their own, without the password. People may reset their own.
    """
    if actor != user:
        roles.require_to_manage(actor, user)
    removed = Authenticator.objects.filter(user=user).delete()[0]
    if removed:
        sessions.end(user)
        audit.record(action=Action.SECOND_FACTOR_RESET, screen=screen, actor=actor, about=user)
    return bool(removed)


def reseal() -> int:
    """Seal all secrets under the first key; return how many cannot be opened and stay as before."""
    left = 0
    for authenticator in Authenticator.objects.all():
        try:
            authenticator.seal(authenticator.secret)
        except vault.CannotOpen:
            left += 1
        else:
            authenticator.save(update_fields=["sealed"])
    return left


def codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(authenticator__user=user).count()


def normalised(code: str) -> str:
    """Return a typed code in lower case, without spaces and dashes."""
    return "".join(code.split()).replace("-", "").lower()


def _record(action: AuditRecord.Action, user: User, screen: str) -> None:
    audit.record(action=action, screen=screen, actor=user, about=user)


def _grouped(code: str, by: str = " ") -> str:
    return by.join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))
