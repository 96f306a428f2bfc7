from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate

# Permissions of organisers in this app, in addition to those in `petitions`.
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
        # Importing it registers the system checks. It cannot be imported in campaign/__init__.py,
        # because commands of the embedded stack run before anything is installed.
        from campaign import checks  # noqa: F401
        from campaign.database import timeouts

        # The default. Web and worker set their own kind.
        timeouts.limit("command")
        # This runs after each app's migration. Permissions are created by an earlier receiver of
        # the same signal.
        post_migrate.connect(create_roles, dispatch_uid="undersigned.roles")
        from campaign import sessions  # needs models
        from petitions.admin import acting

        user_logged_in.connect(sessions.note_login)
        user_logged_in.connect(acting.note_login)


class StaffAdminConfig(AdminConfig):
    default_site = "campaign.staff.site.StaffSite"


def create_roles(**_kwargs: Any) -> None:
    """Create the roles, with exactly their permissions in all apps. A `post_migrate` receiver."""
    from petitions.staff import roles  # needs models

    for role, permissions in roles.ROLES.items():
        ours = ORGANISERS_MAY if role == roles.ORGANISERS else ()
        roles.set_permissions(role, (*permissions, *ours))
