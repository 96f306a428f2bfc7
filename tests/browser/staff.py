"""Staff of the running stack: one account of each role, and how it logs in. No superuser."""

import os
import subprocess
import sys

from django.conf import settings
from playwright.sync_api import Page, expect

from campaign.local.stack import Stack
from petitions.staff.roles import ADMINISTRATORS, MODERATORS, ORGANISERS

NAMES = {MODERATORS: "mona", ORGANISERS: "omar", ADMINISTRATORS: "ada"}
PASSWORD = "kestrel amber violin sofa"
_MAKE = """
import sys, django
django.setup()
from django.contrib.auth.models import Group, User
name, role, password = sys.argv[1:]
if not User.objects.filter(username=name).exists():
    person = User.objects.create_user(name, f"{name}@example.org", password, is_staff=True)
    person.groups.add(Group.objects.get(name=role))
"""


def log_in(page: Page, stack: Stack, role: str = MODERATORS) -> None:
    """Log in afresh by the form, as a plain member of one role."""
    name = NAMES[role]
    command = [sys.executable, "-c", _MAKE, name, role, PASSWORD]
    environment = {**os.environ, **stack.environment}
    subprocess.run(command, env=environment, cwd=settings.BASE_DIR, check=True)
    page.context.clear_cookies()
    page.goto("/admin/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    # Hashing a password gives way to all else on a busy machine.
    page.click("[type=submit]", timeout=120_000)
    expect(page.locator("#user-tools")).to_be_visible()
