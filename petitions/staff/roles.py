"""The two roles (groups of Django) and their permissions. One person may hold both."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission

MODERATORS = "Moderators"
ORGANISERS = "Organisers"

ROLES: dict[str, tuple[str, ...]] = {
    MODERATORS: (
        "petitions.view_petition",
        "petitions.view_signature",
        "petitions.moderate_signature",
        "petitions.view_decision",
        "petitions.view_alert",
        "petitions.add_rule",
        "petitions.change_rule",
        "petitions.delete_rule",
        "petitions.view_rule",
    ),
    ORGANISERS: (
        "petitions.add_petition",
        "petitions.change_petition",
        "petitions.view_petition",
        "petitions.add_petitiontext",
        "petitions.change_petitiontext",
        "petitions.delete_petitiontext",
        "petitions.view_petitiontext",
        "petitions.add_milestone",
        "petitions.change_milestone",
        "petitions.delete_milestone",
        "petitions.view_milestone",
        "petitions.add_milestonetext",
        "petitions.change_milestonetext",
        "petitions.delete_milestonetext",
        "petitions.view_milestonetext",
        "petitions.view_figures",
        "petitions.view_snapshot",
        "petitions.view_snapshotpart",
        "petitions.view_erasure",
        "petitions.change_erasure",
        "petitions.view_erasurestop",
        "petitions.export_signatures",
        "petitions.view_export",
        "petitions.view_mail",
        "petitions.change_mail",
        "petitions.add_rule",
        "petitions.change_rule",
        "petitions.delete_rule",
        "petitions.view_rule",
        "petitions.change_enquiry",
        "petitions.view_enquiry",
        "petitions.add_source",
        "petitions.change_source",
        "petitions.view_source",
        "petitions.change_organisation",
        "petitions.view_organisation",
    ),
}


def create_roles(**_kwargs: Any) -> None:
    """Create the groups and grant their permissions; idempotent, runs after every migration."""
    for role, permissions in ROLES.items():
        grant(role, permissions)


def grant(role: str, permissions: Iterable[str]) -> None:
    """Grant a role permissions, such as "petitions.view_mail"; those that do not exist yet wait.

    Added, never taken away: an operator may have given a group more.
    """
    group, _created = Group.objects.get_or_create(name=role)
    codes = {tuple(code.split(".")) for code in permissions}
    known = Permission.objects.select_related("content_type")
    group.permissions.add(
        *(one for one in known if (one.content_type.app_label, one.codename) in codes)
    )
