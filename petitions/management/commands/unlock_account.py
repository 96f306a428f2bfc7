"""Unlock a staff account after too many failed logins."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from petitions.staff import logins


class Command(BaseCommand):
    help = "Forget the wrong passwords of one account, so that it can log in at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError("There is no account of that name. Upper and lower case differ.")
        forgotten = logins.unlock(person=user, actor=None, screen="unlock_account")
        self.stdout.write(f"{user}: {forgotten} wrong passwords are forgotten.")
