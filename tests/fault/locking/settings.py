"""The site's settings, and an app with a migration that locks the table of signatures."""

from campaign.settings import *  # noqa: F403
from campaign.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.fault.locking"]
