"""Staff accounts: invite, change, deactivate, reactivate, and mail a link to set a password.

Accounts are never deleted, so that the audit log can name who acted.
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
from petitions.staff import audit, second_factor, sessions
from petitions.staff.refusal import Refused
from petitions.staff.roles import (
    ADMINISTRATORS,
    ORGANISERS,
    people_of,
    require,
    require_to_manage,
    staff_with,
)

Action = AuditRecord.Action
TABLE = "staff mail"
# In bytes. All sealed addresses have this length, whatever was typed.
SEALED_LENGTH = 512
# The limit of queued requests for a password link, so that a flood cannot fill the table.
MAX_UNSENT_REQUESTS = 500
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
    """Mail another link to set a password. Earlier links work until one is used."""
    require_to_manage(actor, person)
    StaffMail.objects.create(kind=StaffMail.Kind.INVITATION, user=person)
    audit.record(action=Action.PERSON_INVITED, screen=screen, actor=actor, about=person)


@transaction.atomic
def change(*, person: User, roles: Iterable[Group], actor: User, screen: str) -> None:
    """Save the unsaved changes of a person's names and address, and set their roles.

    If the address changes, the earlier one is told by mail; if the roles do, the other
    administrators are, also those who cease to be one. Raises `Refused`.
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
    _require_an_administrator()


def _what_changed(before: User, after: User, changed: list[str]) -> str:
    """Return the names of changed fields for the audit log, with both values of the user name.

    The log shows accounts by their present user names, so without these a swap of two accounts'
    user names would attribute the acts of each to the other.
    """
    words = [name for name in changed if name != "username"]
    if "username" in changed:
        words.insert(0, f"username, from {before.username[:100]} to {after.username[:100]}")
    return ", ".join(words)


@transaction.atomic
def deactivate(*, person: User, actor: User, screen: str) -> None:
    """Deactivate an account, which logs it out everywhere at once. The other administrators are
    told by mail, and so is the person if they were one. Raises `Refused`.
    """
    locks.lock_named(ADMINISTRATORS)
    require_to_manage(actor, person)
    if person.pk == actor.pk:
        raise Refused(
            "Nothing was changed. You cannot deactivate your own account. Ask another "
            "administrator."
        )
    others = _administrators()
    if User.objects.filter(pk=person.pk, is_active=True).update(is_active=False):
        audit.record(action=Action.PERSON_DEACTIVATED, screen=screen, actor=actor, about=person)
        _warn_administrators(others, actor)
    _require_an_administrator()


@transaction.atomic
def reactivate(*, person: User, actor: User, screen: str) -> None:
    """Let a deactivated account log in again, with its earlier roles. The other administrators are
    told by mail.

    Its earlier sessions are deleted. They are dead only while it is deactivated, and its password
    can be changed only afterwards: whoever has stolen one would be in again.
    """
    require_to_manage(actor, person)
    if User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
        sessions.end(person)
        audit.record(action=Action.PERSON_REACTIVATED, screen=screen, actor=actor, about=person)
        _warn_administrators(_administrators(), actor)


@transaction.atomic
def reset_second_factor(*, person: User, actor: User, screen: str) -> None:
    """Remove another person's second factor and password, and mail them a link to set a password.
    At the next log-in they set up another second factor. Raises `Refused`.

    Somebody who had stolen the password, and whom only the second factor kept out, would otherwise
    set up an app of their own first. With wrong codes they can make the owner ask for a reset.
    """
    require_to_manage(actor, person)
    if person.pk == actor.pk:
        raise Refused(
            "Nothing was changed. Ask another administrator to reset yours, or use “Second "
            "factor” above."
        )
    if not person.email:
        raise Refused(
            f"Nothing was changed. Enter an email address for {person} first: the link to choose a "
            "new password goes there."
        )
    if not second_factor.reset(user=person, actor=actor, screen=screen):
        raise Refused(f"Nothing was changed. {person} has no second factor yet.")
    person.set_unusable_password()
    person.save(update_fields=["password"])
    StaffMail.objects.create(kind=StaffMail.Kind.PASSWORD, user=person)


def request_password_link(*, email: str) -> None:
    """Queue a password link for the account with this address, if there is one.

    The work is the same for every address, so that nobody learns whether an account has it. While
    `MAX_UNSENT_REQUESTS` staff mails are queued, nothing more is queued.
    """
    if StaffMail.objects.count() < MAX_UNSENT_REQUESTS:
        _queue(StaffMail.Kind.PASSWORD, email)


def warn_of_contact(*, earlier: str, actor: User | None) -> None:
    """Mail the earlier privacy contact and the other organisers that the contact has changed.

    Signers write to this address, and it receives the notices of erasures.
    """
    others = [person for person in people_of([ORGANISERS]) if person.email and person != actor]
    contact = StaffMail.Kind.CONTACT
    StaffMail.objects.bulk_create(StaffMail(kind=contact, user=person) for person in others)
    if reader := actor or next(iter(others), None):
        _queue(contact, earlier, user=reader)


def record_password_set(*, person: User, screen: str) -> None:
    audit.record(action=Action.PASSWORD_SET, screen=screen, actor=person, about=person)


def password_link_parts(person: User) -> tuple[str, str]:
    """Return the account and token of a link that sets a password once, within three days."""
    account = urlsafe_base64_encode(force_bytes(person.pk))
    return account, default_token_generator.make_token(person)


def address_in(mail: StaffMail) -> str:
    """Unseal the address of a queued mail. Raises `vault.CannotOpen`."""
    return str(vault.unseal(mail.sealed or b"", table=TABLE, row_id=mail.pk)["email"])


def _queue(kind: StaffMail.Kind, email: str, user: User | None = None) -> None:
    key = uuid4()
    sealed = vault.seal({"email": email}, table=TABLE, row_id=key, at_least=SEALED_LENGTH)
    StaffMail.objects.create(id=key, kind=kind, user=user, sealed=sealed)


def _set_roles(person: User, roles: Iterable[Group], actor: User, screen: str) -> None:
    wanted = sorted(roles, key=lambda role: role.name)
    if {role.pk for role in wanted} == set(person.groups.values_list("pk", flat=True)):
        return
    others = _administrators()
    person.groups.set(wanted)
    why = ", ".join(role.name for role in wanted) or "none"
    audit.record(action=Action.ROLES_CHANGED, screen=screen, actor=actor, about=person, why=why)
    _warn_administrators([*others, *_administrators()], actor)


def _administrators() -> list[User]:
    """Return the active people who may change roles, superusers too."""
    return staff_with("auth.change_user")


def _warn_administrators(people: Iterable[User], actor: User) -> None:
    """Mail administrators, of before and after a change, that it was made by the actor.

    A stolen account of an administrator would first take the role from the others, or deactivate
    them, and then give itself more.
    """
    warned = {person for person in people if person.email and person != actor}
    kind = StaffMail.Kind.ROLES
    StaffMail.objects.bulk_create(StaffMail(kind=kind, user=person) for person in warned)


def _require_an_administrator() -> None:
    """Raise `Refused` if no active person could invite people."""
    left = User.objects.filter(is_active=True, is_staff=True)
    if not left.filter(Q(is_superuser=True) | Q(groups__name=ADMINISTRATORS)).exists():
        raise Refused(
            "Nothing was changed. Somebody must be an administrator. Make another person one first."
        )
