from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

# What organisers may do here, beside what they may in `petitions`.
ORGANISERS_MAY = (
    "campaign.add_statement",
    "campaign.change_statement",
    "campaign.view_statement",
    "campaign.add_statementtext",
    "campaign.change_statementtext",
    "campaign.delete_statementtext",
    "campaign.view_statementtext",
)


class CampaignConfig(AppConfig):
    name = "campaign"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # It registers itself. Not in campaign/__init__.py: the embedded stack's commands run
        # before anything is installed.
        from campaign import checks  # noqa: F401
        from campaign.database import timeouts

        # Web and worker say so when they are something else.
        timeouts.limit("command")
        # The last of our apps to be migrated once permissions exist: Django's own
        # permissions are made by an earlier receiver of the same signal.
        post_migrate.connect(create_roles, dispatch_uid="undersigned.roles")


class StaffAdminConfig(AdminConfig):
    default_site = "campaign.staff.StaffSite"


def create_roles(**_kwargs: Any) -> None:
    """Make the roles, with what each may do in all apps; runs after every migration."""
    from petitions.staff import roles  # needs models

    roles.create_roles()
    roles.grant(roles.ORGANISERS, ORGANISERS_MAY)
