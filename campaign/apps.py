from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CampaignConfig(AppConfig):
    name = "campaign"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from campaign import checks  # noqa: F401 - registers them
        from petitions.roles import create_roles

        # The last of our apps to be migrated once permissions exist: Django's own
        # permissions are made by an earlier receiver of the same signal.
        post_migrate.connect(create_roles, dispatch_uid="undersigned.roles")
