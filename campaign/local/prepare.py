"""Prepare the database and files for web and worker, in one Django process.

    python -m campaign.local.prepare FILE

1. Compile message catalogues and collect static files, while PostgreSQL is starting.
2. Wait until PostgreSQL answers; migrate.
3. Load the campaign as a published sample.
4. Make the administrator, with a random password kept in FILE.

Each step is idempotent, and prints one line.
"""

import secrets
import sys
import time
from pathlib import Path

import django
from django.core.management import call_command
from django.db import OperationalError, connection

from campaign.local import messages
from campaign.local.folder import write_private
from campaign.local.stack import MIGRATED

PATIENCE = 120.0


def main(password_file: Path) -> None:
    messages.compile_all()
    django.setup()
    call_command("collectstatic", interactive=False, verbosity=0)
    print("Texts and static files are ready")
    wait_for_database()
    call_command("migrate", interactive=False, verbosity=0)
    print(MIGRATED)
    call_command("load_campaign", publish=True, verbosity=0)
    print("Campaign is loaded")
    make_administrator(password_file)


def wait_for_database() -> None:
    """Return once PostgreSQL answers. Raises `OperationalError` after `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.ensure_connection()
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def make_administrator(password_file: Path) -> None:
    """Make the user unless it exists. If the password file is lost, set a new password."""
    from django.contrib.auth.models import User

    user = User.objects.filter(username="admin").first()
    if user is not None and password_file.exists():
        return
    if not password_file.exists():
        write_private(password_file, secrets.token_urlsafe(18) + "\n")
    user = user or User(
        username="admin", email="admin@example.org", is_staff=True, is_superuser=True
    )
    user.set_password(password_file.read_text().strip())
    user.save()
    print("Administrator is made")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
