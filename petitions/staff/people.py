"""Accounts of staff: invite, change, deactivate, activate again, and mail a link for a password.

Nothing deletes an account: what it did stays readable under its name.
"""

from collections.abc import Iterable
from uuid import uuid4

from django.contrib.auth.models import Group, User
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.db.models import Q
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from petitions.crypto import vault
from petitions.infra import locks
from petitions.models import AuditRecord, StaffMail
from petitions.staff import audit, second_factor
from petitions.staff.refusal import Refused
from petitions.staff.roles import ADMINISTRATORS, ORGANISERS, people_of, require, require_to_manage

Action = AuditRecord.Action
TABLE = "staff mail"
# Bytes: all sealed addresses have one length, whatever was typed.
SEALED_LENGTH = 512
# Unsent requests for a new password at most: what floods the form may not fill the table.
REQUESTS_AT_ONCE = 500
_NAMED = ("username", "first_name", "last_name", "email")


@transaction.atomic
def invite(*, person: User, roles: Iterable[Group], actor: User, screen: str) -> None:
    """Create an account without a password, and mail its owner a link to set one."""
    require(actor, "auth.add_user")
    person.is_staff = True
    person.set_unusable_password()
    person.save()
    audit.record(action=Action.PERSON_INVITED, screen=screen, actor=actor, about=person)
    _set_roles(person, roles, actor, screen)
    StaffMail.objects.create(kind=StaffMail.Kind.INVITATION, user=person)


@transaction.atomic
def invite_again(*, person: User, actor: User, screen: str) -> None:
    """Mail another link to set a password; earlier ones work until one is used."""
    require_to_manage(actor, person)
    StaffMail.objects.create(kind=StaffMail.Kind.INVITATION, user=person)
    audit.record(action=Action.PERSON_INVITED, screen=screen, actor=actor, about=person)


@transaction.atomic
def change(*, person: User, roles: Iterable[Group], actor: User, screen: str) -> None:
    """Save the names, address and roles that `person` has now, against those that are stored.

    Of another address the earlier one is told by mail. Raises `Refused`.
    """
    locks.lock_named(ADMINISTRATORS)
    before = User.objects.get(pk=person.pk)
    require_to_manage(actor, before)
    changed = [name for name in _NAMED if getattr(before, name) != getattr(person, name)]
    if changed:
        person.save(update_fields=changed)
        why = _what_changed(before, person, changed)
        audit.record(
            action=Action.PERSON_CHANGED, screen=screen, actor=actor, about=person, why=why
        )
    if "email" in changed and before.email:
        _queue(StaffMail.Kind.CHANGED, before.email, user=person)
    _set_roles(person, roles, actor, screen)
    _need_an_administrator()


def _what_changed(before: User, after: User, changed: list[str]) -> str:
    """The names of changed fields, with both user names: the log shows who acted by today's, so
    that by two accounts that swap theirs the one would seem to have done what the other did.
    """
    words = [name for name in changed if name != "username"]
    if "username" in changed:
        words.insert(0, f"username, from {before.username[:100]} to {after.username[:100]}")
    return ", ".join(words)


@transaction.atomic
def deactivate(*, person: User, actor: User, screen: str) -> None:
    """Let an account log in no more, at once and in every session. Raises `Refused`."""
    locks.lock_named(ADMINISTRATORS)
    require_to_manage(actor, person)
    if person.pk == actor.pk:
        raise Refused(
            "Nothing was changed. You cannot deactivate your own account. Ask another "
            "administrator."
        )
    if User.objects.filter(pk=person.pk, is_active=True).update(is_active=False):
        audit.record(action=Action.PERSON_DEACTIVATED, screen=screen, actor=actor, about=person)
    _need_an_administrator()


@transaction.atomic
def reactivate(*, person: User, actor: User, screen: str) -> None:
    """Let a deactivated account log in again, with the roles it had."""
    require_to_manage(actor, person)
    if User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
        audit.record(action=Action.PERSON_REACTIVATED, screen=screen, actor=actor, about=person)


def reset_second_factor(*, person: User, actor: User, screen: str) -> None:
    """Let somebody else set up another authenticator app. Raises `Refused`."""
    require_to_manage(actor, person)
    if person.pk == actor.pk:
        raise Refused(
            "Nothing was changed. Another administrator resets yours; or use “Second factor” above."
        )
    if not second_factor.reset(user=person, actor=actor, screen=screen):
        raise Refused(f"Nothing was changed. {person} has no second factor yet.")


def ask_for_password(*, email: str) -> None:
    """Queue a link for a new password to whoever has this address; nobody learns if anybody has.

    The same work for every address; beyond `REQUESTS_AT_ONCE` nothing is queued until the worker
    has sent what waits.
    """
    if StaffMail.objects.count() < REQUESTS_AT_ONCE:
        _queue(StaffMail.Kind.PASSWORD, email)


def warn_of_contact(*, earlier: str, actor: User | None) -> None:
    """Mail whoever reads the earlier privacy contact, and the other organisers, that it changed:
    signers write to it, and the notices of erasures go there.
    """
    others = [person for person in people_of([ORGANISERS]) if person.email and person != actor]
    contact = StaffMail.Kind.CONTACT
    StaffMail.objects.bulk_create(StaffMail(kind=contact, user=person) for person in others)
    if reader := actor or next(iter(others), None):
        _queue(contact, earlier, user=reader)


def note_password_set(*, person: User, screen: str) -> None:
    audit.record(action=Action.PASSWORD_SET, screen=screen, actor=person, about=person)


def password_link_parts(person: User) -> tuple[str, str]:
    """The account and the token of a link that sets its password once, within three days."""
    account = urlsafe_base64_encode(force_bytes(person.pk))
    return account, default_token_generator.make_token(person)


def address_in(mail: StaffMail) -> str:
    """The sealed address of a queued mail. Raises `vault.CannotOpen`."""
    return str(vault.unseal(mail.sealed or b"", table=TABLE, row_id=mail.pk)["email"])


def _queue(kind: StaffMail.Kind, email: str, user: User | None = None) -> None:
    key = uuid4()
    sealed = vault.seal({"email": email}, table=TABLE, row_id=key, at_least=SEALED_LENGTH)
    StaffMail.objects.create(id=key, kind=kind, user=user, sealed=sealed)


def _set_roles(person: User, roles: Iterable[Group], actor: User, screen: str) -> None:
    wanted = sorted(roles, key=lambda role: role.name)
    if {role.pk for role in wanted} == set(person.groups.values_list("pk", flat=True)):
        return
    person.groups.set(wanted)
    why = ", ".join(role.name for role in wanted) or "none"
    audit.record(action=Action.ROLES_CHANGED, screen=screen, actor=actor, about=person, why=why)


def _need_an_administrator() -> None:
    """Raise `Refused` if nobody is left who could invite people."""
    left = User.objects.filter(is_active=True, is_staff=True)
    if not left.filter(Q(is_superuser=True) | Q(groups__name=ADMINISTRATORS)).exists():
        raise Refused(
            "Nothing was changed. Somebody must stay administrator. Make another person one first."
        )
