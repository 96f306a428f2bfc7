"""Unlock a staff account after too many failed logins."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from petitions.management.arguments import user_of
from petitions.staff import logins


class Command(BaseCommand):
    help = "Forget the wrong passwords of one account, so that it can log in at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = user_of(options["username"])
        forgotten = logins.unlock(person=user, actor=None, screen="unlock_account")
        self.stdout.write(f"{user}: {forgotten} wrong passwords are forgotten.")
