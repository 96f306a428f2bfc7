"""Roles (Django groups) and their permissions. A person may have several."""

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import Q

from petitions.models import BatchJob
from petitions.staff.refusal import Refused

MODERATORS = "Moderators"
ORGANISERS = "Organisers"
ADMINISTRATORS = "Administrators"
# The permission for whatever moderators do, except what has a permission of its own.
MODERATE = "petitions.moderate_signature"

ROLES: dict[str, tuple[str, ...]] = {
    MODERATORS: (
        "petitions.view_petition",
        "petitions.view_signature", MODERATE,
        "petitions.approve_bulkdecision", "petitions.view_bulkdecision",
        "petitions.approve_signature", "petitions.remove_signature", "petitions.erase_signature",
        "petitions.reveal_signature",
        "petitions.view_decision",
        "petitions.view_alert",
        "petitions.view_activityminute",
        "petitions.add_rule", "petitions.change_rule", "petitions.delete_rule",
        "petitions.view_rule",
    ),
    ORGANISERS: (
        "petitions.add_petition", "petitions.change_petition", "petitions.view_petition",
        "petitions.add_petitiontext", "petitions.change_petitiontext",
        "petitions.delete_petitiontext", "petitions.view_petitiontext",
        "petitions.add_milestone", "petitions.change_milestone", "petitions.delete_milestone",
        "petitions.view_milestone",
        "petitions.add_milestonetext", "petitions.change_milestonetext",
        "petitions.delete_milestonetext", "petitions.view_milestonetext",
        "petitions.view_figures",
        "petitions.view_activityminute",
        "petitions.view_snapshot",
        "petitions.view_snapshotpart",
        "petitions.view_erasure", "petitions.change_erasure",
        "petitions.view_erasurestop",
        "petitions.export_signatures",
        "petitions.export_supporters",
        "petitions.export_person",
        "petitions.view_export",
        "petitions.add_news", "petitions.change_news", "petitions.view_news",
        "petitions.send_news", "petitions.approve_news",
        "petitions.view_sendercheck", "petitions.change_sendercheck",
        "petitions.view_mail", "petitions.change_mail",
        "petitions.add_rule", "petitions.change_rule", "petitions.delete_rule",
        "petitions.view_rule",
        "petitions.change_enquiry", "petitions.view_enquiry",
        "petitions.add_source", "petitions.change_source", "petitions.view_source",
        "petitions.change_organisation", "petitions.view_organisation",
    ),
    # People, their roles and the audit log; nothing about signatures.
    ADMINISTRATORS: (
        "auth.view_user", "auth.add_user", "auth.change_user",
        "petitions.view_auditrecord",
    ),
}  # fmt: skip


def require(actor: User | None, permission: str) -> None:
    """Raise `PermissionDenied`, with the permission's name, unless the actor has it.

    Every use case with an actor calls it first. Without an actor, an operator runs a command on the
    server: that may do everything, and is recorded without a name.
    """
    if actor is not None and not actor.has_perm(permission):
        raise PermissionDenied(permission)


def may_manage(actor: User, person: User) -> bool:
    """Return whether the actor may change this account: only superusers may change superusers."""
    return actor.is_superuser or not person.is_superuser


def require_to_manage(actor: User | None, person: User) -> None:
    """Require the permission to change people, and raise `Refused` unless `may_manage`."""
    require(actor, "auth.change_user")
    if actor is not None and not may_manage(actor, person):
        raise Refused("Nothing was changed. Only a superuser changes a superuser's account.")


def set_permissions(role: str, permissions: Iterable[str]) -> None:
    """Give a role exactly these permissions, such as "petitions.view_mail".

    Other permissions are taken away, so that a release can narrow a role. Permissions that do not
    exist yet, as between two migrations, are given after the next migration.
    """
    group, _created = Group.objects.get_or_create(name=role)
    wanted = Q(pk__in=[])
    for permission in permissions:
        app, _dot, code = permission.partition(".")
        wanted |= Q(content_type__app_label=app, codename=code)
    group.permissions.set(Permission.objects.filter(wanted))


def who_may(permission: str) -> list[str]:
    """Return the names of the roles with a permission; empty if only superusers have it."""
    app, _dot, code = permission.partition(".")
    groups = Group.objects.filter(
        permissions__content_type__app_label=app, permissions__codename=code
    )
    return list(groups.order_by("name").values_list("name", flat=True))


def people_of(role_names: Iterable[str]) -> list[User]:
    """Return the active members of any of these roles, sorted by user name."""
    members = User.objects.filter(groups__name__in=role_names, is_active=True, is_staff=True)
    return list(members.distinct().order_by("username"))


def staff_with(permission: str) -> list[User]:
    """Return the active staff with a permission, by a role or as superusers."""
    staff = User.objects.filter(is_active=True, is_staff=True).order_by("pk")
    return [person for person in staff if person.has_perm(permission)]


def others_who_approve(job: BatchJob) -> list[User]:
    """Return the people who may approve a job as a second person.

    If there are none, the job starts by itself after a while, and can be stopped until then.
    """
    return [person for person in staff_with(job.APPROVAL) if person.pk != job.actor_id]
