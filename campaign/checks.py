"""System checks, with hints, of settings that are missing or contradict each other.

`manage.py check` reports all of them at once. Web and worker refuse to start on an error.
"""

import sys
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register, run_checks
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import DatabaseError, InterfaceError

TAG = "undersigned"
_MAKE_KEY = (
    "Make one with: python -c \"import base64, os; print('1:' + "
    'base64.b64encode(os.urandom(32)).decode())" and set it as {name} in the environment. '
    "Keep a copy in a safe place: what is sealed cannot be opened without it."
)
_LEAST_SECRET = 50
_PENDING_DAYS = range(2, 91)


@register(TAG)
def secrets_are_set(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that SECRET_KEY is long enough, and that the key rings are set and share no key."""
    found: list[CheckMessage] = []
    try:
        weak = len(settings.SECRET_KEY) < _LEAST_SECRET
    except ImproperlyConfigured:
        weak = True
    if weak:
        hint = "Set SECRET_KEY in the environment to 50 or more random characters."
        found.append(Error("SECRET_KEY is missing or too short.", hint=hint, id="undersigned.E001"))
    rings = ("SEALING_KEYS", "INDEX_KEYS", "LINK_KEYS")
    for number, name in enumerate(rings, start=2):
        if not getattr(settings, name):
            hint = _MAKE_KEY.format(name=name)
            found.append(Error(f"{name} is missing.", hint=hint, id=f"undersigned.E00{number}"))
    used = [key for name in rings for key in getattr(settings, name).values()]
    if len(set(used)) < len(used):
        hint = "Make a key of its own for each ring: one that leaks must not open the others."
        found.append(Error("Two key rings share a key.", hint=hint, id="undersigned.E005"))
    return found


@register(TAG)
def site_is_consistent(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that public URL, allowed hosts, TLS and mail are consistent in production."""
    if settings.ENVIRONMENT != "production":
        return []
    found: list[CheckMessage] = []
    if not settings.SITE_URL.startswith("https://"):
        hint = "Set SITE_URL to the public address, such as https://petition.example.org."
        found.append(Error("SITE_URL is not an https address.", hint=hint, id="undersigned.E006"))
    if "*" in settings.ALLOWED_HOSTS or not settings.ALLOWED_HOSTS:
        hint = "Set ALLOWED_HOSTS to the host names of the site, separated by commas."
        found.append(Error("ALLOWED_HOSTS allows any host.", hint=hint, id="undersigned.E007"))
    if settings.DEFAULT_FROM_EMAIL.endswith("@localhost"):
        hint = "Set MAIL_FROM to the address that signers should see, at a domain you control."
        found.append(Error("MAIL_FROM is missing.", hint=hint, id="undersigned.E008"))
    if settings.LOCAL_MAILBOX:
        hint = "Unset LOCAL_MAILBOX: it would show signers' mail to anybody."
        found.append(Error("LOCAL_MAILBOX is set.", hint=hint, id="undersigned.E009"))
    if settings.MAIL_PROVIDER != "smtp" and not settings.MAIL_API_KEY:
        hint = "Set MAIL_API_KEY to the key that the provider gave you."
        found.append(Error("MAIL_API_KEY is missing.", hint=hint, id="undersigned.E011"))
    is_plain = settings.MAIL_PROVIDER == "smtp" and settings.SMTP_SECURITY == "none"
    if is_plain and settings.EMAIL_HOST not in {"127.0.0.1", "localhost"}:
        hint = "Set SMTP_SECURITY to starttls or tls."
        message = "Mail leaves without encryption."
        found.append(CheckWarning(message, hint=hint, id="undersigned.W001"))
    return found


@register(TAG)
def sender_is_an_address(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that MAIL_FROM is a bare address. With anything else no mail could be sent."""
    if not _is_bare_address(settings.DEFAULT_FROM_EMAIL):
        hint = (
            "Set MAIL_FROM to the bare address, such as post@example.org. The name beside it "
            "is the organisation's “sender of mails” in the admin."
        )
        return [Error("MAIL_FROM is not an email address.", hint=hint, id="undersigned.E010")]
    return []


@register(TAG)
def nothing_is_deleted_too_soon(
    app_configs: Sequence[Any] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that PENDING_DAYS leaves time to confirm. At 0, retention would delete new forms."""
    if settings.PENDING_DAYS in _PENDING_DAYS:
        return []
    least, most = _PENDING_DAYS[0], _PENDING_DAYS[-1]
    hint = f"Set it to {least} to {most}. A reminder is mailed after a day."
    return [Error("PENDING_DAYS is out of bounds.", hint=hint, id="undersigned.E020")]


@register(Tags.database)
def mailboxes_are_compared(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that signers are indexed under the alias rules of this release, also at `migrate`."""
    from petitions.moderation import reindex  # needs models, which gunicorn has not loaded yet

    try:
        is_due = bool(databases) and reindex.is_due()
    except (DatabaseError, InterfaceError):
        return []  # The database is down, or not migrated yet.
    if not is_due:
        return []
    hint = "Once every process has this release, run: manage.py reindex_mailboxes"
    message = "Signatures were compared under other alias rules of mail providers."
    return [CheckWarning(message, hint=hint, id="undersigned.W002")]


def _is_bare_address(value: str) -> bool:
    # Python's email header parser cannot be used: it raises IndexError or AttributeError at some
    # invalid addresses.
    try:
        validate_email(value)
    except ValidationError:
        return False
    return value.isascii() and '"' not in value


def refuse_unsafe_start() -> None:
    """Run these checks. If there are errors, exit with all of them and their hints."""
    errors = [message for message in run_checks(tags=[TAG]) if message.is_serious()]
    if errors:
        sys.exit("\n".join(str(error) for error in errors))
