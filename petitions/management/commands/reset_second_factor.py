"""Remove an account's second factor, for example if the only administrator has lost theirs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from petitions.management.arguments import user_of
from petitions.staff import second_factor


class Command(BaseCommand):
    help = "Let one account set up another authenticator app. Make sure that they ask themselves."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = user_of(options["username"])
        if not second_factor.reset(user=user, actor=None, screen="reset_second_factor"):
            raise CommandError("This account has no second factor.")
        self.stdout.write(f"{user} sets up another at the next log-in.")
