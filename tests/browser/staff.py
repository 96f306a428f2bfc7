"""Staff of the running stack: one account of each role, and how it logs in. No superuser."""

import atexit
import os
import subprocess
import sys
from functools import cache

from django.conf import settings
from playwright.sync_api import Page, expect

from campaign.local.services import HOST
from campaign.local.stack import Stack
from petitions.staff.roles import ADMINISTRATORS, MODERATORS, ORGANISERS

NAMES = {MODERATORS: "mona", ORGANISERS: "omar", ADMINISTRATORS: "ada"}
PASSWORD = "kestrel amber violin sofa"
# Milliseconds: hashing a password gives way to all else on a busy machine.
PATIENCE = 180_000
# For each name and role, the key of a new session of that account. A process that lives on, for
# Django takes seconds to start; without a connection meanwhile, so that PostgreSQL can be stopped.
_LOG_IN = """
import sys, django
django.setup()
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
for line in sys.stdin:
    name, role, password = line.rstrip().split(",")
    person = User.objects.filter(username=name).first()
    if person is None:
        person = User.objects.create_user(name, f"{name}@example.org", password, is_staff=True)
        person.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(person)
    print(client.session.session_key, flush=True)
    connection.close()
"""
# Whose form of the log-in was filled in already, in which stack.
_SEEN = set[tuple[Stack, str]]()


def log_in(page: Page, stack: Stack, role: str = MODERATORS) -> None:
    """Log in afresh as a plain member of one role: at first by the form, whose hash of a password
    takes long, and then by a new session.
    """
    session = _new_session(stack, role)
    page.context.clear_cookies()
    if (stack, role) in _SEEN:
        page.context.add_cookies(
            [
                {
                    "name": settings.SESSION_COOKIE_NAME,
                    "value": session,
                    "domain": HOST,
                    "path": settings.SESSION_COOKIE_PATH,
                    "httpOnly": True,
                    "sameSite": "Lax",
                }
            ]
        )
        page.goto("/admin/")
    else:
        _SEEN.add((stack, role))
        page.goto("/admin/")
        page.fill("#id_username", NAMES[role])
        page.fill("#id_password", PASSWORD)
        page.click("[type=submit]", timeout=PATIENCE)
    expect(page.locator("#user-tools")).to_be_visible()


def _new_session(stack: Stack, role: str) -> str:
    """The key of a new session of a role's account, which is made where there is none."""
    process = _process(stack)
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{NAMES[role]},{role},{PASSWORD}\n")
    process.stdin.flush()
    key = process.stdout.readline().strip()
    assert key, "the process that logs in has failed: see its traceback"
    return key


@cache
def _process(stack: Stack) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _LOG_IN],
        env={**os.environ, **stack.environment},
        cwd=settings.BASE_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    # It ends when there is nothing more to read.
    atexit.register(process.communicate)
    return process
