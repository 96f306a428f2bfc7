"""The two roles and what each may do. One person may hold both."""

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
        "petitions.view_snapshot",
        "petitions.view_snapshotpart",
        "petitions.view_erasure",
        "petitions.change_erasure",
        "petitions.view_erasurestop",
        "petitions.export_signatures",
        "petitions.view_export",
        "petitions.view_mail",
        "petitions.view_mailprovider",
        "petitions.view_maildomain",
        "petitions.view_reindexing",
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
        "campaign.add_statement",
        "campaign.change_statement",
        "campaign.view_statement",
        "campaign.add_statementtext",
        "campaign.change_statementtext",
        "campaign.delete_statementtext",
        "campaign.view_statementtext",
    ),
}


def create_roles(**_kwargs: Any) -> None:
    """Make the groups and give them their permissions; runs after every migration."""
    for name, wanted in ROLES.items():
        group, _created = Group.objects.get_or_create(name=name)
        codes = {tuple(code.split(".")) for code in wanted}
        # Added, never taken away: an operator may have given a group more.
        group.permissions.add(
            *(
                permission
                for permission in Permission.objects.select_related("content_type")
                if (permission.content_type.app_label, permission.codename) in codes
            )
        )
